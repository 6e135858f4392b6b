"""The agent against the reference server: what is sent, what is kept, what goes wrong."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.osquery_server import OsqueryServer, TestAuthority
from sekisho.agent import session as talk
from sekisho.agent.link import Address, Link, LinkError
from sekisho.wire import osquery
from sekisho.wire.errors import MessageError
from sekisho.wire.kit import Ownership
from sekisho.wire.osquery import NodeInvalidError, ServerRefusedError
from support.agent import MakeSession, kept_results, sign


def never() -> bool:
    return False


def test_a_company_device_enrols_and_answers(
    server: OsqueryServer, make_session: MakeSession
) -> None:
    session = make_session()
    server.behaviour.queries = {
        "fleet_policy_query_os@1": "SELECT 1 FROM os_version WHERE major IN (12, 13)",
        "live:1": "SELECT * FROM no_such_thing",
        "sekisho_detail_os@1": "SELECT version, major FROM os_version",
        "x:locked": "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM locked)",
    }

    talk.enrol(session)
    talk.fetch_config(session)
    talk.answer_work(session, talk.fetch_work(session), never)
    sent = talk.write_results(session)

    assert sent == 4
    assert server.taken.enrolments[0]["platform_type"] == "9"
    assert server.taken.enrolments[0]["host_details"]["system_info"]["hardware_serial"] == "S1"
    write = server.taken.writes[0]
    assert write["queries"]["fleet_policy_query_os@1"] == [{"1": "1"}]
    assert write["queries"]["sekisho_detail_os@1"] == [{"version": "12.4", "major": "12"}]
    assert write["statuses"]["live:1"] == 1
    assert write["messages"]["live:1"] == "no such table: no_such_thing"
    assert write["queries"]["x:locked"] == []
    assert write["statuses"]["x:locked"] == 1
    assert "permission denied" in write["messages"]["x:locked"]
    assert server.taken.headers[-1]["Authorization"] == "NodeKey node-1"
    assert kept_results(session) == {}


def test_a_private_device_tells_nothing_of_its_owner(
    server: OsqueryServer, make_session: MakeSession
) -> None:
    session = make_session(Ownership.PRIVATE)

    talk.enrol(session)

    told = json.dumps(server.taken.enrolments)
    assert "system_info" not in told
    assert "hanako" not in told
    assert "S1" not in told
    assert server.taken.enrolments[0]["host_details"]["os_version"]["name"] == "Debian"


def test_a_reused_socket_that_the_server_closed_is_replaced_once(
    server: OsqueryServer, make_session: MakeSession
) -> None:
    session = make_session()
    server.behaviour.close_without_notice = True

    talk.enrol(session)
    for _ in range(5):
        talk.fetch_work(session)

    assert server.taken.connections == 6


def test_one_connection_serves_many_requests(
    server: OsqueryServer, make_session: MakeSession
) -> None:
    session = make_session()

    talk.enrol(session)
    for _ in range(5):
        talk.fetch_work(session)

    assert server.taken.connections == 1


def test_answers_are_kept_until_the_server_has_them_and_merge_with_newer_ones(
    server: OsqueryServer, make_session: MakeSession
) -> None:
    session = make_session()
    talk.enrol(session)
    talk.answer_work(session, osquery.Work({"a": "SELECT 1"}), never)
    # The first reply is lost on a reused socket, the one retry of it on a new one as well.
    server.behaviour.lose_replies = 2

    with pytest.raises(LinkError):
        talk.write_results(session)
    talk.answer_work(session, osquery.Work({"b": "SELECT 2 AS x"}), never)
    talk.write_results(session)

    assert server.taken.writes[-1]["queries"] == {"a": [{"1": "1"}], "b": [{"x": "2"}]}
    assert kept_results(session) == {}


def test_log_lines_are_compressed_and_deleted_only_after_the_good_reply(
    server: OsqueryServer, make_session: MakeSession
) -> None:
    session = make_session()
    talk.enrol(session)
    query = osquery.ScheduledQuery("pack_sekisho_os", "SELECT major FROM os_version", 3600)
    talk.run_scheduled(session, query, 1_795_395_600)
    server.behaviour.raw_reply["/api/osquery/log"] = (200, b'{"error": "disk full"}')

    with pytest.raises(ServerRefusedError, match="disk full"):
        talk.send_lines(session)
    assert session.state.count_lines() == 1
    server.behaviour.raw_reply.clear()
    assert talk.send_lines(session) == 1

    assert session.state.count_lines() == 0
    assert server.taken.headers[-1]["Content-Encoding"] == "gzip"
    line = server.taken.lines()[0]
    assert line["snapshot"] == [{"major": "12"}]
    assert line["name"] == "pack_sekisho_os"
    assert line["unixTime"] == 1_795_395_600
    assert line["calendarTime"] == "Mon Nov 23 01:00:00 2026 UTC"
    assert line["action"] == "snapshot"


def test_a_scheduled_query_that_fails_becomes_a_status_line(
    server: OsqueryServer, make_session: MakeSession
) -> None:
    session = make_session()
    talk.enrol(session)

    talk.run_scheduled(session, osquery.ScheduledQuery("q", "SELECT 1 FROM locked", 60), 0)
    talk.send_lines(session)

    line = server.taken.lines("status")[0]
    assert line["message"].startswith("Error executing scheduled query q: ")
    assert line["severity"] == 2
    assert server.taken.lines("result") == []


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, b"<html>busy</html>", LinkError),
        (502, b"", ServerRefusedError),
        (500, b"{}", ServerRefusedError),
        (200, b'{"error": ""}', ServerRefusedError),
        (200, b'{"node_invalid": true}', NodeInvalidError),
        (200, b'{"node_invalid": "true"}', LinkError),
        (200, b"[]", LinkError),
        (200, b"[" * 100_000, LinkError),
        (200, b"{" + b" " * (9 * 1024 * 1024), LinkError),
        (304, b"", ServerRefusedError),
    ],
)
def test_a_reply_that_is_not_good_keeps_every_answer(
    server: OsqueryServer,
    make_session: MakeSession,
    status: int,
    body: bytes,
    error: type[Exception],
) -> None:
    session = make_session()
    talk.enrol(session)
    talk.answer_work(session, osquery.Work({"a": "SELECT 1"}), never)
    server.behaviour.raw_reply["/api/osquery/distributed/write"] = (status, body)

    with pytest.raises(error):
        talk.write_results(session)

    assert list(kept_results(session)) == ["a"]


@pytest.mark.parametrize(
    "reply",
    [
        {"queries": []},
        {"queries": {"a": 1}},
        {"queries": {"a": ""}},
        {"queries": {"a": None}},
        {"queries": {"a": "SELECT 1"}, "discovery": {"a": 0}},
        {"queries": {f"q{n}": "SELECT 1" for n in range(1001)}},
    ],
)
def test_one_bad_entry_rejects_the_whole_work(
    server: OsqueryServer, make_session: MakeSession, reply: dict[str, Any]
) -> None:
    session = make_session()
    talk.enrol(session)
    raw = json.dumps(reply).encode()
    server.behaviour.raw_reply["/api/osquery/distributed/read"] = (200, raw)

    with pytest.raises(MessageError, match="distributed/read"):
        talk.fetch_work(session)


def test_a_discovery_query_decides_and_its_error_fails_only_its_own_question(
    server: OsqueryServer, make_session: MakeSession
) -> None:
    session = make_session()
    talk.enrol(session)
    server.behaviour.queries = {"yes": "SELECT 1", "no": "SELECT 1", "bad": "SELECT 1"}
    server.behaviour.discovery = {
        "yes": "SELECT 1 FROM osquery_registry WHERE registry='table' AND name='os_version'",
        "no": "SELECT 1 FROM osquery_registry WHERE registry='table' AND name='wifi_status'",
        "bad": "SELECT nonsense FROM",
    }

    talk.answer_work(session, talk.fetch_work(session), never)

    kept = kept_results(session)
    assert sorted(kept) == ["bad", "yes"]
    assert kept["bad"]["status"] == 1
    assert "discovery" in kept["bad"]["message"]


def test_a_server_with_another_authority_is_refused(
    server: OsqueryServer, make_session: MakeSession
) -> None:
    session = make_session()
    session.link = Link(Address(server.url, TestAuthority().pem))

    with pytest.raises(LinkError, match="does not trust"):
        talk.enrol(session)
    assert server.taken.enrolments == []


def test_a_certificate_for_another_name_is_refused(
    server: OsqueryServer, make_session: MakeSession
) -> None:
    session = make_session()
    other = server.url.replace("localhost", "127.0.0.1")
    session.link = Link(Address(other, server.authority.pem))

    with pytest.raises(LinkError):
        talk.enrol(session)
    assert server.taken.enrolments == []


def test_a_manifest_that_nobody_signed_is_dropped(
    server: OsqueryServer, make_session: MakeSession
) -> None:
    session = make_session(Ownership.PRIVATE)
    talk.enrol(session)
    good = sign(server, [("os_version", "major")])
    forged = good.to_message() | {"payload": good.payload.replace("major", "name")}
    server.behaviour.config["sekisho_manifest"] = forged

    with pytest.raises(MessageError, match="signature"):
        talk.fetch_config(session)
    assert talk.load_manifest(session.state, "offered") is None

    server.behaviour.config["sekisho_manifest"] = good.to_message()
    talk.fetch_config(session)
    assert session.gate().offered == {("os_version", "major")}
    assert session.gate().approved == frozenset()


def test_live_questions_are_not_remembered_as_checks(make_session: MakeSession) -> None:
    session = make_session()

    talk.remember_queries(session, {"live:1": "SELECT 1", "fleet_policy_query_a@1": "SELECT 1"})

    assert list(talk.load_queries(session.state)) == ["fleet_policy_query_a@1"]


@given(
    reply=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["queries", "schedule", "packs", "options", "interval", "query", "x"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_either_understood_or_refused(reply: object) -> None:
    raw = json.dumps(reply).encode()
    try:
        parsed = osquery.parse_reply(raw, "/x")
        config, work = osquery.parse_config(parsed), osquery.parse_work(parsed)
    except (MessageError, ServerRefusedError, NodeInvalidError):
        return

    assert all(query.sql and query.interval > 0 for query in config.schedule)
    assert all(name and sql for name, sql in work.queries.items())

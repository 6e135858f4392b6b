"""Bad input gets a clear answer, and nothing acknowledged is lost."""

import contextlib
import gzip
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from fakes.osqueryd import FailedError
from sekisho.devices.service import inventory
from sekisho.kernel.db import Database
from sekisho.kernel.principal import SYSTEM

Client = TestClient[Litestar]
PATHS = ["enroll", "config", "log", "distributed/read", "distributed/write", "carve/begin"]

MALFORMED = {
    "empty": b"",
    "not json": b"{",
    "an array": b"[]",
    "a string": b'"node_key"',
    "null": b"null",
    "not utf-8": b'{"node_key":"\xff\xfe"}',
    "lone surrogate": b'{"node_key":"\\ud800"}',
    "deep": b'{"node_key":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "wrong type": b'{"node_key":17}',
    "huge number": b'{"node_key":' + b"9" * 5_000 + b"}",
    "trailing": b'{"node_key":"a"} {}',
}


def say(client: Client, path: str, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    response = client.post(f"/api/osquery/{path}", content=body, headers=headers)
    assert response.content, "an empty body is taken for success"
    reply = json.loads(response.content)
    assert isinstance(reply, dict)
    return response.status_code, reply


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_bodies_are_refused_with_a_reason(client: Client, path: str, body: bytes) -> None:
    status, reply = say(client, path, body)
    assert reply["error"]
    if reply.get("node_invalid"):
        assert path == "enroll" or b"node_key" in body or not body
    else:
        assert status == 400


@pytest.mark.parametrize("path", PATHS)
def test_a_nul_or_a_strange_key_is_merely_unknown(client: Client, path: str) -> None:
    status, reply = say(client, path, json.dumps({"node_key": "\0\u2028"}).encode())
    assert (status, reply["node_invalid"]) == (200, True)


def test_too_many_bytes_are_refused_before_they_are_read(client: Client) -> None:
    status, reply = say(client, "config", b'{"node_key":"' + b"x" * (1 << 20) + b'"}')
    assert status == 413
    assert "at most 1048576" in reply["error"]


def test_a_body_without_a_length_is_counted_while_it_comes(client: Client) -> None:
    def parts() -> Iterator[bytes]:
        yield from (b" " * 100_000 for _ in range(12))

    response = client.post("/api/osquery/config", content=parts())
    assert response.status_code == 413
    assert "at most 1048576" in response.json()["error"]


def test_a_gzip_bomb_is_refused_without_inflating_it(client: Client) -> None:
    bomb = gzip.compress(gzip_zeros := b"0" * (200 << 20))
    del gzip_zeros
    assert len(bomb) < 1 << 20
    tracemalloc.start()
    status, reply = say(client, "log", bomb, **{"Content-Encoding": "gzip"})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert status == 413
    assert "logger_tls_max_lines" in reply["error"]
    assert peak < 150 << 20


@pytest.mark.parametrize(
    "body",
    [b"plain", gzip.compress(b"{}")[:-4], gzip.compress(b"{}") + b"more", b"", b"\x1f\x8b"],
    ids=["plain", "cut", "trailing", "empty", "header"],
)
def test_what_is_not_one_whole_gzip_stream_is_refused(client: Client, body: bytes) -> None:
    status, reply = say(client, "log", body, **{"Content-Encoding": "gzip"})
    assert status == 400
    assert "gzip" in reply["error"]


def test_another_encoding_is_refused(client: Client) -> None:
    status, reply = say(client, "log", b"{}", **{"Content-Encoding": "br"})
    assert status == 400
    assert "gzip or nothing" in reply["error"]


def test_two_node_keys_that_differ_are_refused(make_osqueryd: Any, client: Client) -> None:
    one, two = make_osqueryd(), make_osqueryd(host_identifier="other", serial="JP-0002")
    one.enroll()
    two.enroll()
    body = json.dumps({"node_key": one.node_key}).encode()
    status, reply = say(client, "config", body, Authorization=f"NodeKey {two.node_key}")
    assert status == 400
    assert "differ" in reply["error"]
    assert "node_invalid" not in reply
    assert one.config()
    assert two.config()


def test_the_node_key_in_the_header_alone_is_enough(make_osqueryd: Any, client: Client) -> None:
    host = make_osqueryd()
    host.enroll()
    status, reply = say(client, "config", b"{}", Authorization=f"NodeKey {host.node_key}")
    assert (status, "error" in reply) == (200, False)


def test_wrong_types_inside_an_answer_make_it_unknown_and_not_the_write_fail(
    make_osqueryd: Any, judged: Any
) -> None:
    host = make_osqueryd()
    host.enroll()
    asked = host.read()["queries"]
    host.pending = {
        "queries": dict.fromkeys(asked, "") | {"x" * 500: [{}], "": []},
        "statuses": {name: {"a": 1} for name in asked},
        "messages": {name: ["\0"] for name in asked},
    }
    assert host.write() == {}
    assert {name: verdict.kind for name, verdict in judged().items()} == {
        "firewall": "unknown",
        "rdp-off": "unknown",
    }


@pytest.mark.parametrize("number", [10**400, -1, 1e308, "9" * 400, "soon", None, [], True])
def test_a_line_with_an_impossible_time_is_skipped(
    make_osqueryd: Any, judged: Any, number: object
) -> None:
    host = make_osqueryd()
    host.enroll()
    host.snapshot("pack/sekisho/fleet_policy_query_firewall@1", [{"1": "1"}], 1)
    host.lines[0]["unixTime"] = number
    assert host.log() == {}
    assert judged() == {}


def test_one_bad_line_does_not_hold_up_the_others(make_osqueryd: Any, judged: Any) -> None:
    host = make_osqueryd()
    host.enroll()
    ready = next(name for name in host.read()["queries"] if name.startswith("sekisho_ready_"))
    good = [
        host.snapshot(f"pack/sekisho/{name}", [{"1": "1"}], 1795395600)
        for name in ("fleet_policy_query_firewall@1", ready)
    ]
    host.lines = [17, "text", None, {"name": 5}, {"snapshot": 1}, *good]
    assert host.log() == {}
    assert {name: verdict.kind for name, verdict in judged().items()} == {"firewall": "pass"}


def test_nul_and_direction_marks_in_texts_are_stored_clean(
    make_osqueryd: Any, database: Database
) -> None:
    make_osqueryd(hostname="PC\0\u202e佐伯", serial="A\0B").enroll()
    with database.read(SYSTEM) as tx:
        (device,) = inventory.list_devices(tx).devices
    assert (device.hostname, device.serial) == ("PC\u202e佐伯", "AB")


def test_an_unknown_platform_is_refused_in_words(make_osqueryd: Any) -> None:
    host = make_osqueryd()
    with pytest.raises(FailedError, match="platform"):
        host.enroll(platform_type="1", host_details={})


def test_when_the_database_is_away_no_device_is_told_to_enrol_again(
    make_osqueryd: Any, database: Database, client: Client
) -> None:
    host = make_osqueryd()
    host.enroll()
    host.read()
    key, pending = host.node_key, dict(host.pending)
    with broken(database):
        with pytest.raises(FailedError) as write:
            host.write()
        with pytest.raises(FailedError):
            make_osqueryd(secret="skt_unknown").enroll()
        status, reply = say(client, "config", json.dumps({"node_key": "nobody"}).encode())
    assert "node_invalid" not in str(write.value)
    assert (host.node_key, host.pending) == (key, pending)
    assert (status, "node_invalid" in reply) == (200, False)
    assert host.write() == {}


@contextlib.contextmanager
def broken(database: Database) -> Iterator[None]:
    """Make the database fail as a full disk or a lost server does: every statement raises."""
    event.listen(database.engine, "before_cursor_execute", _fail)
    yield
    event.remove(database.engine, "before_cursor_execute", _fail)


def _fail(*_: object) -> None:
    raise OperationalError("any", {}, Exception("disk I/O error"))

"""The loop from end to end: enroll, config, read, write, log, as osqueryd speaks it."""

from dataclasses import replace
from typing import Any

import pytest

from fakes.osqueryd import FailedError
from sekisho.controls import service as controls
from sekisho.devices.desk import Desk
from sekisho.devices.plans import plan_maker
from sekisho.devices.service import lifecycle
from sekisho.devices.store import devices as store
from sekisho.kernel.db import Database
from sekisho.kernel.principal import SYSTEM


def test_a_device_enrols_is_asked_answers_and_is_left_in_peace(
    make_osqueryd: Any, database: Database, desk: Desk, clock: Any
) -> None:
    host = make_osqueryd()
    host.enroll()
    config = host.config()
    assert config["options"]["logger_snapshot_event_type"] is False
    assert "error" not in config
    asked = host.read()["queries"]
    names = {"fleet_policy_query_rdp-off@1", "fleet_policy_query_firewall@1"}
    assert names <= set(asked)
    assert any(name.startswith("sekisho_ready_") for name in asked)
    assert "sekisho_detail_rdp-off@1" in asked
    assert host.write() == {}
    assert host.read() == {"queries": {}}
    clock.advance(seconds=3599)
    assert host.read() == {"queries": {}}
    clock.advance(seconds=2)
    assert set(host.read()["queries"]) == set(asked)
    with database.read(SYSTEM) as tx:
        found = store.list_roster(tx)
    assert len(found) == len(desk) == 1


def test_changed_controls_are_asked_at_once_and_the_config_follows(
    make_osqueryd: Any, desk: Desk, catalogue: Any
) -> None:
    host = make_osqueryd()
    host.enroll()
    before = host.config()
    host.read()
    host.write()
    assert desk.look_for_controls() is False
    rdp, firewall = catalogue.controls["rdp-off"], catalogue.controls["firewall"]
    newer = replace(firewall, version=2)
    changed = {"rdp-off": rdp, "firewall": newer}
    controls.put_in_force(replace(catalogue, controls=changed, digest="digest-2"))
    assert desk.look_for_controls() is True
    asked = host.read()["queries"]
    assert "fleet_policy_query_firewall@2" in asked
    assert "fleet_policy_query_rdp-off@1" not in asked
    assert any(name.startswith("sekisho_ready_") for name in asked)
    assert host.config() != before


def test_a_write_that_comes_again_after_a_lost_reply_counts_once(
    make_osqueryd: Any, desk: Desk, judged: Any, clock: Any
) -> None:
    host = make_osqueryd()
    host.enroll()
    host.read()
    sent = dict(host.pending)
    host.write()
    first = judged()
    clock.advance(seconds=5)
    host.pending = sent
    assert host.write() == {}
    assert judged() == first
    assert desk.statistics.repeated == 1


def test_old_lines_from_the_buffer_never_overwrite_newer_answers(
    make_osqueryd: Any, judged: Any, clock: Any
) -> None:
    host = make_osqueryd()
    host.enroll()
    asked = host.read()["queries"]
    ready = next(name for name in asked if name.startswith("sekisho_ready_"))
    host.write()
    second = int(clock.now().timestamp())

    def lines(at: int, rows: list[dict[str, str]]) -> None:
        host.snapshot("pack/sekisho/fleet_policy_query_firewall@1", rows, str(at))
        host.snapshot(f"pack_sekisho_{ready}", [{"1": "1"}], at)

    lines(second - 100, [])
    host.log()
    assert judged()["firewall"].kind == "pass"
    clock.advance(hours=2)
    lines(second + 3600, [])
    sent = list(host.lines)
    host.log()
    assert judged()["firewall"].kind == "fail"
    lines(second + 3000, [{"1": "1"}])
    host.log(compress=False)
    host.lines = sent
    host.log()
    assert judged()["firewall"].kind == "fail"
    lines(second + 10**9, [{"1": "1"}])
    host.log()
    verdict = judged()["firewall"]
    assert (verdict.kind, verdict.received_at) == ("pass", clock.now())


def test_a_failing_query_is_unknown_with_its_message(make_osqueryd: Any, judged: Any) -> None:
    host = make_osqueryd(answer=lambda _sql: ([], 1, "no such table: os_version"))
    host.enroll()
    host.read()
    host.write()
    verdict = judged()["firewall"]
    assert verdict.kind == "unknown"
    assert "no such table: os_version" in str(verdict.message)


def test_a_status_line_tells_of_a_scheduled_query_that_failed(
    make_osqueryd: Any, judged: Any, clock: Any
) -> None:
    host = make_osqueryd()
    host.enroll()
    ready = next(n for n in host.read()["queries"] if n.startswith("sekisho_ready_"))
    for name in ("fleet_policy_query_firewall@1", ready):
        host.lines.append({
            "hostIdentifier": host.host_identifier, "severity": 2, "filename": "scheduler.cpp",
            "line": 123, "unixTime": int(clock.now().timestamp()), "version": "5.23.1",
            "message": f"Error executing scheduled query pack/sekisho/{name}: no such table: x",
        })  # fmt: skip
    host.log("status")
    assert judged()["firewall"].kind == "unknown"


def test_a_restart_forgets_neither_devices_nor_when_they_answered(
    make_osqueryd: Any, desk: Desk, database: Database, clock: Any
) -> None:
    host = make_osqueryd()
    host.enroll()
    host.read()
    host.write()
    again = Desk(database, clock, plan_maker(controls.catalogue_in_force), str, desk.files)
    again.start()
    try:
        node = again.recall(host.node_key)
        assert node is not None
        assert again.ask(node) == ({}, 0)
        clock.advance(hours=1)
        assert again.ask(node)[0]
    finally:
        again.close()


def test_check_now_asks_everything_at_once_and_often(
    make_osqueryd: Any, client: Any, database: Database, clock: Any
) -> None:
    host = make_osqueryd()
    host.enroll()
    host.read()
    host.write()
    with database.read(SYSTEM) as tx:
        (entry,) = store.list_roster(tx)
    assert client.post(f"/api/devices/{entry.id}/check-now").status_code == 200
    reply = host.read()
    assert reply["queries"]
    assert reply["accelerate"] == 300
    host.write()
    clock.advance(milliseconds=200)  # once more, within the same second
    assert host.read()["queries"] == {}
    assert client.post(f"/api/devices/{entry.id}/check-now").status_code == 200
    assert host.read()["queries"] == reply["queries"]
    host.write()
    clock.advance(seconds=301)
    assert host.read() == {"queries": {}}


def test_what_another_process_changed_is_taken_over(
    make_osqueryd: Any, desk: Desk, database: Database
) -> None:
    host = make_osqueryd()
    host.enroll()
    host.config()
    with database.write(SYSTEM) as tx:
        (entry,) = store.list_roster(tx)
        lifecycle.withdraw_device(tx, entry.id)
    assert host.config()
    desk.look_for_changes()
    with pytest.raises(FailedError, match="node_invalid"):
        host.config()


def test_the_inventory_is_searched_filtered_sorted_and_paged(
    make_osqueryd: Any, client: Any, clock: Any
) -> None:
    for number in range(3):
        host = make_osqueryd(
            host_identifier=f"h{number}", serial=f"S-{number}x", hostname=f"PC-{2 - number}"
        )
        host.enroll()
        if number == 0:
            host.read()
            host.write()
    page = client.get("/api/devices", params={"limit": 2}).json()
    assert [device["hostname"] for device in page["devices"]] == ["PC-0", "PC-1"]
    assert page["total"] == 3
    found = client.get("/api/devices", params={"search": "s-1X"}).json()
    assert [device["hostname"] for device in found["devices"]] == ["PC-1"]
    for question, total in (
        ({"verdict": "pass"}, 1),
        ({"verdict": "unknown"}, 2),
        ({"silent": True}, 0),
        ({"platform": "linux"}, 0),
        ({"ownership": "company", "state": "active"}, 3),
        ({"search": "100%_"}, 0),
        ({"search": "ｐｃ－０"}, 1),  # full width, as Japanese input leaves it
    ):
        assert client.get("/api/devices", params=question).json()["total"] == total, question
    named = page["devices"][0]["id"]
    changed = client.post(f"/api/devices/{named}/change", json={"label": "会議室ノート"})
    assert changed.status_code == 200
    assert client.get("/api/devices", params={"search": "会議室"}).json()["total"] == 1
    clock.advance(minutes=11)
    assert client.get("/api/devices", params={"silent": True}).json()["total"] == 3
    assert client.get("/api/devices/counts").json()["silent"] == 3
    assert client.get("/api/devices", params={"sort": "nonsense"}).status_code == 400
    assert client.get("/api/devices", params={"limit": 0}).status_code == 400


def test_fleets_load_generator_finds_what_it_needs(make_osqueryd: Any, client: Any) -> None:
    assert client.get("/version").status_code == 200
    host = make_osqueryd(authorization=False)
    host.enroll()
    assert host.last_status == 200
    for query in host.config()["packs"]["sekisho"]["queries"].values():
        assert isinstance(query["interval"], int)
        assert isinstance(query["query"], str)
    line = {
        "snapshot": [{"foo": "bar"}], "action": "snapshot", "hostIdentifier": "fixed",
        "name": "pack/sekisho/fleet_policy_query_firewall@1", "unixTime": 1696615984,
        "epoch": 0, "counter": 0, "numerics": False,
    }  # fmt: skip
    for _ in range(2):
        host.lines = [line]
        assert host.log(compress=False) == {}


def test_a_long_config_is_packed_for_who_asks_and_says_the_same(
    client: Any, make_osqueryd: Any, desk: Desk, catalogue: Any
) -> None:
    host = make_osqueryd()
    host.enroll()
    rule = catalogue.controls["rdp-off"]
    many = {name: replace(rule, id=name) for name in (f"rule-{n}" for n in range(20))}
    controls.put_in_force(replace(catalogue, controls=many, digest="many"))
    assert desk.look_for_controls() is True
    replies = [
        client.post(
            "/api/osquery/config",
            json={"node_key": host.node_key},
            headers={"Accept-Encoding": accepted},
        )
        for accepted in ("gzip", "gzip", "identity")
    ]
    assert [reply.headers.get("content-encoding") for reply in replies] == ["gzip", "gzip", None]
    sizes = [int(reply.headers["content-length"]) for reply in replies]
    assert sizes[0] == sizes[1] < sizes[2] / 3
    assert replies[0].json() == replies[1].json() == replies[2].json()

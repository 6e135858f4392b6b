"""The loop from end to end: enroll, config, read, write, log, as osqueryd speaks it."""

from typing import Any

from sekisho.devices.desk import Desk
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

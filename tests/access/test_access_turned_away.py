"""Who was turned away before a decision: told apart, counted on one line, named in the evidence."""

from datetime import timedelta

import pytest

from access.town import Town
from fakes.clock import FakeClock
from sekisho.access import service
from sekisho.access.service import TurnedAway, TurnedAwayFor
from sekisho.evidence import service as evidence
from sekisho.identity.model import Role
from sekisho.kernel.db import Database
from sekisho.kernel.i18n import translate
from sekisho.kernel.principal import SYSTEM

_KNOCK = TurnedAway(TurnedAwayFor.NO_CERTIFICATE, "device", resource_id="res_1")


@pytest.fixture
def town(database: Database, clock: FakeClock) -> Town:
    return Town(database, clock)


def test_equal_ones_share_a_line_and_a_record(town: Town, clock: FakeClock) -> None:
    admin = town.add("admin", Role.ADMIN)
    for minutes, times in ((0, 3), (5, 2), (20, 7)):
        with town.database.write(SYSTEM) as tx:
            service.log_turned_away(tx, {_KNOCK: (times, "192.0.2.1")})
        clock.advance(minutes=minutes)
    with town.database.read(admin) as tx:
        found = service.list_decisions(tx, service.EntryFilter(outcome="deny")).entries
        records = evidence.list_records(tx, kind="access.denied")
    assert [entry.times for entry in found] == [12]
    assert [record.subject for record in records] == ["gate"]
    clock.advance(minutes=11)
    with town.database.write(SYSTEM) as tx:
        service.log_turned_away(tx, {_KNOCK: (1, "192.0.2.1")})
        assert service.list_decisions(tx, service.EntryFilter(), sort="-at").total == 2


def test_each_says_who_and_why_in_both_languages(town: Town) -> None:
    admin, hanako = town.add("admin", Role.ADMIN), town.add("hanako")
    stolen = TurnedAway(TurnedAwayFor.OTHER_DEVICE, "device", "dev_2", "res_1", hanako.id)
    wild = TurnedAway(TurnedAwayFor.NO_TARGET, "device", "dev_2", target="<b>" + "x" * 500)
    with town.database.write(SYSTEM) as tx:
        service.log_turned_away(tx, {stolen: (1, "192.0.2.1"), wild: (1, "192.0.2.2" * 20)})
    with town.database.read(admin) as tx:
        found = service.list_decisions(tx, service.EntryFilter(device_id="dev_2")).entries
        own = service.list_decisions(tx, service.EntryFilter(person_id=hanako.id)).entries
        subjects = {each.subject for each in evidence.list_records(tx, kind="access.denied")}
        service.list_trend(tx)  # it knows what the most frequent ones say
    assert len(found) == 2
    assert [entry.reasons[0].id for entry in own] == ["sekisho.other-device"]
    assert subjects == {f"person:{hanako.id}", "device:dev_2"}
    (asked,) = [entry for entry in found if not entry.person_id]
    assert "<b>xxx" in translate(asked.reasons[0].text, "en")
    assert len(translate(asked.reasons[0].text, "ja")) < 120
    assert len(asked.address) <= 64


def test_a_session_that_had_no_leave_is_named_by_its_person(town: Town) -> None:
    admin, hanako = town.add("admin", Role.ADMIN), town.add("hanako")
    nobody = TurnedAway(TurnedAwayFor.NO_LEAVE, "browser", session="acs_gone")
    with town.database.write(SYSTEM) as tx:
        service.log_turned_away(tx, {nobody: (1, "")})
    with town.database.read(admin) as tx:
        (entry,) = service.list_decisions(
            tx, service.EntryFilter(since=tx.now - timedelta(minutes=1))
        ).entries
    assert (entry.person_id, entry.door) == ("", "browser")
    del hanako

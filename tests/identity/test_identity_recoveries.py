"""Requests for a new way in: none that waits is out of sight."""

from datetime import timedelta

from fakes.clock import FakeClock
from sekisho.identity import service
from sekisho.identity.model import PersonState, Role
from sekisho.identity.store import recoveries
from sekisho.kernel.db import Database
from sekisho.kernel.principal import SYSTEM


def test_a_request_that_waits_is_not_pushed_out_by_later_ones(
    database: Database, clock: FakeClock
) -> None:
    """Strangers can ask as often as they like; the list used to hold the newest hundred."""
    with database.write(SYSTEM) as tx:
        person = service.add_person(
            tx, name="Ren", email="ren@example.jp", language="ja", roles=[Role.TELEWORKER],
            state=PersonState.ACTIVE,
        )  # fmt: skip
        for number in range(140):
            state = (
                recoveries.RecoveryState.OPEN if number < 2 else recoveries.RecoveryState.REFUSED
            )
            days = 1 if number == 0 else 30  # the first has ended unanswered by then
            recoveries.insert_recovery(tx, recoveries.Recovery(
                f"rec_{number:03}", person.id, person.name, "stranger", "lost", state,
                tx.now + timedelta(minutes=number), tx.now + timedelta(days=days),
            ))  # fmt: skip
    clock.advance(seconds=2 * 86400)
    with database.read(SYSTEM) as tx:
        found = [each.id for each in service.list_recoveries(tx)]
    assert found == [*(f"rec_{number:03}" for number in range(139, 39, -1)), "rec_001"]

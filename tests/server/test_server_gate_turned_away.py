"""Whoever knocks for ever fills nothing, and what could not be written comes with the next."""

import asyncio

from sekisho.access.service import TurnedAway, TurnedAwayFor
from sekisho.kernel.errors import UnavailableError
from sekisho.kernel.i18n import msg
from sekisho.server.gate.turned_away import Counted, TurnedAwayCounter


class Kept:
    """Keeps what is written down; fails as often as told."""

    def __init__(self, failures: int = 0) -> None:
        self.lots: list[Counted] = []
        self.failures = failures

    async def __call__(self, found: Counted) -> None:
        self.lots.append(found)
        if len(self.lots) <= self.failures:
            raise UnavailableError(msg("no"))


def test_made_up_names_are_one_and_the_rest_is_bounded() -> None:
    kept = Kept()
    counter = TurnedAwayCounter(kept)
    for n in range(1_000):
        counter.note(TurnedAway(TurnedAwayFor.NO_TARGET, "device", "dev_1", target=f"host-{n}"))
    asyncio.run(counter.write_down())
    (lot,) = kept.lots
    assert [(each.target, times) for each, (times, _) in lot.items()] == [("host-0", 1_000)]
    for n in range(2_000):
        counter.note(TurnedAway(TurnedAwayFor.NO_CERTIFICATE, "device", f"dev_{n}"))
    asyncio.run(counter.write_down())
    assert len(kept.lots[1]) == 1_000


def test_what_could_not_be_written_waits_and_is_counted_on() -> None:
    kept = Kept(failures=1)
    counter = TurnedAwayCounter(kept)
    knock = TurnedAway(TurnedAwayFor.NO_CERTIFICATE, "device", resource_id="res_1")
    counter.note(knock, "192.0.2.1")
    asyncio.run(counter.write_down())
    counter.note(knock, "192.0.2.2")
    asyncio.run(counter.write_down())
    asyncio.run(counter.write_down())  # nothing is left
    assert kept.lots[1:] == [{knock: (2, "192.0.2.1")}]

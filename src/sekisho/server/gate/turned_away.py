"""Counts who is turned away before anything can be decided, and has it written down now and then.

Whoever turns up at a door may knock as often as they like: equal ones are counted here, so that
nobody can fill the log or keep the one writer busy.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from sekisho.access.service import TurnedAway
from sekisho.kernel.errors import SekishoError

log = structlog.get_logger()

Counted = Mapping[TurnedAway, tuple[int, str]]
"""How often each came about since it was last written down, and the address of its first."""
_PERIOD_SECONDS = 5.0
_MOST_KINDS = 1_000
"""Different ones within a period; they differ in what was proven or is ours, so they are few."""


class TurnedAwayCounter:
    """Counts; ``write`` makes it last."""

    def __init__(self, write: Callable[[Counted], Awaitable[None]]) -> None:
        self._write = write
        self._counted: dict[TurnedAway, tuple[int, str]] = {}

    def note(self, each: TurnedAway, address: str = "") -> None:
        """Count one more."""
        if each not in self._counted and len(self._counted) >= _MOST_KINDS:
            return
        times, first = self._counted.get(each, (0, address))
        self._counted[each] = (times + 1, first)

    async def follow(self) -> None:
        """Write down what has come up, for ever."""
        while True:
            await asyncio.sleep(_PERIOD_SECONDS)
            await self.write_down()

    async def write_down(self) -> None:
        """Write down what has come up; where that fails it waits for the next time."""
        counted, self._counted = self._counted, {}
        if not counted:
            return
        try:
            await self._write(counted)
        except SekishoError as error:
            log.warning("who was turned away is not written down yet", why=str(error.message))
            for each, (times, address) in counted.items():
                more, _ = self._counted.get(each, (0, ""))
                self._counted[each] = (times + more, address)

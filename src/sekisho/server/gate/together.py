"""Does at once what several ask for at the same time: one transaction, one wait for the disk.

While one lot is under way, what is asked meanwhile gathers for the next; nobody waits for others
to come. Each is answered only after the lot that holds it has been done.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from sekisho.kernel.errors import UnavailableError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Together(Generic[_Item, _Result]):
    """Gathers calls; ``work`` gets at most ``most`` items and returns a result for each."""

    def __init__(
        self, work: Callable[[Sequence[_Item]], Awaitable[Sequence[_Result]]], most: int
    ) -> None:
        self._work = work
        self._most = most
        self._waiting: list[tuple[_Item, asyncio.Future[_Result]]] = []
        self._running: asyncio.Task[None] | None = None

    async def do(self, item: _Item) -> _Result:
        """Return the result for one item; raise what ``work`` raises for it."""
        answer: asyncio.Future[_Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return await answer

    async def _run(self) -> None:
        while self._waiting:
            some, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            await self._serve(some)

    async def _serve(self, some: Sequence[tuple[_Item, asyncio.Future[_Result]]]) -> None:
        """Do one lot; where it fails each is tried alone, so that one cannot fail the others."""
        try:
            results = await self._work([item for item, _ in some])
        except Exception as error:  # noqa: BLE001 - it belongs to whoever asked
            if len(some) > 1 and not isinstance(error, UnavailableError):
                for each in some:
                    await self._serve([each])
                return
            for _, answer in some:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, answer), result in zip(some, results, strict=True):
            if not answer.done():  # who asked may be gone
                answer.set_result(result)

"""Ends what may not go on: streams first, then cookies, then the register.

Stopping data must not wait for the disk, so a cut comes before its record. The record follows for
certain: it is kept here until it has been committed, and what a process that died left unwritten
is still live in the register, where the next one finds it and decides about it anew
(``Cutter.begin``).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import structlog

from sekisho.access.model import AccessRequest, AccessSession, Cut, ResourceKind
from sekisho.kernel.errors import SekishoError
from sekisho.server.gate.cookies import LIFE_SECONDS
from sekisho.server.gate.holds import Holds
from sekisho.server.gate.judge import Judge

log = structlog.get_logger()

Denied = Mapping[str, Sequence[str]]
Asked = dict[AccessRequest, dict[str, AccessSession]]
"""Sessions by what is asked about them: thousands may differ in their id alone."""
_MOST_ASKED = 24  # different requests a step, about 1 ms each: those refused are cut meanwhile
_MOST_WRITTEN = 100  # records a transaction
_AGAIN_SECONDS = 1.0
_SOON_SECONDS = 0.005


class Cutter:
    """Cuts, and sees to what has to follow.

    ``publish`` tells Envoy, per resource, whose cookies are no longer good; ``remember`` keeps why
    a session was cut for the one whose it was.
    """

    def __init__(
        self, judge: Judge, holds: Holds, publish: Callable[[Denied], None],
        remember: Callable[[Cut], None],
    ) -> None:  # fmt: skip
        self._judge = judge
        self._holds = holds
        self._publish = publish
        self._remember = remember
        self._denied: dict[str, tuple[str, float]] = {}
        self._unwritten: dict[str, Cut] = {}
        self._left: Asked = {}
        self._asking, self._writing = asyncio.Event(), asyncio.Event()
        self._announced: asyncio.TimerHandle | None = None
        self._pause = _SOON_SECONDS

    async def learn_denied(self) -> None:
        """Take up whose cookies a former process had made worthless: they may still be in time."""
        for each in await self._judge.denied(LIFE_SECONDS):
            if each.ended_at is not None:
                self._deny(each, each.ended_at.timestamp() + LIFE_SECONDS)

    async def begin(self, live: Sequence[AccessSession]) -> None:
        """Judge what a former process left: its streams are gone, its cookies are not."""
        await self._sweep(_add({}, live))
        await self.write_down()
        await self.close([each for each in live if each.kind is not ResourceKind.HTTP])

    async def close(
        self, sessions: Sequence[AccessSession], because: str = "gate_restarted"
    ) -> None:
        """Close sessions whose streams are gone; a desktop's cookie opens no other from now on."""
        ends = self._judge.now() + LIFE_SECONDS
        for each in sessions:
            self._holds.cut(each.id)
            self._deny(each, ends)
        names = [each.id for each in sessions]
        for start in range(0, len(names), _MOST_WRITTEN):
            await self._judge.close_all(names[start : start + _MOST_WRITTEN], because)

    def cut(self, cuts: Iterable[Cut]) -> None:
        """Stop data now; the record follows."""
        fresh = [each for each in cuts if each.session.id not in self._unwritten]
        if not fresh:
            return
        ends = self._judge.now() + LIFE_SECONDS
        for each in fresh:
            self._holds.cut(each.session.id)
            self._unwritten[each.session.id] = each
            self._remember(each)
            self._deny(each.session, ends)
        self._writing.set()
        log.info("sessions cut", count=len(fresh))

    def _deny(self, session: AccessSession, ends: float) -> None:
        if session.kind is ResourceKind.TCP:  # a tunnel has no cookie
            return
        self._denied[session.id] = (session.resource_id, ends)
        if self._announced is None:
            loop = asyncio.get_running_loop()
            self._announced = loop.call_later(self._pause, self._announce)

    def _announce(self) -> None:
        """Publish once for all cuts of a moment, which is longer where publishing costs more."""
        began = time.monotonic()
        self._announced = None
        self._publish(self.denied())
        self._pause = max(_SOON_SECONDS, 2 * (time.monotonic() - began))

    def denied(self) -> Denied:
        """Return by resource the sessions whose cookies could still be in time."""
        now = self._judge.now()
        self._denied = {s: kept for s, kept in self._denied.items() if kept[1] > now}
        found: dict[str, list[str]] = {}
        for session, (resource, _) in sorted(self._denied.items()):
            found.setdefault(resource, []).append(session)
        return found

    def ask_again(self, sessions: Sequence[AccessSession]) -> None:
        """Have sessions decided anew, step by step, so that nobody waits for all of them."""
        _add(self._left, sessions)
        if sessions:
            self._asking.set()

    async def follow(self) -> None:
        """Ask again and write down whatever has come up, for ever."""
        await asyncio.gather(
            _repeat(self._asking, self._ask_left), _repeat(self._writing, self.write_down)
        )

    async def _ask_left(self) -> None:
        while self._left:
            left, self._left = self._left, {}
            await self._sweep(left)

    async def _sweep(self, left: Asked) -> None:
        try:
            while left:
                some = list(left)[:_MOST_ASKED]
                asked = [each for request in some for each in left[request].values()]
                self.cut(await self._judge.refused(asked))
                for request in some:
                    del left[request]
        finally:
            for group in left.values():
                _add(self._left, group.values())

    async def write_down(self) -> None:
        """Write down every cut, and leave the one writer to others in between."""
        while self._holds.is_telling:  # noqa: ASYNC110 - data stops first
            await asyncio.sleep(_SOON_SECONDS)
        while self._unwritten:
            some = list(self._unwritten.values())[:_MOST_WRITTEN]
            began = time.monotonic()
            await self._judge.record(some)
            for each in some:
                del self._unwritten[each.session.id]
            await asyncio.sleep(time.monotonic() - began if self._unwritten else 0)


async def _repeat(came: asyncio.Event, work: Callable[[], Awaitable[None]]) -> None:
    """Do ``work`` whenever something came, and again after a while where it failed."""
    while True:
        await came.wait()
        came.clear()
        await asyncio.sleep(0)  # streams are told first
        try:
            await work()
        except SekishoError as error:
            log.warning("what a cut asks for is not done yet", why=str(error.message))
            await asyncio.sleep(_AGAIN_SECONDS)
            came.set()


def _add(asked: Asked, sessions: Iterable[AccessSession]) -> Asked:
    """Put sessions to what is asked about them; return ``asked``."""
    for each in sessions:
        asked.setdefault(each.request, {})[each.id] = each
    return asked

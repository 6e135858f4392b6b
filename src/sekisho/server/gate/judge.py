"""The gate's way to the room ``access``: each call is one transaction on a thread."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeVar

from sekisho.access import service as access
from sekisho.access.model import (
    AccessRequest,
    AccessSession,
    AccessSessionID,
    Cut,
    Opened,
    Resource,
    ResourceKind,
)
from sekisho.access.service import TurnedAway
from sekisho.identity import service as identity
from sekisho.kernel.changes import list_changes, newest_change
from sekisho.kernel.clock import Clock
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.principal import SYSTEM
from sekisho.server.gate.together import Together

_T = TypeVar("_T")
_MOST_TOGETHER = 32  # the first waits for the last, at 1 to 2 ms each
_MOST_AT_ONCE = 24  # different requests, at about 1 ms each


class House(Protocol):
    """What the judge needs of the opened house."""

    @property
    def database(self) -> Database:
        """Return the database."""
        ...

    @property
    def clock(self) -> Clock:
        """Return the clock."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """A decision with what the gate tells an app and a page about the person."""

    opened: Opened
    email: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen after a change.

    ``cuts`` may not go on. ``left`` are live sessions that have to be asked about again as well:
    too many to keep others waiting for. ``version`` is that of the resources, ``due`` tells
    whether decisions have run out.
    """

    cursor: int
    cuts: list[Cut]
    left: list[AccessSession]
    version: str
    due: bool


class Judge:
    """Asks ``access`` without keeping the loop waiting."""

    def __init__(self, house: House, threads: int = 4) -> None:
        self._database = house.database
        self.clock = house.clock
        self._pool = ThreadPoolExecutor(threads, "judge")
        self._opening = Together(self._open, _MOST_TOGETHER)
        self._closing = Together(self._close, _MOST_TOGETHER)

    def now(self) -> float:
        """Return the present instant as Unix seconds."""
        return self.clock.now().timestamp()

    async def open(self, request: AccessRequest) -> Answer:
        """Decide about a new session; it is in the register, committed, when this returns."""
        return await self._opening.do(request)

    async def _open(self, requests: Sequence[AccessRequest]) -> Sequence[Answer]:
        return await self._write(
            lambda tx: [_answer(tx, each) for each in access.open_sessions(tx, requests)]
        )

    async def refresh(self, session: str) -> Answer:
        """Decide anew about a session."""
        name = AccessSessionID(session)
        return await self._write(lambda tx: _answer(tx, access.refresh_session(tx, name)))

    async def close(self, session: str) -> None:
        """Write down that a session has ended by itself."""
        await self._closing.do(session)

    async def _close(self, sessions: Sequence[str]) -> Sequence[None]:
        await self.close_all(sessions, "closed")
        return [None] * len(sessions)

    async def close_all(self, sessions: Sequence[str], because: str) -> None:
        """Write down that sessions have ended."""
        await self._write(lambda tx: access.close_sessions(tx, sessions, because))

    async def live(self) -> list[AccessSession]:
        """Return every session that the register holds for live."""
        return await self._read(access.list_live)

    async def denied(self, seconds: float) -> list[AccessSession]:
        """Return the sessions that ended within so many seconds."""
        since = self.clock.now() - timedelta(seconds=seconds)
        return await self._read(lambda tx: access.deny_list(tx, since))

    async def look(self, cursor: int) -> Look:
        """See what changed behind ``cursor``, and whose sessions may not go on because of it."""
        return await self._read(lambda tx: _look(tx, cursor))

    async def refused(self, sessions: Sequence[AccessSession]) -> list[Cut]:
        """Ask again for these sessions; return those that may not go on."""
        return await self._read(lambda tx: access.find_refused(tx, sessions))

    async def due(self, held: Collection[str]) -> list[Cut]:
        """Decide anew about sessions whose decision is too old; return those to cut.

        ``held`` are those with an open stream: in use, whoever asked last.
        """
        return await self._write(lambda tx: access.find_due(tx, held))

    async def record(self, cuts: Sequence[Cut]) -> None:
        """Write down what has been cut."""
        await self._write(lambda tx: access.record_cuts(tx, cuts))

    async def record_desktop(self, session: str, opened: bool, detail: dict[str, object]) -> None:
        """Write down what became of a session's desktop."""
        await self._write(
            lambda tx: access.record_desktop(tx, session, opened=opened, detail=detail)
        )

    async def record_turned_away(self, found: Mapping[TurnedAway, tuple[int, str]]) -> None:
        """Write down who was turned away before there was anything to decide."""
        await self._write(lambda tx: access.log_turned_away(tx, found))

    async def newest_change(self) -> int:
        """Return the cursor of the present."""
        return await self._read(newest_change)

    async def resources(self) -> tuple[str, list[Resource]]:
        """Return the enabled resources and the version of them."""
        return await self._read(
            lambda tx: (access.resources_version(tx), access.list_resources_for_gate(tx))
        )

    async def _read(self, work: Callable[[Transaction], _T]) -> _T:
        def run() -> _T:
            with self._database.read(SYSTEM) as tx:
                return work(tx)

        return await asyncio.get_running_loop().run_in_executor(self._pool, run)

    async def _write(self, work: Callable[[Transaction], _T]) -> _T:
        def run() -> _T:
            with self._database.write(SYSTEM) as tx:
                return work(tx)

        return await asyncio.get_running_loop().run_in_executor(self._pool, run)


def _look(tx: Transaction, cursor: int) -> Look:
    """See what changed; sessions that differ in their id alone are asked about once."""
    found = list_changes(tx, cursor)
    subjects = {each.subject for each in found}
    concerned = access.list_concerned(tx, subjects) if subjects else []
    at_once = len({each.request for each in concerned}) <= _MOST_AT_ONCE
    cuts = access.find_cut_by_hand(tx, subjects)
    return Look(
        cursor=found[-1].seq if found else cursor,
        cuts=cuts + (access.find_refused(tx, concerned) if at_once else []),
        left=[] if at_once else concerned,
        version=access.resources_version(tx),
        due=access.has_due(tx),
    )


def _answer(tx: Transaction, opened: Opened) -> Answer:
    session = opened.session
    if session is None or session.kind is ResourceKind.TCP:  # a tunnel is told nothing
        return Answer(opened)
    person = identity.find_person(tx, session.person_id)
    if person is None:
        return Answer(opened)
    return Answer(opened, person.email, person.language)

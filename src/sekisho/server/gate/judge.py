"""The gate's way to the room ``access``: each call is one transaction on a thread."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

from sekisho.access import service as access
from sekisho.access.model import (
    AccessRequest,
    AccessSessionID,
    Cut,
    Opened,
    Resource,
    ResourceKind,
)
from sekisho.identity import service as identity
from sekisho.kernel.changes import list_changes, newest_change
from sekisho.kernel.clock import Clock
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.principal import SYSTEM

_T = TypeVar("_T")


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


class Judge:
    """Asks ``access`` without keeping the loop waiting."""

    def __init__(self, house: House, threads: int = 4) -> None:
        self._database = house.database
        self.clock = house.clock
        self._pool = ThreadPoolExecutor(threads, "judge")

    def now(self) -> float:
        """Return the present instant as Unix seconds."""
        return self.clock.now().timestamp()

    async def open(self, request: AccessRequest) -> Answer:
        """Decide about a new session; it is in the register, committed, when this returns."""
        return await self._write(lambda tx: _answer(tx, access.open_session(tx, request)))

    async def refresh(self, session: str) -> Answer:
        """Decide anew about a session."""
        name = AccessSessionID(session)
        return await self._write(lambda tx: _answer(tx, access.refresh_session(tx, name)))

    async def close(self, session: str, because: str) -> None:
        """Write down that a session has ended by itself."""
        name = AccessSessionID(session)
        await self._write(lambda tx: access.close_session(tx, name, because))

    async def close_left_tunnels(self) -> None:
        """Write down that the tunnels of a former process have ended."""

        def close(tx: Transaction) -> None:
            for each in access.list_live(tx):
                if each.kind is ResourceKind.TCP:
                    access.close_session(tx, each.id, "gate_restarted")

        await self._write(close)

    async def cuts(self, subjects: Collection[str] | None) -> list[Cut]:
        """Return the live sessions that may not go on after a change of ``subjects``."""
        return await self._read(lambda tx: access.find_cuts(tx, subjects))

    async def due(self) -> list[Cut]:
        """Decide anew about sessions whose decision is too old; return those to cut."""
        return await self._write(access.find_due)

    async def record(self, cuts: Sequence[Cut]) -> None:
        """Write down what has been cut."""
        await self._write(lambda tx: access.record_cuts(tx, cuts))

    async def changes(self, cursor: int) -> tuple[int, set[str]]:
        """Return what changed behind ``cursor``, and the new cursor."""
        found = await self._read(lambda tx: list_changes(tx, cursor))
        return (found[-1].seq if found else cursor), {each.subject for each in found}

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


def _answer(tx: Transaction, opened: Opened) -> Answer:
    session = opened.session
    person = identity.find_person(tx, session.person_id) if session else None
    if person is None:
        return Answer(opened)
    return Answer(opened, person.email, person.language)

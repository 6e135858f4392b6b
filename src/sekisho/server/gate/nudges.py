"""Hears that something was committed that can change a decision (``kernel.changes``).

A nudge says only *look now*; what changed stands in the database. So a lost nudge costs at most
the second after which the gate looks anyway.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import structlog

from sekisho.kernel.changes import CHANNEL
from sekisho.kernel.db import Database
from sekisho.kernel.settings import Settings
from sekisho.server.bootstrap import GATE_SOCKET

log = structlog.get_logger()

_AGAIN_SECONDS = 5.0


class House(Protocol):
    """What the nudges need of the opened house."""

    @property
    def settings(self) -> Settings:
        """Return the settings."""
        ...

    @property
    def database(self) -> Database:
        """Return the database."""
        ...


class Nudges(asyncio.DatagramProtocol):
    """Collects nudges until somebody looks."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._came = asyncio.Event()

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Take a nudge."""
        del data, addr
        self._came.set()

    async def wait(self, seconds: float) -> None:
        """Return at the next nudge, or after ``seconds``."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._came.wait(), seconds)
        self._came.clear()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator["Nudges"]:
        """Listen at the local socket, and on PostgreSQL for its notices, while the block runs."""
        path = self._house.settings.data / GATE_SOCKET
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=_bind(path))
        tasks = []
        if self._house.database.dialect == "postgresql":
            tasks.append(asyncio.create_task(self._hear_postgres()))
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            transport.close()
            path.unlink(missing_ok=True)

    async def _hear_postgres(self) -> None:
        import psycopg  # noqa: PLC0415 - on PostgreSQL only

        address = self._house.database.url.replace("postgresql+psycopg://", "postgresql://")
        while True:
            with contextlib.suppress(psycopg.Error):
                async with await psycopg.AsyncConnection.connect(address, autocommit=True) as line:
                    await line.execute(f"LISTEN {CHANNEL}".encode())
                    async for _ in line.notifies():
                        self._came.set()
            log.warning("the database's notices pause", again_in=_AGAIN_SECONDS)
            await asyncio.sleep(_AGAIN_SECONDS)


def _bind(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.bind(str(path))
    path.chmod(0o600)
    return made

"""Live pages: tells open browsers which topics have changed, by server-sent events.

Everything decided or changed leaves one evidence record, so the chain itself is the source of
what is new: once a second one query serves every open page of this process.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import structlog
from litestar import get
from litestar.di import NamedDependency
from litestar.response import ServerSentEvent, ServerSentEventMessage
from litestar.types import ControllerRouterHandler

from sekisho.evidence import service as evidence
from sekisho.kernel.db import Database
from sekisho.kernel.errors import SekishoError
from sekisho.kernel.principal import SYSTEM, Principal

log = structlog.get_logger()

PERIOD_SECONDS = 1.0
# Proxies close silent connections after a minute or so; a comment keeps them open.
HEARTBEAT_SECONDS = 20
_QUEUE = 16


class Announcer:
    """Watches the chain and hands changed topics to every listener."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listeners: set[asyncio.Queue[str | None]] = set()  # None: the stream ends
        self._seen: int | None = None
        self._closed = False

    async def run(self) -> None:
        """Look once a period, for ever; an unreachable database is waited out."""
        while True:
            await asyncio.sleep(PERIOD_SECONDS)
            if not self._listeners:
                self._seen = None
                continue
            try:
                topics = await asyncio.to_thread(self._look)
            except SekishoError as error:
                log.warning("live pages pause", why=str(error.message))
                continue
            if topics:
                self._tell(" ".join(sorted(topics)))

    async def _begin(self) -> None:
        """See where the chain stands, if nobody has listened so far."""
        if self._seen is None:
            with contextlib.suppress(SekishoError):  # ``run`` says so, and looks again
                await asyncio.to_thread(self._see)

    def _see(self) -> None:
        with self._database.read(SYSTEM) as tx:
            newest = evidence.get_state(tx).sealed
        if self._seen is None:  # what ``run`` has seen meanwhile it also tells
            self._seen = newest

    def _look(self) -> set[str]:
        with self._database.read(SYSTEM) as tx:
            newest = evidence.get_state(tx).sealed
            if self._seen is None or newest == self._seen:
                self._seen = newest
                return set()
            kinds = evidence.list_kinds_since(tx, self._seen)
            self._seen = newest
        return {kind.split(".", 1)[0] for kind in kinds} | {"evidence"}

    def close(self) -> None:
        """End every stream: a server that stops waits for answers, not for who only listens."""
        self._closed = True
        self._tell(None)

    def _tell(self, said: str | None) -> None:
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(said)

    async def listen(self) -> AsyncGenerator[ServerSentEventMessage, None]:
        """Yield a message whenever something changed, and a comment when nothing did.

        The first comment comes at once, for a browser holds the stream open only from its first
        byte; whatever changes after it is told.
        """
        queue: asyncio.Queue[str | None] = asyncio.Queue(_QUEUE)
        self._listeners.add(queue)
        try:
            await self._begin()
            yield ServerSentEventMessage(comment="here")
            while not self._closed:
                try:
                    topics = await asyncio.wait_for(queue.get(), HEARTBEAT_SECONDS)
                    if topics is None:
                        return
                    yield ServerSentEventMessage(data=topics, event="changed")
                except TimeoutError:
                    yield ServerSentEventMessage(comment="still here")
        finally:
            self._listeners.discard(queue)


@get("/events", include_in_schema=False)
async def events(
    principal: NamedDependency[Principal], announcer: NamedDependency[Announcer]
) -> ServerSentEvent:
    """Stream the topics that changed (``event: changed``, data = names parted by spaces)."""
    principal.require("self.read")
    return ServerSentEvent(announcer.listen())


HANDLERS: list[ControllerRouterHandler] = [events]

"""Serves gRPC calls on a Unix socket: questions with one answer here, held calls elsewhere."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from sekisho.server.gate.frames import Fault
from sekisho.server.gate.line import Answerer, Call, Line, Service

log = structlog.get_logger()

Work = Callable[[bytes], Awaitable[bytes]]
"""Makes the answer of a question."""


@dataclass(slots=True)
class Questions:
    """A service of questions with one answer each.

    Work that was begun is finished, whoever asked may be gone: what it wrote down must not be left
    half done.
    """

    work: Work
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __call__(self, call: Call) -> Answerer:
        """Serve one call."""
        return _Question(self, call)

    def begin(self, call: Call, message: bytes) -> None:
        """Work on an answer."""
        task = asyncio.get_running_loop().create_task(self._answer(call, message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, call: Call, message: bytes) -> None:
        try:
            answer = await self.work(message)
        except Exception:
            log.exception("a question could not be answered")
            call.break_off(Fault.INTERNAL)
            return
        call.send(answer)
        call.finish()

    async def settle(self, seconds: float) -> None:
        """Wait for what is under way, but not for ever."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)


@dataclass(slots=True)
class _Question:
    """One question; whatever comes after its one message is not heard."""

    questions: Questions
    call: Call
    asked: bool = False

    def take(self, message: bytes) -> None:
        """Begin with the first message."""
        if not self.asked:
            self.asked = True
            self.questions.begin(self.call, message)

    def over(self) -> None:
        """Break off what was never asked."""
        if not self.asked:
            self.call.break_off(Fault.CANCEL)


@contextlib.asynccontextmanager
async def serve_calls(path: Path, services: Mapping[str, Service]) -> AsyncIterator[None]:
    """Serve at a Unix socket while the block runs; its end is the end of every held call."""
    lines: set[Line] = set()
    await asyncio.to_thread(path.unlink, missing_ok=True)
    loop = asyncio.get_running_loop()
    server = await loop.create_unix_server(lambda: Line(services, lines), str(path))
    try:
        yield
    finally:
        server.close()
        for line in list(lines):
            line.close()
        await asyncio.sleep(0)  # they take leave of their calls

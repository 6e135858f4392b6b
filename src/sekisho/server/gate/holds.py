"""Live sessions: each held stream of Envoy is one coroutine here, and can be cut at once.

Envoy keeps the stream of its ext_proc filter open until the tunnel, WebSocket or long answer ends;
an immediate response on it ends the session (``docs/adr/0011``). Thousands are cut at once, so what
is said to each was put into bytes beforehand.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

import grpc
import structlog
from envoy.service.ext_proc.v3 import external_processor_pb2 as wire

log = structlog.get_logger()

_FORBIDDEN = 403
_REMEMBERED = 20_000
_AT_ONCE = 256
_PATIENCE_SECONDS = 0.05
"""A stream that was told ends within a millisecond or so; for one that does not nobody waits."""
_TAKEN_UP_SECONDS = 20.0
"""An allowed tunnel that Envoy has not held by then never came to be."""


class Holds:
    """All held streams of this process by session, and which sessions were cut lately."""

    def __init__(self) -> None:
        self._streams: dict[str, set[asyncio.Future[None]]] = {}
        self._cut: dict[str, None] = {}
        self._expected: dict[str, float] = {}
        self._to_tell: deque[asyncio.Future[None]] = deque()
        self._told = 0
        self._again: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """Return how many sessions are held."""
        return len(self._streams)

    def expect(self, session: str) -> None:
        """Note that a tunnel was allowed, which Envoy will now open and hold."""
        self._expected[session] = time.monotonic()

    def take_overdue(self, now: float | None = None) -> list[str]:
        """Return the tunnels that were allowed and never held, each once."""
        late = (time.monotonic() if now is None else now) - _TAKEN_UP_SECONDS
        overdue = [name for name, since in self._expected.items() if since <= late]
        for name in overdue:
            del self._expected[name]
        return overdue

    def hold(self, session: str) -> asyncio.Future[None]:
        """Hold a session; the future is done once it is to be cut."""
        cut: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._expected.pop(session, None)
        self._streams.setdefault(session, set()).add(cut)
        if session in self._cut:
            cut.set_result(None)
        return cut

    def release(self, session: str, cut: asyncio.Future[None]) -> bool:
        """Let a stream go; tell whether it was the session's last one."""
        streams = self._streams.get(session, set())
        streams.discard(cut)
        if cut.done():
            self._told = max(0, self._told - 1)
            self._tell()
        if streams:
            return False
        self._streams.pop(session, None)
        return True

    def cut(self, session: str) -> int:
        """Cut every stream of a session, also one that is just being opened; return how many.

        Of thousands some hundred are told at a time, so that questions are answered in between.
        """
        self._cut[session] = None
        if len(self._cut) > _REMEMBERED:
            del self._cut[next(iter(self._cut))]
        streams = [each for each in self._streams.get(session, ()) if not each.done()]
        self._to_tell.extend(streams)
        self._tell()
        return len(streams)

    def sessions(self) -> list[str]:
        """List the sessions that are held."""
        return list(self._streams)

    @property
    def is_telling(self) -> bool:
        """Tell whether streams still have to be told."""
        return bool(self._to_tell)

    def _tell(self) -> None:
        """Tell the next streams: as many as have ended since, and after a moment in any case."""
        while self._to_tell and self._told < _AT_ONCE:
            cut = self._to_tell.popleft()
            if not cut.done():
                cut.set_result(None)
                self._told += 1
        if self._to_tell and self._again is None:
            self._again = asyncio.get_running_loop().call_later(_PATIENCE_SECONDS, self._tell_more)

    def _tell_more(self) -> None:
        self._again = None
        self._told = 0
        self._tell()

    def was_cut(self, session: str) -> bool:
        """Tell whether a session was cut lately."""
        return session in self._cut


Ended = Callable[[str, str], Awaitable[None]]
"""Called with a session that ended with its stream, without having been cut, and its desktop."""


class Holder:
    """Serves the held streams."""

    def __init__(self, holds: Holds, ended: Ended) -> None:
        self._holds = holds
        self._ended = ended
        self._tasks: set[asyncio.Future[None]] = set()

    def handlers(self) -> grpc.GenericRpcHandler:
        """Return the gRPC service; answers are bytes already."""
        process = grpc.stream_stream_rpc_method_handler(
            self.process, request_deserializer=wire.ProcessingRequest.FromString
        )
        return grpc.method_handlers_generic_handler(
            "envoy.service.ext_proc.v3.ExternalProcessor", {"Process": process}
        )

    async def process(self, requests: object, context: Any) -> None:
        """Hold one session until it ends or is cut."""
        del requests
        first = await context.read()
        session, ends, desktop = _session_of(first) if first is not grpc.aio.EOF else _NONE
        if not session:
            await context.write(_refusal())
            return
        stream = _Stream(context, self._holds.hold(session))
        stream.cut.add_done_callback(lambda _: self._start(stream.end()))
        try:
            await stream.serve(first)
        finally:
            last = self._holds.release(session, stream.cut)
            if ends and last and not self._holds.was_cut(session):
                self._start(self._ended(session, desktop))
            stream.cut.cancel()

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Stream:
    """One held stream; gRPC takes one answer at a time, so a cut waits for one under way."""

    def __init__(self, context: Any, cut: asyncio.Future[None]) -> None:
        self.cut = cut
        self._context = context
        self._writing = self._told = False
        self._task = asyncio.current_task()

    async def serve(self, message: Any) -> None:
        """Answer what Envoy sends until it ends the stream, as it does after a refusal."""
        while message is not grpc.aio.EOF:
            if not self.cut.done():
                self._writing = True
                await self._context.write(_go_on(message.WhichOneof("request")))
                self._writing = False
                if self.cut.done():
                    await self.end()
            message = await self._context.read()

    async def end(self) -> None:
        """Tell Envoy to end the session; a stream that takes no word is broken off instead."""
        if self._writing or self._told or self.cut.cancelled():
            return
        self._told = True
        try:
            await self._context.write(_refusal())
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing may stay open by it
            log.info("a held stream was broken off", why=str(error))
            if self._task is not None:
                self._task.cancel()


def _session_of(message: Any) -> tuple[str, bool, str]:
    """Return the session that the script or ext_authz left, and how it ends.

    Whether it ends with this stream, and then whose desktop it shows ("" for none).
    """
    told = message.metadata_context.filter_metadata
    found: dict[str, str] = {}
    for namespace in ("sekisho", "envoy.filters.http.ext_authz"):
        if namespace in told:
            found |= {n: v.string_value for n, v in told[namespace].fields.items()}
    desktop = found.get("ends", "")
    return found.get("session", ""), bool(desktop) or "tunnel" in found, desktop


_NONE = ("", False, "")


@lru_cache
def _go_on(kind: str) -> bytes:
    """Answer a message with its own kind and no change."""
    answer = wire.ProcessingResponse()
    getattr(answer, kind).SetInParent()
    return bytes(answer.SerializeToString())


@lru_cache
def _refusal() -> bytes:
    answer = wire.ProcessingResponse()
    answer.immediate_response.status.code = _FORBIDDEN
    answer.immediate_response.details = "cut"
    return bytes(answer.SerializeToString())

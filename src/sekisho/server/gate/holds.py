"""Live sessions: each held stream of Envoy is one coroutine here, and can be cut at once.

Envoy keeps the stream of its ext_proc filter open until the tunnel, WebSocket or long answer ends;
an immediate response on it ends the session (``docs/adr/0011``).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import structlog
from envoy.service.ext_proc.v3 import external_processor_pb2 as wire
from envoy.service.ext_proc.v3 import external_processor_pb2_grpc

log = structlog.get_logger()

_FORBIDDEN = 403
_REMEMBERED = 20_000


class Holds:
    """All held streams of this process by session, and which sessions were cut lately."""

    def __init__(self) -> None:
        self._streams: dict[str, set[asyncio.Future[None]]] = {}
        self._cut: dict[str, None] = {}

    def __len__(self) -> int:
        """Return how many sessions are held."""
        return len(self._streams)

    def hold(self, session: str) -> asyncio.Future[None]:
        """Hold a session; the future is done once it is to be cut."""
        cut: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._streams.setdefault(session, set()).add(cut)
        if session in self._cut:
            cut.set_result(None)
        return cut

    def release(self, session: str, cut: asyncio.Future[None]) -> bool:
        """Let a stream go; tell whether it was the session's last one."""
        streams = self._streams.get(session, set())
        streams.discard(cut)
        if streams:
            return False
        self._streams.pop(session, None)
        return True

    def cut(self, session: str) -> int:
        """Cut every stream of a session, also one that is just being opened; return how many."""
        self._cut[session] = None
        if len(self._cut) > _REMEMBERED:
            del self._cut[next(iter(self._cut))]
        streams = [each for each in self._streams.get(session, ()) if not each.done()]
        for each in streams:
            each.set_result(None)
        return len(streams)

    def was_cut(self, session: str) -> bool:
        """Tell whether a session was cut lately."""
        return session in self._cut


Ended = Callable[[str], Awaitable[None]]
"""Called with a tunnel's session that ended without having been cut."""


class Holder(external_processor_pb2_grpc.ExternalProcessorServicer):  # type: ignore[misc]  # untyped base
    """Serves the held streams."""

    def __init__(self, holds: Holds, ended: Ended) -> None:
        self._holds = holds
        self._ended = ended
        self._tasks: set[asyncio.Future[None]] = set()

    async def Process(  # noqa: N802 - gRPC's own name
        self, requests: AsyncIterator[Any], context: Any
    ) -> AsyncIterator[wire.ProcessingResponse]:
        """Hold one session until it ends or is cut."""
        del context
        first = await anext(requests, None)
        session, is_tunnel = _session_of(first) if first is not None else ("", False)
        if not session:
            yield _refuse()
            return
        cut = self._holds.hold(session)
        try:
            yield _go_on(first)
            async for answer in _serve(requests, cut):
                yield answer
        finally:
            last = self._holds.release(session, cut)
            if is_tunnel and last and not cut.done():
                task = asyncio.ensure_future(self._ended(session))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)


async def _serve(
    requests: AsyncIterator[Any], cut: asyncio.Future[None]
) -> AsyncIterator[wire.ProcessingResponse]:
    while True:
        message = asyncio.ensure_future(anext(requests, None))
        try:
            await asyncio.wait({message, cut}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not message.done():
                message.cancel()
        if cut.done():
            yield _refuse()
            return
        got = message.result()
        if got is None:
            return
        yield _go_on(got)


def _session_of(message: Any) -> tuple[str, bool]:
    """Return the session that the script or ext_authz left, and whether it is a tunnel's."""
    told = message.metadata_context.filter_metadata
    for namespace in ("envoy.filters.http.ext_authz", "sekisho"):
        if namespace in told:
            found = told[namespace].fields.get("session")
            if found is not None and found.string_value:
                return str(found.string_value), "tunnel" in told[namespace].fields
    return "", False


def _go_on(message: Any) -> wire.ProcessingResponse:
    """Answer a message with its own kind and no change."""
    kind = message.WhichOneof("request")
    answer = wire.ProcessingResponse()
    getattr(answer, kind).SetInParent()
    return answer


def _refuse() -> wire.ProcessingResponse:
    answer = wire.ProcessingResponse()
    answer.immediate_response.status.code = _FORBIDDEN
    answer.immediate_response.details = "cut"
    return answer

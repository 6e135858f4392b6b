"""Live sessions: each held stream of Envoy is one small object here, and can be cut at once.

Envoy keeps the stream of its ext_proc filter open until the tunnel, WebSocket or long answer ends;
an immediate response on it ends the session (``docs/adr/0011``). Thousands are cut at once, so what
is said to each was put into bytes beforehand.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, Protocol

from envoy.service.ext_proc.v3 import external_processor_pb2 as wire

from sekisho.server.gate.line import Answerer, Call

_FORBIDDEN = 403
_REMEMBERED = 20_000
_AT_ONCE = 256
_PATIENCE_SECONDS = 0.05
"""A stream that was told ends within a millisecond or so; for one that does not nobody waits."""
_TAKEN_UP_SECONDS = 20.0
"""An allowed tunnel that Envoy has not held by then never came to be."""


class Stream(Protocol):
    """A held stream of Envoy."""

    def end(self) -> None:
        """Tell Envoy to end the session."""
        ...


class Holds:
    """All held streams of this process by session, and which sessions were cut lately."""

    def __init__(self) -> None:
        self._streams: dict[str, set[Stream]] = {}
        self._cut: dict[str, None] = {}
        self._expected: dict[str, float] = {}
        self._to_tell: dict[Stream, None] = {}
        self._told: set[Stream] = set()
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

    def hold(self, session: str, stream: Stream) -> None:
        """Hold a stream of a session; of one that was cut it is ended at once."""
        self._expected.pop(session, None)
        self._streams.setdefault(session, set()).add(stream)
        if session in self._cut:
            stream.end()

    def release(self, session: str, stream: Stream) -> bool:
        """Let a stream go; tell whether it was the session's last one."""
        streams = self._streams.get(session, set())
        streams.discard(stream)
        self._to_tell.pop(stream, None)
        self._told.discard(stream)
        self._tell()
        if streams:
            return False
        self._streams.pop(session, None)
        return True

    def cut(self, session: str) -> int:
        """Cut every stream of a session, also one that is just being opened; return how many.

        Of thousands some hundred are told at a time, so that Envoy answers others in between.
        """
        self._cut[session] = None
        if len(self._cut) > _REMEMBERED:
            del self._cut[next(iter(self._cut))]
        fresh = [each for each in self._streams.get(session, ()) if each not in self._told]
        self._to_tell |= dict.fromkeys(fresh)
        self._tell()
        return len(fresh)

    def sessions(self) -> list[str]:
        """List the sessions that are held."""
        return list(self._streams)

    @property
    def is_telling(self) -> bool:
        """Tell whether streams still have to be told, or were a moment ago and have not ended."""
        return bool(self._to_tell or self._told)

    def _tell(self) -> None:
        """Tell the next streams: as many as have ended since, and after a moment in any case."""
        while self._to_tell and len(self._told) < _AT_ONCE:
            stream = next(iter(self._to_tell))
            del self._to_tell[stream]
            self._told.add(stream)
            stream.end()
        if self.is_telling and self._again is None:
            self._again = asyncio.get_running_loop().call_later(_PATIENCE_SECONDS, self._tell_more)

    def _tell_more(self) -> None:
        self._again = None
        self._told.clear()
        self._tell()

    def was_cut(self, session: str) -> bool:
        """Tell whether a session was cut lately."""
        return session in self._cut


Ended = Callable[[str, str], Awaitable[None]]
"""Called with a session that ended with its stream, without having been cut, and its desktop."""


class Holder:
    """Serves the held streams: Envoy's ``ExternalProcessor``."""

    def __init__(self, holds: Holds, ended: Ended) -> None:
        self.holds = holds
        self._ended = ended
        self._tasks: set[asyncio.Future[None]] = set()

    def __call__(self, call: Call) -> Answerer:
        """Serve one call."""
        return _Held(self, call)

    def write_end(self, session: str, desktop: str) -> None:
        """Have it written down that a session has ended by itself."""
        task = asyncio.ensure_future(self._ended(session, desktop))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Held:
    """One held stream, from the head of a request until its tunnel or answer ends."""

    __slots__ = ("_call", "_desktop", "_ends", "_holder", "_session", "_told")

    def __init__(self, holder: Holder, call: Call) -> None:
        self._holder = holder
        self._call = call
        self._session = self._desktop = ""
        self._ends = self._told = False

    def take(self, message: bytes) -> None:
        """Let through what Envoy shows, unless the session is cut or unknown."""
        asked = wire.ProcessingRequest.FromString(message)
        if not self._session:
            self._session, self._ends, self._desktop = _session_of(asked)
            if self._session:
                self._holder.holds.hold(self._session, self)
            else:
                self.end()
        if not self._told:
            self._call.send(_go_on(asked.WhichOneof("request")))

    def end(self) -> None:
        """Tell Envoy to end the session."""
        if not self._told:
            self._told = True
            self._call.send(_refusal())

    def over(self) -> None:
        """Let the session go with its last stream."""
        self._call.finish()
        if not self._session:
            return
        last = self._holder.holds.release(self._session, self)
        if self._ends and last and not self._holder.holds.was_cut(self._session):
            self._holder.write_end(self._session, self._desktop)


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

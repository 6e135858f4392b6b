"""One connection of Envoy to the decision process: gRPC over HTTP/2, as lean as it can be.

Each call is an object, not a coroutine with timers: five thousand held sessions are told their end
in one sweep over their objects, and leave in one write. gRPC's own server spent ten times as much
on the same (``docs/performance.md``). The peer is our own Envoy on a socket that nobody else can
open; whatever breaks the protocol all the same ends its connection, and with it every session.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog
from hpack import Decoder, HPACKError

from sekisho.server.gate.frames import (
    LONGEST,
    WIDEST,
    BrokenLineError,
    Fault,
    Flag,
    Frame,
    Kind,
    Reader,
    Setting,
    read_number,
    read_settings,
    without_padding,
    write_frame,
    write_literal,
    write_message,
    write_settings,
)

log = structlog.get_logger()

_FIRST_WINDOW = 65_535
_OUR_WINDOW = 8 << 20
_LONGEST_MESSAGE = 4 << 20
_LONGEST_HEADERS = 256 << 10
_NOT_SERVED = "12"  # grpc UNIMPLEMENTED
_STATUS = b"\x88"  # :status 200, the eighth of the static table
_BEGIN = _STATUS + write_literal(b"content-type", b"application/grpc")
_END = write_literal(b"grpc-status", b"0")
_GREETING = write_settings(
    {
        Setting.ENABLE_PUSH: 0,
        Setting.MAX_CONCURRENT_STREAMS: WIDEST,
        Setting.INITIAL_WINDOW_SIZE: _OUR_WINDOW,
    }
) + write_frame(Kind.WINDOW_UPDATE, 0, 0, (_OUR_WINDOW - _FIRST_WINDOW).to_bytes(4, "big"))


class Answerer(Protocol):
    """What serves one call."""

    def take(self, message: bytes) -> None:
        """Take the next message of the call."""
        ...

    def over(self) -> None:
        """Take note, once, that nothing more comes: ended, broken off, or the line is gone."""
        ...


class Call:
    """One call of the peer, for whoever serves it."""

    __slots__ = (
        "_begun", "_ending", "_gathered", "_line", "_number", "_taken", "answerer", "heard_all",
        "queue", "window",
    )  # fmt: skip

    def __init__(self, line: "Line", number: int, window: int) -> None:
        self._line = line
        self._number = number
        self._gathered = bytearray()
        self._taken = 0
        self._begun = self._ending = False
        self.answerer: Answerer | None = None
        self.heard_all = False
        self.window = window
        self.queue = bytearray()

    @property
    def number(self) -> int:
        """Return the number of the stream."""
        return self._number

    def send(self, message: bytes) -> None:
        """Send a message; nothing happens where the peer has gone."""
        if self._ending or not self._line.has(self):
            return
        if not self._begun:
            self._begun = True
            self._line.write(write_frame(Kind.HEADERS, Flag.END_HEADERS, self._number, _BEGIN))
        self._line.write_data(self, write_message(message))

    def finish(self) -> None:
        """End the call well, once everything has been sent."""
        if not self._ending and self._line.has(self):
            self._ending = True
            self.settle()

    def break_off(self, fault: Fault) -> None:
        """End the call at once."""
        if self._line.has(self):
            self._line.write(
                write_frame(Kind.RST_STREAM, 0, self._number, fault.to_bytes(4, "big"))
            )
            self._line.drop(self)

    def refuse(self) -> None:
        """Say that there is no such service."""
        self._ending = True
        body = _BEGIN + write_literal(b"grpc-status", _NOT_SERVED.encode())
        self._line.write(
            write_frame(Kind.HEADERS, Flag.END_HEADERS | Flag.END_STREAM, self._number, body)
        )

    def settle(self) -> None:
        """Write the end if it is time for it."""
        if self._ending and not self.queue:
            head = b"" if self._begun else _BEGIN
            flags = Flag.END_HEADERS | Flag.END_STREAM
            self._line.write(write_frame(Kind.HEADERS, flags, self._number, head + _END))
            if self.heard_all:
                self._line.drop(self)

    def hear(self, data: bytes) -> None:
        """Take data of the peer, and hand on each message that is whole."""
        self._gathered += data
        self._taken += len(data)
        while len(self._gathered) >= 5:  # noqa: PLR2004 - a message's prefix
            size = int.from_bytes(self._gathered[1:5], "big")
            if self._gathered[0] or size > _LONGEST_MESSAGE:
                self.break_off(Fault.ENHANCE_YOUR_CALM)
                return
            if len(self._gathered) < 5 + size:
                break
            message = bytes(self._gathered[5 : 5 + size])
            del self._gathered[: 5 + size]
            if self.answerer is not None:
                self.answerer.take(message)
        if self._taken > _OUR_WINDOW // 2:
            self._line.widen(self._number, self._taken)
            self._taken = 0

    def end(self) -> None:
        """Take note that the peer says nothing more."""
        self.heard_all = True
        answerer, self.answerer = self.answerer, None
        if answerer is not None:
            answerer.over()
        if self._ending and not self.queue:
            self._line.drop(self)


Service = Callable[[Call], Answerer]
"""Makes what serves one call; named by ``/package.Service/Method``."""


class Line(asyncio.Protocol):
    """One connection."""

    def __init__(self, services: Mapping[str, Service], lines: "set[Line]") -> None:
        self._services = services
        self._lines = lines
        self._reader, self._decoder = Reader(), Decoder()
        self._calls: dict[int, Call] = {}
        self._waiting: dict[int, Call] = {}
        self._newest = 0
        self._block: tuple[int, bool, bytearray] | None = None
        self._window = self._first_window = _FIRST_WINDOW
        self._taken = 0
        self._out: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    # ── the connection ───────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream socket's
        self._transport = transport
        self._lines.add(self)
        self.write(_GREETING)

    def data_received(self, data: bytes) -> None:
        """Take what came; what breaks the protocol ends the connection."""
        try:
            for frame in self._reader.feed(data):
                self._take(frame)
        except (BrokenLineError, HPACKError) as error:
            fault = error.fault if isinstance(error, BrokenLineError) else Fault.COMPRESSION
            log.warning("a connection broke the protocol", why=str(error))
            body = self._newest.to_bytes(4, "big") + fault.to_bytes(4, "big")
            self.write(write_frame(Kind.GOAWAY, 0, 0, body))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """End every call."""
        del exc
        self._lines.discard(self)
        self._transport = None
        calls, self._calls = self._calls, {}
        for call in calls.values():
            _end_safely(call)

    def close(self) -> None:
        """Send what is left and hang up."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def write(self, data: bytes) -> None:
        """Write soon: what one turn of the loop gives leaves together."""
        if not self._out:
            asyncio.get_running_loop().call_soon(self._flush)
        self._out.append(data)

    def _flush(self) -> None:
        out, self._out = self._out, []
        if out and self._transport is not None:
            self._transport.write(b"".join(out))

    # ── what a call asks of it ───────────────────────────────────────────────────────────────────

    def has(self, call: Call) -> bool:
        """Tell whether a call is still open."""
        return self._calls.get(call.number) is call

    def drop(self, call: Call) -> None:
        """Forget a call that has ended on both sides."""
        self._waiting.pop(call.number, None)
        if self._calls.pop(call.number, None) is not None and not call.heard_all:
            _end_safely(call)

    def widen(self, stream: int, by: int) -> None:
        """Let the peer send more, of a stream or (0) of all."""
        self.write(write_frame(Kind.WINDOW_UPDATE, 0, stream, by.to_bytes(4, "big")))

    def write_data(self, call: Call, data: bytes) -> None:
        """Write data as far as the peer's windows allow, the rest once they do."""
        size = len(data)
        if not call.queue and size <= min(LONGEST, self._window, call.window):
            self._window -= size
            call.window -= size
            self.write(write_frame(Kind.DATA, 0, call.number, data))
            return
        call.queue += data
        self._waiting[call.number] = call
        self._write_waiting()

    def _write_waiting(self) -> None:
        for call in list(self._waiting.values()):
            while call.queue and (most := min(LONGEST, self._window, call.window)) > 0:
                piece = bytes(call.queue[:most])
                del call.queue[:most]
                self._window -= len(piece)
                call.window -= len(piece)
                self.write(write_frame(Kind.DATA, 0, call.number, piece))
            if not call.queue:
                del self._waiting[call.number]
                call.settle()

    # ── what the peer says ───────────────────────────────────────────────────────────────────────

    def _take(self, frame: Frame) -> None:
        if self._block is not None and frame.kind != Kind.CONTINUATION:
            raise BrokenLineError(Fault.PROTOCOL, "headers were interrupted")
        take = _TAKES.get(frame.kind)
        if take is not None:
            take(self, frame)

    def _take_data(self, frame: Frame) -> None:
        self._taken += len(frame.body)
        if self._taken > _OUR_WINDOW // 2:
            self.widen(0, self._taken)
            self._taken = 0
        call = self._calls.get(frame.stream)
        if call is None or call.heard_all:
            if not 0 < frame.stream <= self._newest:
                raise BrokenLineError(Fault.PROTOCOL, "data of a call that was never begun")
            return
        try:
            call.hear(without_padding(frame))
        except BrokenLineError:
            raise
        except Exception:
            log.exception("a call could not be served")
            call.break_off(Fault.INTERNAL)
        if frame.flags & Flag.END_STREAM and self.has(call):
            _end_safely(call)

    def _take_headers(self, frame: Frame) -> None:
        if not frame.stream:
            raise BrokenLineError(Fault.PROTOCOL, "headers of no call")
        ends = bool(frame.flags & Flag.END_STREAM)
        self._block = (frame.stream, ends, bytearray(without_padding(frame)))
        if frame.flags & Flag.END_HEADERS:
            self._begin_call()

    def _take_continuation(self, frame: Frame) -> None:
        if self._block is None or self._block[0] != frame.stream:
            raise BrokenLineError(Fault.PROTOCOL, "headers go on that never began")
        self._block[2].extend(frame.body)
        if len(self._block[2]) > _LONGEST_HEADERS:
            raise BrokenLineError(Fault.ENHANCE_YOUR_CALM, "headers without end")
        if frame.flags & Flag.END_HEADERS:
            self._begin_call()

    def _begin_call(self) -> None:
        assert self._block is not None  # noqa: S101 - both callers have looked
        (stream, ends, block), self._block = self._block, None
        path = ""
        for name, value in self._decoder.decode(bytes(block), raw=True):
            if name == b":path":
                path = value.decode("latin-1")
        call = self._calls.get(stream)
        if call is None and stream > self._newest and stream % 2:
            call = self._open(stream, path)
        elif stream > self._newest:
            raise BrokenLineError(Fault.PROTOCOL, "a call with a number of ours")
        if ends and call is not None and self.has(call):
            _end_safely(call)

    def _open(self, stream: int, path: str) -> Call:
        self._newest = stream
        call = self._calls[stream] = Call(self, stream, self._first_window)
        service = self._services.get(path)
        if service is None:
            call.refuse()
        else:
            call.answerer = service(call)
        return call

    def _take_reset(self, frame: Frame) -> None:
        read_number(frame.body)
        call = self._calls.pop(frame.stream, None)
        self._waiting.pop(frame.stream, None)
        if call is not None:
            _end_safely(call)

    def _take_settings(self, frame: Frame) -> None:
        if frame.flags & Flag.ACK:
            return
        for key, value in read_settings(frame.body):
            if key != Setting.INITIAL_WINDOW_SIZE:
                continue
            if value > WIDEST:
                raise BrokenLineError(Fault.FLOW_CONTROL, "a window wider than there may be")
            for call in self._calls.values():
                call.window += value - self._first_window
            self._first_window = value
        self.write(write_frame(Kind.SETTINGS, Flag.ACK, 0))
        self._write_waiting()

    def _take_ping(self, frame: Frame) -> None:
        if not frame.flags & Flag.ACK:
            self.write(write_frame(Kind.PING, Flag.ACK, 0, frame.body[:8]))

    def _take_window(self, frame: Frame) -> None:
        more = read_number(frame.body)
        if not frame.stream:
            self._window += more
        elif call := self._calls.get(frame.stream):
            call.window += more
        if self._window > WIDEST:
            raise BrokenLineError(Fault.FLOW_CONTROL, "a window wider than there may be")
        self._write_waiting()


def _end_safely(call: Call) -> None:
    """End a call whatever its answerer thinks of that; the others go on."""
    try:
        call.end()
    except Exception:
        log.exception("a call did not end well")


_TAKES: Mapping[int, Callable[[Line, Frame], None]] = {
    Kind.DATA: Line._take_data,  # noqa: SLF001 - the table of this class
    Kind.HEADERS: Line._take_headers,  # noqa: SLF001
    Kind.RST_STREAM: Line._take_reset,  # noqa: SLF001
    Kind.SETTINGS: Line._take_settings,  # noqa: SLF001
    Kind.PING: Line._take_ping,  # noqa: SLF001
    Kind.WINDOW_UPDATE: Line._take_window,  # noqa: SLF001
    Kind.CONTINUATION: Line._take_continuation,  # noqa: SLF001
}

"""A browser's WebSocket as it comes from Envoy: handshake, bytes in, bytes out, end."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from sekisho.server.desktop import websocket as ws
from sekisho.server.desktop.grants import Why
from sekisho.server.gate.local import read_head

_GREET_SECONDS = 10.0
_PIECE = 64 * 1024
_ENDED, _REFUSED = 1000, 4403


class NotForUsError(Exception):
    """The request is no WebSocket of our own page through the gate."""


@dataclass(slots=True)
class Browser:
    """One WebSocket. ``session`` is the access session that the gate has proved.

    ``granted`` tells whether a grant was taken for it.
    """

    session: str
    query: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    granted: bool = False
    _frames: ws.Frames = field(default_factory=ws.Frames)
    _waiting: list[bytes] = field(default_factory=list)
    _over: bool = False
    _heard: float = field(default_factory=time.monotonic)

    async def read(self) -> bytes | None:
        """Return the next bytes; None once the browser has closed."""
        while not self._waiting:
            if self._over:
                return None
            data = await self.reader.read(_PIECE)
            if not data:
                return None
            self._heard = time.monotonic()
            for frame in self._frames.take(data):
                self._take(frame)
        taken = b"".join(self._waiting)
        self._waiting.clear()
        return taken

    def _take(self, frame: ws.Frame) -> None:
        if frame.code == ws.CLOSE:
            self._over = True
        elif frame.code == ws.PING:
            self.writer.write(ws.write_head(len(frame.payload), ws.PONG) + frame.payload)
        elif frame.code == ws.BINARY and frame.payload:
            self._waiting.append(frame.payload)

    async def read_message(self, longest: int) -> bytes:
        """Return the first bytes, which are one message; raise EOFError if there are none."""
        data = await self.read()
        if data is None:
            raise EOFError
        return data[: longest + 1]

    def send(self, data: bytes) -> None:
        """Send bytes as one message."""
        self.writer.write(ws.write_head(len(data)))
        self.writer.write(data)

    def ping(self) -> None:
        """Ask for a sign of life (RFC 6455 section 5.5.2)."""
        self.writer.write(ws.write_head(0, ws.PING))

    def was_heard_within(self, seconds: float) -> bool:
        """Tell whether anything came from the browser lately."""
        return time.monotonic() - self._heard < seconds

    async def drain(self) -> None:
        """Wait until the browser has taken most of what was sent."""
        await self.writer.drain()

    async def close(self, why: Why) -> None:
        """Say goodbye once, and close."""
        if self.writer.is_closing():
            return
        with contextlib.suppress(OSError):
            self.writer.write(ws.write_close(_ENDED if why is Why.CLOSED else _REFUSED, why.value))
        self.writer.close()


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Browser:
    """Take the handshake; raise NotForUsError for what did not come from our own page."""
    async with asyncio.timeout(_GREET_SECONDS):
        head = await read_head(reader)
    key = _checked(head.headers)
    path, _, query = head.path.partition("?")
    session = head.headers.get("x-sekisho-session", "")
    if head.method != "GET" or path != "/socket" or not session:
        raise NotForUsError
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        b"sec-websocket-accept: %b\r\n%b\r\n" % (ws.accept_key(key).encode(), _chosen(head.headers))
    )
    return Browser(session, query, reader, writer)


def _checked(headers: Mapping[str, str]) -> str:
    is_ours = headers.get("origin", "") == f"https://{headers.get('host', '-')}"
    fits = headers.get("upgrade", "").lower() == "websocket"
    if not (is_ours and fits and headers.get("sec-websocket-version") == "13"):
        raise NotForUsError
    return headers.get("sec-websocket-key", "")


def _chosen(headers: Mapping[str, str]) -> bytes:
    offered = {each.strip() for each in headers.get("sec-websocket-protocol", "").split(",")}
    return b"sec-websocket-protocol: binary\r\n" if "binary" in offered else b""

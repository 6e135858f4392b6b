"""The little of WebSocket (RFC 6455) that a relay of bytes needs, at the server's end.

Messages are taken as a stream of bytes: where one ends means nothing to RDP or VNC. Text, reserved
bits, unmasked frames and frames that are too long end the connection.
"""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

LONGEST_FRAME = 1 << 20
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # section 1.3
_CONTINUATION, BINARY, CLOSE, PING, PONG = 0, 2, 8, 9, 10
_SHORT, _LONG, _LONGER = 125, 126, 127
_KEY_BYTES = 16


class NotWebSocketError(ValueError):
    """The peer does not keep to the protocol, or sends what is not taken here."""


def accept_key(key: str) -> str:
    """Return the answer to a handshake's key; raise NotWebSocketError for one that is none."""
    try:
        raw = base64.b64decode(key, validate=True)
    except ValueError:
        raw = b""
    if len(raw) != _KEY_BYTES:
        raise NotWebSocketError("the handshake's key has another length")
    return base64.b64encode(hashlib.sha1(key.encode() + _MAGIC).digest()).decode()  # noqa: S324 - as section 4.2.2 says


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame without its mask."""

    code: int
    payload: bytes


@dataclass(slots=True)
class Frames:
    """Takes bytes as they come and gives the frames that are whole."""

    _kept: bytearray = field(default_factory=bytearray)
    _in_message: bool = False

    def take(self, data: bytes) -> Iterator[Frame]:
        """Yield what is whole now; raise NotWebSocketError."""
        self._kept += data
        while (frame := self._next()) is not None:
            yield frame

    def _next(self) -> Frame | None:
        if len(self._kept) < 2:  # noqa: PLR2004 - the two bytes that every frame has
            return None
        code = self._check(self._kept[0], self._kept[1])
        size, start = self._kept[1] & 0x7F, 2
        if size >= _LONG:
            start += 2 if size == _LONG else 8
            if len(self._kept) < start:
                return None
            size = int.from_bytes(self._kept[2:start])
        if size > LONGEST_FRAME:
            raise NotWebSocketError("the frame is too long")
        end = start + 4 + size
        if len(self._kept) < end:
            return None
        payload = unmask(bytes(self._kept[start + 4 : end]), bytes(self._kept[start : start + 4]))
        del self._kept[:end]
        return Frame(BINARY if code == _CONTINUATION else code, payload)

    def _check(self, first: int, second: int) -> int:
        code, is_last = first & 0x0F, bool(first & 0x80)
        if first & 0x70 or not second & 0x80:
            raise NotWebSocketError("reserved bits, or no mask")
        if code >= CLOSE:
            if code > PONG or not is_last or second & 0x7F > _SHORT:
                raise NotWebSocketError("no such control frame")
            return code
        if code not in (_CONTINUATION, BINARY) or (code == _CONTINUATION) != self._in_message:
            raise NotWebSocketError("binary messages alone are taken")
        self._in_message = not is_last
        return code


def unmask(payload: bytes, mask: bytes) -> bytes:
    """Take the mask off (or put it on)."""
    size = len(payload)
    repeated = (mask * (size // 4 + 1))[:size]
    mixed = int.from_bytes(payload, "little") ^ int.from_bytes(repeated, "little")
    return mixed.to_bytes(size, "little")


def write_head(size: int, code: int = BINARY) -> bytes:
    """Return the head of a whole, unmasked frame of ``size`` bytes."""
    if size <= _SHORT:
        return bytes((0x80 | code, size))
    if size <= 0xFFFF:  # noqa: PLR2004 - section 5.2
        return bytes((0x80 | code, _LONG)) + size.to_bytes(2)
    return bytes((0x80 | code, _LONGER)) + size.to_bytes(8)


def write_close(code: int, reason: str) -> bytes:
    """Return a close frame."""
    payload = code.to_bytes(2) + reason.encode()[: _SHORT - 2]
    return write_head(len(payload), CLOSE) + payload

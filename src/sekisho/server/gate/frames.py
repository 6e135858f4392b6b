"""Frames of HTTP/2 as Envoy and the decision process exchange them: pure, read and written.

Source: RFC 9113 (HTTP/2), sections 4 and 6; gRPC's "PROTOCOL-HTTP2" for messages and trailers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, IntFlag

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LONGEST = 16_384
"""The longest body of a frame: what everybody must take, and we never ask for more."""
WIDEST = 2**31 - 1
"""The widest window there may be."""
_HEAD = 9
_NUMBER = 0x7FFF_FFFF


class Kind(IntEnum):
    """The frames that mean something here; all others are passed over."""

    DATA = 0
    HEADERS = 1
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Flag(IntFlag):
    """Flags of frames; an acknowledgement has the bit of an end."""

    END_STREAM = 0x1
    ACK = 0x1
    END_HEADERS = 0x4
    PADDED = 0x8
    PRIORITY = 0x20


class Fault(IntEnum):
    """Why a stream or a connection is ended."""

    NONE = 0
    PROTOCOL = 1
    INTERNAL = 2
    FLOW_CONTROL = 3
    FRAME_SIZE = 6
    CANCEL = 8
    COMPRESSION = 9
    ENHANCE_YOUR_CALM = 11


class Setting(IntEnum):
    """The settings that mean something here."""

    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4


class BrokenLineError(Exception):
    """The peer does not keep to the protocol; the connection has to end."""

    def __init__(self, fault: Fault, why: str) -> None:
        super().__init__(why)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; ``stream`` is 0 for the connection itself."""

    kind: int
    flags: int
    stream: int
    body: bytes


class Reader:
    """Cuts what comes into frames, the preface first."""

    def __init__(self) -> None:
        self._left = bytearray()
        self._greeted = False

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Return the frames that are whole by now; raise BrokenLineError for what is none."""
        self._left += data
        if not self._greeted:
            if not PREFACE.startswith(self._left[: len(PREFACE)]):
                raise BrokenLineError(Fault.PROTOCOL, "this is not HTTP/2")
            if len(self._left) < len(PREFACE):
                return
            del self._left[: len(PREFACE)]
            self._greeted = True
        at, whole = 0, bytes(self._left)
        try:
            while len(whole) >= at + _HEAD:
                size = int.from_bytes(whole[at : at + 3], "big")
                if size > LONGEST:
                    raise BrokenLineError(Fault.FRAME_SIZE, "a frame is too long")
                start, end = at + _HEAD, at + _HEAD + size
                if len(whole) < end:
                    return
                stream = int.from_bytes(whole[at + 5 : start], "big") & _NUMBER
                kind, flags, at = whole[at + 3], whole[at + 4], end
                yield Frame(kind, flags, stream, whole[start:end])
        finally:
            del self._left[:at]


def write_frame(kind: Kind, flags: int, stream: int, body: bytes = b"") -> bytes:
    """Return a frame's bytes."""
    return b"%b%b%b%b" % (
        len(body).to_bytes(3, "big"), bytes((kind, flags)), stream.to_bytes(4, "big"), body
    )  # fmt: skip


def write_settings(settings: dict[Setting, int]) -> bytes:
    """Return a frame of settings."""
    pairs = (key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in settings.items())
    return write_frame(Kind.SETTINGS, 0, 0, b"".join(pairs))


def read_settings(body: bytes) -> Iterator[tuple[int, int]]:
    """Return the settings of a frame's body; raise BrokenLineError for half a one."""
    if len(body) % 6:
        raise BrokenLineError(Fault.FRAME_SIZE, "settings have six bytes each")
    for at in range(0, len(body), 6):
        yield int.from_bytes(body[at : at + 2], "big"), int.from_bytes(body[at + 2 : at + 6], "big")


def read_number(body: bytes) -> int:
    """Return the one number that a frame consists of, without its reserved bit."""
    if len(body) != 4:  # noqa: PLR2004 - 32 bits
        raise BrokenLineError(Fault.FRAME_SIZE, "a number has four bytes")
    return int.from_bytes(body, "big") & _NUMBER


def without_padding(frame: Frame) -> bytes:
    """Return the body of DATA or HEADERS without what only fills or ranks it."""
    body, padding = frame.body, 0
    if frame.flags & Flag.PADDED:
        padding, body = (body[0], body[1:]) if body else (1, body)
    if frame.kind == Kind.HEADERS and frame.flags & Flag.PRIORITY:
        body = body[5:]
    if padding > len(body):
        raise BrokenLineError(Fault.PROTOCOL, "more padding than there is")
    return body[: len(body) - padding]


def write_literal(name: bytes, value: bytes) -> bytes:
    """Return a header that no table remembers (RFC 7541 section 6.2.2); both below 127 bytes."""
    return b"\x00%b%b%b%b" % (bytes((len(name),)), name, bytes((len(value),)), value)


def write_message(message: bytes) -> bytes:
    """Return a gRPC message with its prefix: not compressed, so long."""
    return b"\0" + len(message).to_bytes(4, "big") + message

"""The filter between a VNC client in a browser and its host (RFC 6143): pictures and input alone.

Texts of the clipboard are dropped both ways. To find them, every message has to be read to its end;
so the client may ask only for encodings whose length is plain to see, and whatever else comes ends
the connection. Pictures stream through; no more than one head is kept.
"""

from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum

from sekisho.server.desktop.filters import ViolationError
from sekisho.server.desktop.grants import Why

VERSION = b"RFB 003.008\n"
NONE, PASSWORD = 1, 2
RAW, COPY, ZLIB, ZRLE = 0, 1, 6, 16
RESIZED, LAST, CURSOR, QEMU_KEYS, NAME, SCREENS = -223, -224, -239, -258, -307, -308
ENCODINGS = frozenset({RAW, COPY, ZLIB, ZRLE, RESIZED, LAST, CURSOR, QEMU_KEYS, NAME, SCREENS})
"""What a client may ask for, besides wishes about quality; no extended clipboard is among it."""

_QUALITY = frozenset(range(-32, -22)) | frozenset(range(-256, -246))
_MOST_TEXT = 1 << 20
_MOST_NAME = 4096
_MOST_PICTURE = 1 << 28
_SIZES = {3: 10, 4: 8, 5: 6}  # update request, key, pointer: section 7.5
_FORMAT, _WANTED, _UPDATE_REQUEST, _CUT_TEXT, _SCREENS, _QEMU = 0, 2, 3, 6, 251, 255
_UPDATE, _COLOURS, _BELL, _HOST_TEXT = 0, 1, 2, 3


class _Do(Enum):
    TAKE, PASS, DROP, PUT = range(4)


_Step = tuple[_Do, int, bytes]
_Script = Generator[_Step, bytes, None]


def _take(size: int) -> Generator[_Step, bytes, bytes]:
    return (yield _Do.TAKE, size, b"")


@dataclass(slots=True)
class _Side:
    """Runs the script of one direction over bytes as they come."""

    script: _Script
    kept: bytearray
    step: _Step

    @classmethod
    def of(cls, script: _Script) -> "_Side":
        return cls(script, bytearray(), next(script))

    def feed(self, data: bytes) -> bytes:
        """Take bytes; return what passes."""
        self.kept += data
        out = bytearray()
        while True:
            do, size, put = self.step
            if do is _Do.TAKE and len(self.kept) < size:
                return bytes(out)
            if do is _Do.TAKE:
                answer = bytes(self.kept[:size])
                del self.kept[:size]
                self.step = self.script.send(answer)
            elif do is _Do.PUT:
                out += put
                self.step = self.script.send(b"")
            else:
                there = min(size, len(self.kept))
                if do is _Do.PASS:
                    out += self.kept[:there]
                del self.kept[:there]
                if there < size:
                    self.step = (do, size - there, b"")
                    return bytes(out)
                self.step = self.script.send(b"")


class RfbFilter:
    """One connection of VNC."""

    def __init__(self) -> None:
        self.begun = False
        self.dropped = 0
        self._offered: frozenset[int] = frozenset()
        self._chosen = 0
        self._bytes = 4
        self._asked = False
        self._up, self._down = _Side.of(self._browser()), _Side.of(self._host())

    @property
    def done(self) -> str:
        """Say how many texts of the clipboard were dropped."""
        return f"clipboard texts dropped: {self.dropped}" if self.dropped else ""

    def from_browser(self, data: bytes) -> tuple[bytes, bytes]:
        """Judge what the browser sent; see ``filters.Filter``."""
        return self._up.feed(data), b""

    def from_host(self, data: bytes) -> tuple[bytes, bytes]:
        """Judge what the host sent; see ``filters.Filter``."""
        return b"", self._down.feed(data)

    # ── what the host sends ──────────────────────────────────────────────────────────────────────

    def _host(self) -> _Script:
        yield from self._greet()
        # With a password 16 bytes of challenge come first (section 7.2.2); before the client has
        # chosen nothing may come at all.
        result = yield from _take(4)
        if not self._chosen:
            raise ViolationError(Why.HOST_MALFORMED, "it did not wait for the choice")
        if self._chosen == PASSWORD:
            yield _Do.PUT, 0, result
            yield _Do.PASS, 12, b""
            result = yield from _take(4)
        yield _Do.PUT, 0, result
        if any(result):
            yield from _pass_text(_MOST_NAME)
            raise ViolationError(Why.NOT_SIGNED_IN, "the host refused")
        self.begun = True
        start = yield from _take(20)  # ServerInit without the name
        self._bytes = _bytes_of(start[4:], Why.HOST_MALFORMED)
        yield _Do.PUT, 0, start
        yield from _pass_text(_MOST_NAME)
        while True:
            yield from self._host_message()

    def _greet(self) -> _Script:
        version = yield from _take(12)
        if version[:4] != b"RFB " or version[7:8] != b"." or version < VERSION:
            raise ViolationError(Why.HOST_MALFORMED, f"version {version!r}")
        yield _Do.PUT, 0, VERSION
        (count,) = yield from _take(1)
        types = yield from _take(count)
        self._offered = frozenset(types) & {NONE, PASSWORD}
        if not self._offered:
            raise ViolationError(Why.NO_VNC_WAY, f"types {sorted(types)}")
        yield _Do.PUT, 0, bytes((len(self._offered), *sorted(self._offered)))

    def _host_message(self) -> _Script:
        (kind,) = yield from _take(1)
        if kind == _UPDATE:
            yield from self._update()
        elif kind == _COLOURS:
            head = yield from _take(5)
            yield _Do.PUT, 0, bytes((kind,)) + head
            yield _Do.PASS, 6 * int.from_bytes(head[3:5]), b""
        elif kind == _BELL:
            yield _Do.PUT, 0, bytes((kind,))
        elif kind == _HOST_TEXT:
            yield from self._drop_text(Why.HOST_MALFORMED)
        else:
            raise ViolationError(Why.HOST_MALFORMED, f"message {kind}")

    def _update(self) -> _Script:
        head = yield from _take(3)
        yield _Do.PUT, 0, bytes((_UPDATE,)) + head
        for _ in range(int.from_bytes(head[1:3])):
            frame = yield from _take(12)
            yield _Do.PUT, 0, frame
            encoding = int.from_bytes(frame[8:12], signed=True)
            if encoding == LAST:
                return
            yield from self._picture(encoding, *_width_and_height(frame))

    def _picture(self, encoding: int, width: int, height: int) -> _Script:
        if encoding in (ZLIB, ZRLE):
            yield from _pass_text(_MOST_PICTURE)
        elif encoding == NAME:
            yield from _pass_text(_MOST_NAME)
        elif encoding == RAW:
            yield _Do.PASS, width * height * self._bytes, b""
        elif encoding == COPY:
            yield _Do.PASS, 4, b""
        elif encoding == CURSOR:
            yield _Do.PASS, height * (width * self._bytes + (width + 7) // 8), b""
        elif encoding == SCREENS:
            head = yield from _take(4)
            yield _Do.PUT, 0, head
            yield _Do.PASS, 16 * head[0], b""
        elif encoding not in (RESIZED, QEMU_KEYS):
            raise ViolationError(Why.HOST_MALFORMED, f"encoding {encoding}")

    # ── what the browser sends ───────────────────────────────────────────────────────────────────

    def _browser(self) -> _Script:
        version = yield from _take(12)
        if version != VERSION:
            raise ViolationError(Why.MALFORMED, "another version")
        yield _Do.PUT, 0, version
        (chosen,) = yield from _take(1)
        if chosen not in self._offered:
            raise ViolationError(Why.MALFORMED, f"security type {chosen}")
        self._chosen = chosen
        yield _Do.PUT, 0, bytes((chosen,))
        if chosen == PASSWORD:
            yield _Do.PASS, 16, b""
        yield _Do.PASS, 1, b""  # ClientInit
        while True:
            yield from self._browser_message()

    def _browser_message(self) -> _Script:
        (kind,) = yield from _take(1)
        if kind in _SIZES:
            self._asked = self._asked or kind == _UPDATE_REQUEST
            yield _Do.PUT, 0, bytes((kind,))
            yield _Do.PASS, _SIZES[kind] - 1, b""
        elif kind == _FORMAT:
            yield from self._set_format()
        elif kind == _WANTED:
            yield from self._set_encodings()
        elif kind == _CUT_TEXT:
            yield from self._drop_text(Why.MALFORMED)
        elif kind == _SCREENS:
            head = yield from _take(7)
            yield _Do.PUT, 0, bytes((kind,)) + head
            yield _Do.PASS, 16 * head[5], b""
        elif kind == _QEMU:
            yield from _pass_qemu_key()
        else:
            raise ViolationError(Why.CHANNEL, f"message {kind}")

    def _set_format(self) -> _Script:
        rest = yield from _take(19)
        if self._asked:  # what is on its way would be read with another size
            raise ViolationError(Why.MALFORMED, "the format of pictures changed on the way")
        self._bytes = _bytes_of(rest[3:], Why.MALFORMED)
        yield _Do.PUT, 0, bytes((_FORMAT,)) + rest

    def _set_encodings(self) -> _Script:
        head = yield from _take(3)
        raw = yield from _take(4 * int.from_bytes(head[1:3]))
        wanted = [raw[n : n + 4] for n in range(0, len(raw), 4)]
        kept = [w for w in wanted if int.from_bytes(w, signed=True) in ENCODINGS | _QUALITY]
        yield _Do.PUT, 0, bytes((_WANTED, 0)) + len(kept).to_bytes(2) + b"".join(kept)

    def _drop_text(self, why: Why) -> _Script:
        head = yield from _take(7)
        size = abs(int.from_bytes(head[3:7], signed=True))  # below zero: the extended clipboard
        if size > _MOST_TEXT:
            raise ViolationError(why, "a text that is too long")
        self.dropped += 1
        yield _Do.DROP, size, b""


def _pass_text(most: int) -> _Script:
    """Pass a length of 32 bits and what follows it."""
    head = yield from _take(4)
    size = int.from_bytes(head)
    if size > most:
        raise ViolationError(Why.HOST_MALFORMED, "something that is too long")
    yield _Do.PUT, 0, head
    yield _Do.PASS, size, b""


def _pass_qemu_key() -> _Script:
    rest = yield from _take(11)
    if rest[0] != 0:  # only its keys: others carry sound
        raise ViolationError(Why.CHANNEL, f"message of QEMU {rest[0]}")
    yield _Do.PUT, 0, bytes((_QEMU,)) + rest


def _bytes_of(pixels: bytes, why: Why) -> int:
    """Return how many bytes a picture's point has; its description begins with the bits."""
    if pixels[0] not in (8, 16, 32):
        raise ViolationError(why, f"{pixels[0]} bits a point")
    return pixels[0] // 8


def _width_and_height(frame: bytes) -> tuple[int, int]:
    return int.from_bytes(frame[4:6]), int.from_bytes(frame[6:8])

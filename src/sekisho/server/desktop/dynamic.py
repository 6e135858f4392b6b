"""Dynamic virtual channels ([MS-RDPEDYC]): which may open, and that nothing passes on others.

A refused one is never seen by the browser: its request is dropped and answered in the browser's
place. Nothing is put together again: what a first piece says decides for the pieces behind it.
"""

from dataclasses import dataclass, field

from sekisho.server.desktop.filters import ViolationError
from sekisho.server.desktop.grants import Why

ALLOWED = frozenset(
    f"Microsoft::Windows::RDS::{name}" for name in ("Graphics", "DisplayControl", "Input")
)
"""Pictures, the size of the screen, and touch: nothing that carries files, text or sound."""

_HEAD = 8  # [MS-RDPBCGR] 2.2.6.1.1: the whole length and flags
_FIRST, _LAST, _COMPRESSED = 1, 2, 0x200000
_CREATE, _DATA_FIRST, _DATA, _CLOSE, _CAPABILITIES, _DATA_FIRST_Z, _DATA_Z = 1, 2, 3, 4, 5, 6, 7
_DATA_COMMANDS = frozenset({_DATA_FIRST, _DATA, _DATA_FIRST_Z, _DATA_Z})
_ID_SIZES = (1, 2, 4)
_MOST_OPEN = 256
_LONGEST_NAME = 256
_NOT_HERE = 0xC0000001


@dataclass(slots=True)
class DynamicChannels:
    """Judges the pieces on the static channel ``drdynvc`` of one connection."""

    _open: set[int] = field(default_factory=set)
    _host_passes: bool | None = None
    _browser_passes: bool | None = None

    def from_host(self, piece: bytes) -> tuple[bool, bytes]:
        """Return whether a host's piece passes, and a piece that answers it instead ("" = none)."""
        flags, body = _split(piece, Why.HOST_MALFORMED)
        answer = b""
        if flags & _FIRST:
            self._host_passes, answer = self._judge_host(body, whole=bool(flags & _LAST))
        passes = _verdict(self._host_passes, Why.HOST_MALFORMED)
        if flags & _LAST:
            self._host_passes = None
        return passes, answer

    def from_browser(self, piece: bytes) -> bool:
        """Return whether a browser's piece passes; raise ViolationError for a forbidden channel."""
        flags, body = _split(piece, Why.CHANNEL)
        if flags & _FIRST:
            self._browser_passes = self._judge_browser(body)
        passes = _verdict(self._browser_passes, Why.CHANNEL)
        if flags & _LAST:
            self._browser_passes = None
        return passes

    def _judge_host(self, body: bytes, *, whole: bool) -> tuple[bool, bytes]:
        command, number, rest = _read(body, Why.HOST_MALFORMED)
        if command == _CAPABILITIES:
            return True, b""
        if command == _CREATE:
            return self._judge_create(body, number, rest, whole=whole)
        if command == _CLOSE:
            known = number in self._open
            self._open.discard(number)
            return known, b""
        if command in _DATA_COMMANDS and number in self._open:
            return True, b""
        raise ViolationError(Why.HOST_MALFORMED, f"dynamic channel: command {command}")

    def _judge_create(
        self, body: bytes, number: int, rest: bytes, *, whole: bool
    ) -> tuple[bool, bytes]:
        name, ended, _ = rest.partition(b"\0")
        if not (whole and ended) or len(name) > _LONGEST_NAME or len(self._open) >= _MOST_OPEN:
            raise ViolationError(Why.HOST_MALFORMED, "dynamic channel: a request to open")
        if name.decode("ascii", "replace") in ALLOWED:
            self._open.add(number)
            return True, b""
        self._open.discard(number)
        head = body[: 1 + _ID_SIZES[body[0] & 3]]
        return False, write_piece(
            bytes((head[0] & 0xF3,)) + head[1:] + _NOT_HERE.to_bytes(4, "little")
        )

    def _judge_browser(self, body: bytes) -> bool:
        command, number, _ = _read(body, Why.CHANNEL)
        if command == _CAPABILITIES:
            return True
        if command == _CLOSE:
            known = number in self._open
            self._open.discard(number)
            return known
        if command in _DATA_COMMANDS | {_CREATE} and number in self._open:
            return True
        raise ViolationError(Why.CHANNEL, f"dynamic channel: command {command}")


def write_piece(body: bytes) -> bytes:
    """Return a body as one whole piece of a static channel."""
    return len(body).to_bytes(4, "little") + (_FIRST | _LAST).to_bytes(4, "little") + body


def _split(piece: bytes, why: Why) -> tuple[int, bytes]:
    flags = int.from_bytes(piece[4:_HEAD], "little")
    if len(piece) <= _HEAD or flags & _COMPRESSED:
        raise ViolationError(why, "dynamic channel: too short or compressed")
    return flags, piece[_HEAD:]


def _read(body: bytes, why: Why) -> tuple[int, int, bytes]:
    """Return command, number of the channel and what follows."""
    command, width = body[0] >> 4, body[0] & 3
    if command == _CAPABILITIES:
        return command, 0, b""
    if width >= len(_ID_SIZES) or len(body) < 1 + _ID_SIZES[width]:
        raise ViolationError(why, "dynamic channel: no number")
    end = 1 + _ID_SIZES[width]
    return command, int.from_bytes(body[1:end], "little"), body[end:]


def _verdict(passes: bool | None, why: Why) -> bool:
    if passes is None:
        raise ViolationError(why, "dynamic channel: a piece without its first")
    return passes

"""Chunks of EVTX whose tables of strings or templates would make their reader run without an end.

The tables in a chunk's head are only short cuts: each entry begins a list of what stands in the
chunk. A list that leads back into itself is followed for ever, one that leads out costs the whole
chunk. Without the tables the same records come out, so such tables are read as empty.
"""

import io
import os
import struct
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

from sekisho.detection.sources.stretches import CHUNK, EVTX_HEAD

_BINARY = getattr(os, "O_BINARY", 0)
_MAGIC = b"ElfChnk\x00"
_TABLES = slice(128, 512)
_HEADS = struct.Struct("<96I").unpack_from
_NEXT = struct.Struct("<I").unpack_from
_NEXT_SIZE = 4
_BODY, _END = 512, 48
"""Where a chunk's data begins, and where in its head their end is told."""

_LAST_PLACE = CHUNK - 24
_MOST_NODES = 1024


def is_sound(chunk: bytes) -> bool:
    """Say whether the lists of a chunk's tables end soon, and within it.

    The bound is far above what Windows writes, and what lies beyond it loses nothing.
    """
    if len(chunk) < CHUNK or not chunk.startswith(_MAGIC):
        return True  # nobody follows them there
    return _end_soon(chunk[:_BODY], chunk[_BODY:])


def _end_soon(head: bytes, data: bytes) -> bool:
    """Say whether the lists that begin in a chunk's head end soon, and within its data."""
    left, next_of = _MOST_NODES, _NEXT
    last = min(_BODY + len(data) - _NEXT_SIZE, _LAST_PLACE)
    nodes = [at for at in _HEADS(head, _TABLES.start) if at]
    while nodes:  # one step along all lists at once
        left -= len(nodes)
        if left < 0 or min(nodes) < _BODY or max(nodes) > last:
            return False
        nodes = [at for node in nodes if (at := next_of(data, node - _BODY)[0])]
    return True


Read = Callable[[int, int], bytes]
"""From how many bytes, and from where, to as many of them as a file has there."""


class Looked(NamedTuple):
    """What was seen of a file before it is read.

    ``unsound``: where the tables of unsound chunks begin. ``tail``: its last chunk, which was cut
    off, as a file of its own, filled up; the package passes over it, though most of its records
    may be whole.
    """

    unsound: list[int]
    tail: bytes

    def open(self, source: Path | BinaryIO) -> str | BinaryIO:
        """Return what the package may read: ``source`` itself unless it would be held up there.

        What is opened here closes its file when it is closed.
        """
        if not self.unsound:
            return str(source) if isinstance(source, Path) else source
        file = source.open("rb") if isinstance(source, Path) else source
        return io.BufferedReader(_Guarded(file, self.unsound), CHUNK)


def look_over(source: Path | BinaryIO) -> Looked:
    """Look through a file, which is then at its beginning; raises OSError."""
    if not isinstance(source, Path):
        looked = _look(source.seek(0, io.SEEK_END), partial(_read_file, source))
        source.seek(0)
        return looked
    handle = os.open(source, os.O_RDONLY | _BINARY)  # thousands of files: no object for each
    try:
        return _look(os.fstat(handle).st_size, partial(_read_at, handle))
    finally:
        os.close(handle)


def _look(size: int, read: Read) -> Looked:
    return Looked(list(_find_unsound(size, read)), _find_tail(size, read))


def _read_file(file: BinaryIO, length: int, at: int) -> bytes:
    file.seek(at)
    return file.read(length)


def _seek_and_read(handle: int, length: int, at: int) -> bytes:
    os.lseek(handle, at, os.SEEK_SET)
    return os.read(handle, length)


_read_at: Callable[[int, int, int], bytes] = getattr(os, "pread", _seek_and_read)


def _find_unsound(size: int, read: Read) -> Iterator[int]:
    """Yield where the tables of unsound chunks begin.

    Read is only what a chunk says that it holds; most of a short log is empty.
    """
    for at in range(EVTX_HEAD, size - CHUNK + 1, CHUNK):
        head = read(_BODY, at)
        if not head.startswith(_MAGIC):
            continue
        (end,) = _NEXT(head, _END)
        if not _end_soon(head, read(min(max(end, _BODY), CHUNK) - _BODY, at + _BODY)):
            yield at + _TABLES.start


def _find_tail(size: int, read: Read) -> bytes:
    left = (size - EVTX_HEAD) % CHUNK if size > EVTX_HEAD else 0
    tail = read(left, size - left) if left else b""
    return read(EVTX_HEAD, 0) + tail.ljust(CHUNK, b"\x00") if any(tail) else b""


class Altered(io.RawIOBase):
    """A file that reads otherwise than the one behind it, which it closes with itself."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file

    def close(self) -> None:
        """Close both."""
        if not self.closed:
            self._file.close()
        super().close()

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be read from anywhere."""
        return True


class _Guarded(Altered):
    """A file in which some tables are read as empty."""

    def __init__(self, file: BinaryIO, unsound: list[int]) -> None:
        super().__init__(file)
        self._unsound = unsound

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override] # always bytes here
        at = self._file.tell()
        block = self._file.read(len(buffer))
        buffer[: len(block)] = block
        length = _TABLES.stop - _TABLES.start
        for begin in self._unsound:
            low, high = max(begin - at, 0), min(begin + length - at, len(block))
            if low < high:
                buffer[low:high] = bytes(high - low)
        return len(block)

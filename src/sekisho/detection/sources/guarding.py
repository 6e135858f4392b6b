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
from typing import BinaryIO

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


def guard(file: BinaryIO) -> BinaryIO | None:
    """Return ``file`` as it can be read safely, None where it can be read as it is."""

    def read(length: int, at: int) -> bytes:
        file.seek(at)
        return file.read(length)

    unsound = list(_find_unsound(file.seek(0, io.SEEK_END), read))
    file.seek(0)
    return io.BufferedReader(_Guarded(file, unsound), CHUNK) if unsound else None


def guard_path(path: Path) -> BinaryIO | None:
    """Do the same for the file at ``path``; what is returned closes it when it is closed."""
    handle = os.open(path, os.O_RDONLY | _BINARY)  # thousands of files: no object for each
    try:
        unsound = list(_find_unsound(os.fstat(handle).st_size, partial(_read_at, handle)))
    finally:
        os.close(handle)
    if not unsound:
        return None
    return io.BufferedReader(_Guarded(path.open("rb"), unsound), CHUNK)


def _read_at(handle: int, length: int, at: int) -> bytes:
    os.lseek(handle, at, os.SEEK_SET)
    return os.read(handle, length)


def _find_unsound(size: int, read: Callable[[int, int], bytes]) -> Iterator[int]:
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


class _Guarded(io.RawIOBase):
    """A file in which some tables are read as empty."""

    def __init__(self, file: BinaryIO, unsound: list[int]) -> None:
        super().__init__()
        self._file, self._unsound = file, unsound

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

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

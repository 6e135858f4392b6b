"""One large file of JSON lines as stretches of whole lines, so that several processes share it.

EVTX files are cut by ``chunks``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

_BLOCK = 1 << 20
EVTX_HEAD, CHUNK = 4096, 65536
"""Bytes of an EVTX file before its first chunk, and of each chunk."""


class Stretch(NamedTuple):
    """Bytes of a file from ``begin`` up to ``end`` (None: its end); ``first`` numbers its records.

    They are lines of JSON, or ``chunked``: chunks of EVTX.
    """

    begin: int
    end: int | None
    first: int
    chunked: bool = False

    @property
    def is_first(self) -> bool:
        """Say whether no other stretch of the file comes before."""
        return self.begin == (EVTX_HEAD if self.chunked else 0)


def cut_lines(path: Path, size: int, target: int) -> Iterator[Stretch]:
    """Yield stretches of about ``target`` bytes; raises OSError.

    What is written behind ``size`` while this reads belongs to the last one.
    """
    with path.open("rb") as file:
        begin, first = 0, 1
        while begin + 2 * target < size:
            lines = _pass_over(file, target)
            yield Stretch(begin, file.tell(), first)
            begin, first = file.tell(), first + lines
        yield Stretch(begin, None, first)


def _pass_over(file: BinaryIO, target: int) -> int:
    """Read on by ``target`` bytes and to the end of that line; return how many lines end there."""
    lines, block = 0, b""
    while target > 0 and (more := file.read(min(target, _BLOCK))):
        block = more
        lines += block.count(b"\n")
        target -= len(block)
    while block and block[-1:] != b"\n":
        block = file.readline(_BLOCK)
        lines += block.count(b"\n")
    return lines


class Between:
    """Reads a stretch of an opened file as a stream of its own."""

    def __init__(self, file: BinaryIO, stretch: Stretch) -> None:
        file.seek(stretch.begin)
        self._file = file
        self._left = None if stretch.end is None else stretch.end - stretch.begin

    def read(self, size: int = -1, /) -> bytes:
        """Read up to ``size`` bytes; nothing at the end of the stretch."""
        if self._left is None:
            return self._file.read(size)
        block = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(block)
        return block

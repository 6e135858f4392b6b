"""Lines of a byte stream, each of bounded size, whatever the stream holds.

A line that is longer than allowed is passed over piece by piece and given as ``TooLong``, so that
a gigabyte without a line feed costs time and no memory.
"""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class TooLong:
    """A line that was passed over: how many bytes it had."""

    size: int


def read_lines(
    stream: BinaryIO, encoding: str, longest: int
) -> Iterator[tuple[int, str | TooLong]]:
    """Yield (number from 1, line without its end) for every line, empty ones too."""
    if encoding.startswith(("utf-16", "utf-32")):
        yield from _read_wide(stream, encoding, longest)
        return
    encoding = "utf-8" if encoding == "utf-8-sig" else encoding
    number = 0
    while line := stream.readline(longest + 1):
        number += 1
        if len(line) > longest and not line.endswith(b"\n"):
            yield number, TooLong(_pass_over(stream, len(line)))
            continue
        text = line.decode(encoding, "replace").rstrip("\r\n")
        yield number, text.removeprefix("\ufeff") if number == 1 else text


def _pass_over(stream: BinaryIO, size: int) -> int:
    while piece := stream.readline(PIECE):
        size += len(piece)
        if piece.endswith(b"\n"):
            break
    return size


def _read_wide(
    stream: BinaryIO, encoding: str, longest: int
) -> Iterator[tuple[int, str | TooLong]]:
    """Do the same for encodings whose line feed is no single byte."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    number, rest, dropped = 0, "", 0
    while True:
        block = stream.read(PIECE)
        rest += decoder.decode(block, final=not block)
        *whole, rest = rest.split("\n")
        if not block and rest:
            whole, rest = [*whole, rest], ""
        for line in whole:
            number += 1
            yield number, _finish(line, dropped, longest)
            dropped = 0
        if len(rest) > longest:
            dropped, rest = dropped + len(rest), ""
        if not block:
            if dropped:
                yield number + 1, TooLong(dropped)
            return


def _finish(line: str, dropped: int, longest: int) -> str | TooLong:
    if dropped or len(line) > longest:
        return TooLong(dropped + len(line))
    return line.rstrip("\r").removeprefix("\ufeff")

"""JSON lines as blocks of lines, of which none grows beyond what is allowed."""

from collections.abc import Callable, Iterator
from typing import BinaryIO

from sekisho.detection.sources.limits import Trouble
from sekisho.kernel.i18n import msg

_BLOCK = 1 << 19
_MARK = b"\xef\xbb\xbf"


def read_blocks(
    stream: BinaryIO, name: str, longest: int, tell: Callable[[Trouble], None]
) -> Iterator[tuple[int, list[bytes]]]:
    """Yield (number of the first line, lines) until the stream ends; numbers count from 1.

    Empty lines stay in their place. A line of more than ``longest`` bytes is told and becomes an
    empty one; no more than that and a block are ever held.
    """
    number, rest, dropping = 1, b"", False
    while block := stream.read(_BLOCK):
        if dropping:
            end = block.find(b"\n")
            if end < 0:
                continue
            block, dropping = block[end:], False
        *lines, rest = (rest + block).split(b"\n")
        if number == 1 and lines:
            lines[0] = lines[0].removeprefix(_MARK)
        if lines:
            yield number, lines
        number += len(lines)
        if len(rest) > longest:
            tell(_too_long(name, number, longest))
            rest, dropping = b"", True
    if rest:
        yield number, [rest.removeprefix(_MARK) if number == 1 else rest]


def _too_long(name: str, number: int, longest: int) -> Trouble:
    return Trouble(
        name,
        number,
        msg("It is longer than %(n)s bytes.", n=longest),
        msg("It was passed over; cut it yourself if it matters."),
    )

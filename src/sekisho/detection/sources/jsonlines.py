"""JSON lines as blocks of whole lines, of which none grows beyond what is allowed."""

from collections.abc import Callable, Iterator

from sekisho.detection.engine.compiled.lines import Lines
from sekisho.detection.sources.limits import Trouble
from sekisho.detection.sources.streams import Readable
from sekisho.kernel.i18n import msg

_BLOCK = 1 << 19
_MARK = b"\xef\xbb\xbf"


def read_blocks(
    stream: Readable, name: str, longest: int, tell: Callable[[Trouble], None], first: int = 1
) -> Iterator[tuple[int, Lines]]:
    """Yield (number of the first line, lines) until the stream ends.

    Numbers count from ``first``, the last line of a text may end with its line feed, and empty
    lines stay in their place. A line that goes over the end of a block and has more than
    ``longest`` bytes is told and becomes an empty one; no more than that and a block are ever held.
    """
    number, rest, dropping = first, b"", False
    while block := stream.read(_BLOCK):
        end = block.rfind(b"\n") + 1
        if dropping:
            begin = block.find(b"\n")
            if begin < 0:
                continue
            dropping = False
        else:
            begin = 0
        if end:
            text = b"".join((rest, memoryview(block)[begin:end]))  # the only copy
            rest = b""
            lines = Lines(text.removeprefix(_MARK) if number == 1 else text)
            yield number, lines
            number += len(lines)
        rest += block[end:]
        if len(rest) > longest:
            tell(_too_long(name, number, longest))
            rest, dropping = b"", True
    if rest:
        yield number, Lines(rest.removeprefix(_MARK) if number == 1 else rest)


def _too_long(name: str, number: int, longest: int) -> Trouble:
    return Trouble(
        name,
        number,
        msg("It is longer than %(n)s bytes.", n=longest),
        msg("It was passed over; cut it yourself if it matters."),
    )

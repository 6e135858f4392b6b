"""Text in columns of a terminal, where a Japanese character takes two (pure).

Lines are broken at spaces and between full-width characters; a line never begins with a closing
mark (、。」) nor ends with an opening one (「), as Japanese typesetting wants (JIS X 4051).
"""

import unicodedata
from collections.abc import Iterator
from functools import lru_cache

_SMALL = "ぁぃぅぇぉっゃゅょァィゥェォッャュョー々"
_NOT_FIRST = frozenset("、。，．・：；？！」』）］｝】〉》”’,.:;?!)]}" + _SMALL)
_NOT_LAST = frozenset("「『（［｛【〈《“‘([{")


def measure(text: str) -> int:
    """Return how many columns a terminal needs for ``text``."""
    if text.isascii():
        return len(text)  # what nearly all is that logs hold
    return sum(_width(character) for character in text)


def pad(text: str, width: int) -> str:
    """Fill ``text`` with spaces up to ``width`` columns."""
    return text + " " * (width - measure(text))


def wrap(text: str, width: int, first: str = "", later: str = "") -> Iterator[str]:
    """Break ``text`` into lines of at most ``width`` columns.

    The first line begins with ``first``, the others with ``later``. A word that is wider than a
    line, such as an address, stays whole.
    """
    line, used = first, measure(first)
    start = used
    for piece in _pieces(text):
        wide = measure(piece.rstrip(" "))
        if used + wide > width and used > start:
            yield line.rstrip(" ")
            line, used = later, measure(later)
            start = used
        line, used = line + piece, used + measure(piece)
    yield line.rstrip(" ")


def _pieces(text: str) -> Iterator[str]:
    """Split where a line may end: after a space, and beside a full-width character."""
    piece = ""
    for character in text:
        if piece and _may_part(piece[-1], character):
            yield piece
            piece = ""
        piece += character
    yield piece


def _may_part(before: str, after: str) -> bool:
    if after in _NOT_FIRST or before in _NOT_LAST or after == " ":
        return False
    return before == " " or _width(before) > 1 or _width(after) > 1


@lru_cache(maxsize=4096)
def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1

"""Wildcards without backtracking: each piece between stars is found once, from left to right."""

import re
from collections.abc import Sequence
from functools import lru_cache

from sekisho.detection.model import Wildcard

Parts = tuple[str | Wildcard, ...]


def glob_matches(parts: Parts, cased: bool, text: str) -> bool:
    """Say whether the whole text is the pattern. Cost: text × pieces, whatever the pattern."""
    pieces = _pieces(parts, cased)
    said = text if cased else text.casefold()
    if len(pieces) == 1:
        return _matches_at(pieces[0], said, 0) and pieces[0].width == len(said)
    first, *middle, last = pieces
    end = len(said) - last.width
    if first.width > end or not _matches_at(first, said, 0) or not _matches_at(last, said, end):
        return False
    at = first.width
    for piece in middle:
        at = piece.find(said, at, end)
        if at < 0:
            return False
    return True


class _Piece:
    """What stands between two stars: text, with ``?`` for any one character."""

    def __init__(self, parts: Sequence[str | Wildcard]) -> None:
        self.width = sum(len(part) if isinstance(part, str) else 1 for part in parts)
        self.text = parts[0] if len(parts) == 1 and isinstance(parts[0], str) else None
        self._pattern = re.compile(
            "".join(re.escape(part) if isinstance(part, str) else "." for part in parts),
            re.DOTALL,
        )

    def find(self, text: str, start: int, end: int) -> int:
        """Return where the piece ends when first found between start and end, -1 if nowhere."""
        if self.text is not None:
            at = text.find(self.text, start, end)
            return at if at < 0 else at + self.width
        found = self._pattern.search(text, start, end)
        return -1 if found is None else found.end()

    def at(self, text: str, start: int) -> bool:
        """Say whether the piece stands at ``start``."""
        if self.text is not None:
            return text.startswith(self.text, start)
        return self._pattern.match(text, start) is not None


def _matches_at(piece: _Piece, text: str, start: int) -> bool:
    return not piece.width or piece.at(text, start)


@lru_cache(maxsize=65536)
def _pieces(parts: Parts, cased: bool) -> tuple[_Piece, ...]:
    """Cut at the stars; text is casefolded here, once."""
    pieces: list[list[str | Wildcard]] = [[]]
    for part in parts:
        if isinstance(part, str):
            pieces[-1].append(part if cased else part.casefold())
        elif part is Wildcard.MANY:
            pieces.append([])
        else:
            pieces[-1].append(part)
    return tuple(_Piece(piece) for piece in pieces)

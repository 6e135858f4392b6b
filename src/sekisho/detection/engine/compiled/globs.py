"""Patterns with wildcards made into quick checks of one casefolded text."""

import re
from collections.abc import Callable, Sequence

from sekisho.detection.model import Glob, Wildcard

Matcher = Callable[[str], bool]


def glob_matcher(glob: Glob) -> Matcher:
    """Return a check for a pattern without case; it takes the text casefolded."""
    parts = tuple(part if isinstance(part, Wildcard) else part.casefold() for part in glob.parts)
    if Wildcard.ONE in parts:
        return _with_single(parts)
    texts = [part for part in parts if not isinstance(part, Wildcard)]
    first = texts[0] if parts and not isinstance(parts[0], Wildcard) else ""
    last = texts[-1] if parts and not isinstance(parts[-1], Wildcard) else ""
    if Wildcard.MANY not in parts:
        whole = "".join(texts)
        return lambda text: text == whole
    between = tuple(texts[bool(first) : len(texts) - bool(last)])
    return lambda text: _in_order(text, first, between, last)


def _in_order(text: str, first: str, between: Sequence[str], last: str) -> bool:
    if not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in between:
        at = text.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return at <= end


def _with_single(parts: Sequence[str | Wildcard]) -> Matcher:
    """Match piece by piece: text between stars has a fixed length, so the first place is best."""
    pieces: list[list[str | Wildcard]] = [[]]
    for part in parts:
        if part is Wildcard.MANY:
            pieces.append([])
        else:
            pieces[-1].append(part)
    expressions = [_piece(piece) for piece in pieces]
    if len(expressions) == 1:
        whole = expressions[0]
        return lambda text: whole.fullmatch(text) is not None
    sizes = [sum(1 if isinstance(p, Wildcard) else len(p) for p in piece) for piece in pieces]
    return lambda text: _pieces_in_order(text, expressions, sizes)


def _piece(piece: Sequence[str | Wildcard]) -> re.Pattern[str]:
    text = "".join("." if isinstance(part, Wildcard) else re.escape(part) for part in piece)
    return re.compile(text, re.DOTALL)


def _pieces_in_order(
    text: str, expressions: Sequence[re.Pattern[str]], sizes: Sequence[int]
) -> bool:
    at, end = sizes[0], len(text) - sizes[-1]
    if at > end or not expressions[0].match(text) or not expressions[-1].match(text, end):
        return False
    for expression in expressions[1:-1]:
        found = expression.search(text, at, end)
        if found is None:
            return False
        at = found.end()
    return at <= end

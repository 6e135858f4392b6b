"""Regular expressions that cannot take for ever: patterns are judged before they are run.

Python's engine backtracks, holds the interpreter while it does, and nothing can stop it. So the
ways in which a pattern can be tried are counted first, from its parsed form: a repeat can end at
each of its counts, a branch can be taken or not, and what stands in a row multiplies. A pattern
that could be tried too often on a text of that length is refused, which makes the answer unknown.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from re import _constants as codes  # type: ignore[attr-defined] # typeshed does not describe it
from re import _parser as parser  # type: ignore[attr-defined] # the same
from typing import Any

MAX_PATTERN = 512
MAX_TRIES = 10**8
_MANY = MAX_TRIES + 1

_SINGLE = frozenset(
    {codes.LITERAL, codes.NOT_LITERAL, codes.ANY, codes.IN, codes.CATEGORY, codes.AT, codes.RANGE}
)
_REPEATS = frozenset({codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT})


def compile_for(pattern: str, text: str) -> re.Pattern[str]:
    """Return ``pattern`` compiled for ``text``.

    Raises ``ValueError`` for what is no regular expression, is too long, or could take too long.
    """
    compiled, parsed = _parse(pattern)
    if count_tries(parsed, len(text)) * (len(text) + 1) > MAX_TRIES:
        raise ValueError(
            f"the pattern {pattern!r} could take too long on {len(text)} characters; "
            "write it without repeats inside repeats"
        )
    return compiled


@lru_cache(maxsize=32)
def _parse(pattern: str) -> tuple[re.Pattern[str], Any]:
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"a pattern has {len(pattern)} characters; at most {MAX_PATTERN} are run")
    try:
        return re.compile(pattern), parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error


def count_tries(parsed: Iterable[tuple[Any, Any]], length: int) -> int:
    """Return an upper bound of the ways to try a parsed pattern from one place of a text."""
    tries = 1
    for code, argument in parsed:
        tries = min(_MANY, tries * _count_one(code, argument, length))
    return tries


def _count_one(code: Any, argument: Any, length: int) -> int:
    if code in _SINGLE:
        return 1
    if code in _REPEATS:
        least, most, body = argument
        return _count_repeat(least, most, body, length)
    if code is codes.BRANCH:
        return sum(count_tries(branch, length) for branch in argument[1])
    if code is codes.SUBPATTERN:
        return count_tries(argument[-1], length)
    if code in {codes.ASSERT, codes.ASSERT_NOT}:
        return count_tries(argument[1], length)
    return _MANY


def _count_repeat(least: int, most: int, body: Any, length: int) -> int:
    """Count a repeat's ends; a body with choices of its own has them anew each time round."""
    times = min(int(most), length + 1)
    inner = count_tries(body, length)
    ends = max(1, times - least + 1)
    if inner == 1 or times == 0:
        return ends
    return _MANY if times > MAX_TRIES.bit_length() else min(_MANY, ends * inner**times)

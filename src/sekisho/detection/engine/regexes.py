"""Regular expressions that cannot hang: linear time first, a backtracker with a limit for the rest.

Sigma means PCRE. RE2 takes nearly all of what rules write and never backtracks; look-around,
back-references and a few escapes go to the ``regex`` module, each search with a time limit (ADR
0010). A search that runs out of time counts as not found, and is counted so that it can be said.
"""

import re
from collections import Counter
from functools import lru_cache
from typing import Any, Protocol

LONGEST_PATTERN = 20_000
DEEPEST_GROUPS = 12
SECONDS_A_SEARCH = 0.1
MOST_TIMEOUTS = 20
_NOWHERE = (-1, -1)
_GROUP_SIGNS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[()]", re.DOTALL)


_LONG_LINE = re.compile(r"\.\{([0-9]{1,5}),\}")


class RegexError(ValueError):
    """The pattern is none, or one that could not be searched in bounded time."""


class Searcher(Protocol):
    """A compiled expression. ``timeouts`` counts the searches given up: their answer is unknown."""

    timeouts: int

    def found(self, text: str) -> bool:
        """Say whether the expression is found anywhere in ``text``."""
        ...


@lru_cache(maxsize=8192)
def compile_regex(pattern: str, flags: str = "") -> Searcher:
    """Compile a pattern with flags out of ``ims``; raises RegexError."""
    if len(pattern) > LONGEST_PATTERN:
        msg = f"it has {len(pattern)} characters, at most {LONGEST_PATTERN} are taken"
        raise RegexError(msg)
    if line := _LONG_LINE.fullmatch(pattern):
        return _LongLine(int(line[1]), across="s" in flags)
    return _compile_linear(pattern, flags) or _Limited(pattern, flags)


def _compile_linear(pattern: str, flags: str) -> "_Linear | None":
    import re2  # noqa: PLC0415 - only who loads rules with expressions pays for it

    options = re2.Options()
    options.log_errors = False
    prefix = f"(?{flags})" if flags else ""
    try:
        compiled = re2.compile((prefix + pattern).encode("utf-8", "replace"), options)
    except re2.error:
        return None
    return _Linear(compiled, "$" in pattern)


class _LongLine:
    """``.{1000,}``: RE2 takes most of a millisecond to say what the lengths of lines say."""

    def __init__(self, least: int, *, across: bool) -> None:
        self.timeouts = 0
        self._least, self._across = least, across

    def found(self, text: str) -> bool:
        """Say whether a line of ``text`` is so long; with ``across``, whether all of it is."""
        if len(text) < self._least:
            return False
        return self._across or any(len(line) >= self._least for line in text.split("\n"))


class _Linear:
    """RE2 over UTF-8. ``$`` also stands before a last line break, as PCRE has it."""

    def __init__(self, compiled: Any, ends: bool) -> None:
        self.timeouts = 0
        # The package's own search makes an object of each answer: 4 µs around a search of 2.
        self._match, self._anywhere = compiled._regexp.Match, _anywhere()  # noqa: SLF001
        self._ends = ends

    def found(self, text: str) -> bool:
        """Say whether the expression is found anywhere in ``text``."""
        raw = text.encode("utf-8", "replace")
        return self._stands_in(raw) or (
            self._ends and raw.endswith(b"\n") and self._stands_in(raw[:-1])
        )

    def _stands_in(self, raw: bytes) -> bool:
        return bool(self._match(self._anywhere, raw, 0, len(raw))[0] != _NOWHERE)


@lru_cache(maxsize=1)
def _anywhere() -> Any:
    """Return RE2's sign for a search that may begin at any place."""
    import re2  # noqa: PLC0415 - as above

    return re2._Anchor.UNANCHORED  # noqa: SLF001


class _Limited:
    """The backtracker; after too many searches without an end it is not tried again."""

    def __init__(self, pattern: str, flags: str) -> None:
        import regex  # noqa: PLC0415 - few rules need it

        _refuse_deep_groups(pattern)
        self.timeouts, self._pattern = 0, pattern
        options = int(regex.V0) if "i" in flags else regex.V0 | regex.ASCII
        for flag in flags:
            options |= {"i": regex.I, "m": regex.M, "s": regex.S}[flag]
        try:
            self._compiled = regex.compile(pattern, options)
        except (regex.error, RecursionError, OverflowError, ValueError, KeyError) as error:
            raise RegexError(str(error) or type(error).__name__) from None

    def found(self, text: str) -> bool:
        """Say whether the expression is found anywhere in ``text``; False when time is up."""
        if self.timeouts < MOST_TIMEOUTS:
            try:
                return self._compiled.search(text, timeout=SECONDS_A_SEARCH) is not None
            except TimeoutError:
                pass
        self.timeouts += 1
        _unfinished[self._pattern] += 1
        return False


_unfinished: Counter[str] = Counter()


def count_unfinished() -> Counter[str]:
    """Return how many searches this process has given up so far, by pattern."""
    return Counter(_unfinished)


def _refuse_deep_groups(pattern: str) -> None:
    """Refuse what takes the backtracker's compiler twice as long with each level."""
    depth = deepest = 0
    for found in _GROUP_SIGNS.finditer(pattern):
        depth += {"(": 1, ")": -1}.get(found.group(), 0)
        deepest = max(deepest, depth)
    if deepest > DEEPEST_GROUPS:
        msg = f"groups are nested {deepest} deep, at most {DEEPEST_GROUPS} are taken here"
        raise RegexError(msg)

"""Many expressions at once: one search in linear time says that none of them is found."""

from collections.abc import Mapping
from typing import Any

from sekisho.detection.engine.regexes import Searcher, compile_regex
from sekisho.detection.model import Regex

_FEWEST = 3
_OFTEN = 40
_SHARE = 20
_LARGEST = 400
"""Instructions of one expression; a larger one would make the search for all of them slow."""

_MEMORY = 64 * 1024 * 1024


class Patterns:
    """The expressions of one column that have no text of their own to look for.

    One that is found often would make the search for all of them useless, so it is taken out of
    it; that changes what it costs, never what comes out.
    """

    def __init__(self, tests: Mapping[int, Regex]) -> None:
        self._alone: dict[int, Searcher] = {}
        self._together: dict[int, tuple[str, Searcher]] = {}
        for number, test in tests.items():
            searcher = compile_regex(test.pattern, test.flags)
            part = _part(test) if len(tests) >= _FEWEST else None
            if part is None:
                self._alone[number] = searcher
            else:
                self._together[number] = (part, searcher)
        self._hits = dict.fromkeys(self._together, 0)
        self._searches = 0
        self._join()

    def _join(self) -> None:
        parts = [part for part, _ in self._together.values()]
        self._any = _compile("|".join(parts)) if len(parts) >= _FEWEST else None

    def found(self, text: str) -> set[int]:
        """Return the terms whose expression is found in ``text``."""
        true = {number for number, searcher in self._alone.items() if searcher.found(text)}
        if not self._together:
            return true
        self._searches += 1
        if self._any is None or self._any.search(text.encode("utf-8", "replace")):
            here = {n for n, (_, searcher) in self._together.items() if searcher.found(text)}
            true |= here
            for number in here:
                self._note(number)
        return true

    def _note(self, number: int) -> None:
        self._hits[number] += 1
        if self._hits[number] >= _OFTEN and self._hits[number] * _SHARE > self._searches:
            self._alone[number] = self._together.pop(number)[1]
            self._join()


def _part(test: Regex) -> str | None:
    """Return an expression as a part of a larger one, None where it has to stay alone."""
    # Ends of lines and texts mean other things before a last line break; few rules have them here.
    if "$" in test.pattern or "\\z" in test.pattern or "\\Z" in test.pattern:
        return None
    part = f"(?{test.flags}:{test.pattern})"
    compiled = _compile(part)
    if compiled is None or compiled.programsize > _LARGEST:
        return None
    return part


def _compile(pattern: str) -> Any:
    import re2  # noqa: PLC0415 # only where rules have such expressions

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        return re2.compile(pattern.encode("utf-8", "replace"), options)
    except re2.error:
        return None

"""One column at run time: each distinct value is judged once and becomes the number of a class."""

from collections.abc import Callable, Sequence, Set
from itertools import chain
from typing import Any

from ahocorasick_rs import AhoCorasick

from sekisho.detection.engine.compiled.classes import Memory
from sekisho.detection.engine.compiled.globs import Matcher as GlobMatcher
from sekisho.detection.engine.compiled.globs import glob_matcher
from sekisho.detection.engine.compiled.literals import EDGE
from sekisho.detection.engine.compiled.terms import ColumnPlan
from sekisho.detection.engine.compiled.verdicts import MISSING, derived, holds, text_of
from sekisho.detection.model import Derived, Glob, Regex, Test

Find = Callable[[str], Set[int]]

_FEW = 24
"""Up to so many literals are looked for one by one; beyond, an automaton is built."""


class Judge:
    """Judges the values of one column for the terms of one group.

    ``known`` leads from a value, as the reader gave it, to the number of its class. It holds only
    values whose equals in Python (``1``, ``1.0`` and ``True``) are judged the same; all others
    come back to ``classify`` each time.
    """

    def __init__(
        self, plan: ColumnPlan, tests: Sequence[Test], memory: Memory, *, windows: bool
    ) -> None:
        self.plan, self.memory, self.windows = plan, memory, windows
        numbers = {
            *plan.each, *plan.nulls, *plan.exists,
            *chain.from_iterable(plan.direct), *chain.from_iterable(plan.checked),
        }  # fmt: skip
        self.tests = {number: tests[number] for number in numbers}
        self.known: dict[Any, int] = {}
        self._exact: dict[Any, int] = {}
        self._finder: Find | None = None
        self._to_check = frozenset(at for at, numbers in enumerate(plan.checked) if numbers)
        self._globs: dict[int, GlobMatcher | None] = {}
        self._regexes = tuple(n for n, test in self.tests.items() if isinstance(test, Regex))
        memory.on_forget(self.forget)

    def forget(self) -> None:
        """Drop what is known of values."""
        self.known.clear()
        self._exact.clear()

    def classify(self, value: Any) -> int:
        """Return the class of any value; composite columns take the tuple of their sources."""
        if type(value) is str or value is None or value is MISSING:
            number = self.known.get(value)
            if number is None:
                number = self.known[value] = self._number(value)
                self.memory.spend(len(value) if type(value) is str else 0)
            return number
        return self._other(value)

    def _other(self, value: Any) -> int:
        key = _key(value)
        number = self._exact.get(key)
        if number is None:
            number = self._exact[key] = self._number(value)
            self.memory.spend(len(str(key)))
            if _only_texts(value) or self._alike(value, number):
                self.known[value] = number
        return number

    def _alike(self, value: Any, number: int) -> bool:
        if type(value) not in {int, float, bool}:
            return False
        return all(self._number(equal) == number for equal in _equals(value))

    def _number(self, value: Any) -> int:
        column = self.plan.column
        if column.other is not None:
            return self.memory.classes.number(self._pair(value))
        if column.how is not None:
            parts = value if len(column.sources) > 1 else (value,)
            value = derived(Derived(column.sources, column.how), parts)
        return self.memory.classes.number(self.true_terms(value))

    def _pair(self, value: tuple[Any, ...]) -> list[int]:
        column = self.plan.column
        first = _part(column.sources, column.how, value[: len(column.sources)])
        other = column.other
        assert other is not None  # noqa: S101 # the caller asked
        second = _part(other.sources, other.how, value[len(column.sources) :])
        return [
            number
            for number, test in self.tests.items()
            if holds(test, first, windows=self.windows, other=second)
        ]

    def true_terms(self, value: Any) -> set[int]:
        """Return the terms that hold for one value of the field itself."""
        text = text_of(value)
        if text is None or isinstance(value, list | tuple):
            return self._exactly(value)
        true = self._text_terms(text)
        true.update(self.plan.exists)
        if isinstance(value, str):
            if not text and self.windows:
                true.update(self.plan.nulls)
        # Only the kind of a number tells a time in seconds from the same digits as text.
        true.update(n for n in self.plan.each if n not in true and self._holds(n, value))
        return true

    def _exactly(self, value: Any) -> set[int]:
        if value is MISSING or value is None:
            found = set(self.plan.nulls)
            return found if value is MISSING else found.union(self.plan.exists)
        return {number for number in self.tests if self._holds(number, value)}

    def _holds(self, number: int, value: Any) -> bool:
        return holds(self.tests[number], value, windows=self.windows)

    def _text_terms(self, text: str) -> set[int]:
        folded = text.casefold()
        true: set[int] = set()
        if EDGE in folded:
            searched = {n for slot in (*self.plan.direct, *self.plan.checked) for n in slot}
            self._check(tuple(searched), text, folded, true)
            return true
        find = self._finder
        if find is None:
            find = self._finder = _make_finder(self.plan.literals)
        found = find(f"{EDGE}{folded}{EDGE}")
        if found:
            true.update(*map(self.plan.direct.__getitem__, found))
            for at in found & self._to_check:
                self._check(self.plan.checked[at], text, folded, true)
        if self._regexes and not text.isascii():
            self._check(self._regexes, text, folded, true)
        return true

    def _check(self, numbers: Sequence[int], text: str, folded: str, true: set[int]) -> None:
        for number in numbers:
            if number in true:
                continue
            if number not in self._globs:
                self._globs[number] = _glob_of(self.tests[number])
            glob = self._globs[number]
            if self._holds(number, text) if glob is None else glob(folded):
                true.add(number)


def _make_finder(literals: Sequence[str]) -> Find:
    if not literals:
        return lambda _text: frozenset()
    if len(literals) <= _FEW:
        numbered = tuple(enumerate(literals))
        return lambda text: {at for at, literal in numbered if literal in text}
    find = AhoCorasick(literals, store_patterns=False).find_matches_as_indexes
    return lambda text: {match[0] for match in find(text, overlapping=True)}


def _glob_of(test: Test) -> GlobMatcher | None:
    return glob_matcher(test) if isinstance(test, Glob) and not test.cased else None


def _part(sources: tuple[str, ...], how: Any, values: tuple[Any, ...]) -> Any:
    return values[0] if how is None else derived(Derived(sources, how), values)


def _key(value: Any) -> tuple[Any, ...]:
    if isinstance(value, tuple):
        return tuple(map(_key, value))
    if isinstance(value, list | dict):
        return (type(value), repr(value))
    if value is MISSING:
        return (MISSING,)
    return (type(value), repr(value) if isinstance(value, float) else value)


def _only_texts(value: Any) -> bool:
    return isinstance(value, tuple) and all(
        type(part) is str or part is None or part is MISSING for part in value
    )


def _equals(value: float) -> list[Any]:
    """Return the other values that Python takes for the same key."""
    equal: list[Any] = []
    if isinstance(value, float) and not value.is_integer():
        return equal
    if value == value and abs(value) < float("inf"):  # noqa: PLR0124 # nan is not itself
        equal = [int(value), float(value)] if abs(value) < 2**1000 else []
        if value in (0, 1):
            equal += [bool(value), -0.0] if value == 0 else [True]
    return equal



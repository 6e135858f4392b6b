"""One column at run time: each distinct value is judged once and becomes the number of a class."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import Any

import msgspec
from ahocorasick_rs import AhoCorasick

from sekisho.detection.engine.compiled.classes import Memory
from sekisho.detection.engine.compiled.literals import EDGE
from sekisho.detection.engine.compiled.networks import Networks
from sekisho.detection.engine.compiled.patterns import Patterns
from sekisho.detection.engine.compiled.terms import Column, ColumnPlan
from sekisho.detection.engine.derive import derive
from sekisho.detection.engine.reference import View, atom_holds, value_passes
from sekisho.detection.engine.values import MISSING, leaves, text_of
from sekisho.detection.model import Atom, Derived, InNetwork, Regex, SameAs, Test

ABSENT = msgspec.UNSET
"""A field that an event does not have, as msgspec's decoders say it; hashed without a call."""

_INLINE = re.compile(r"\(\?[a-zA-Z]*i")
_DOTTED = frozenset("\u0130\u0131")
"""The two letters that an expression without case may take for an i, and casefolding does not."""

Find = Callable[[str], frozenset[int]]

_LAST_ALIKE = 1
_FIRST_ROUNDED = 1 << 53
"""Between these a whole number says the same as an integer and as a fraction."""

_FEW = 6
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
        self.plan, self._memory, self._blank_is_null = plan, memory, windows
        self._tests = tests
        self.known: dict[Any, int] = {}
        self._exact: dict[Any, int] = {}
        self._find: Find | None = None
        self._to_check = frozenset(at for at, numbers in enumerate(plan.checked) if numbers)
        self._dotted = tuple({n for n in chain.from_iterable(plan.checked) if _folds(tests[n])})
        each = {number: tests[number] for number in plan.each}
        self._networks = Networks(
            {n: test for n, test in each.items() if isinstance(test, InNetwork)}
        )
        self._patterns = Patterns({n: test for n, test in each.items() if isinstance(test, Regex)})
        self._each = tuple(n for n, test in each.items() if not isinstance(test, InNetwork | Regex))
        self._by_found: dict[frozenset[int], int] = {}
        column = plan.column
        self._winding = bool(plan.each or self._dotted or column.how or column.other)
        memory.on_forget(self.forget)

    def forget(self) -> None:
        """Drop what is known of values."""
        self.known.clear()
        self._exact.clear()
        self._by_found.clear()

    def classify(self, value: Any) -> int:
        """Return the class of any value; composite columns take the tuple of their sources."""
        if type(value) is not str and value is not ABSENT and value is not None:
            return self._classify_other(value)
        number = self.known.get(value)
        if number is None:
            if type(value) is str:
                number = self._text_number(value)
                self._memory.spend(len(value))
            else:
                number = self._number(value)
            self.known[value] = number
        return number

    def _text_number(self, text: str) -> int:
        """Do what ``_number`` does, by the shortest way where only the search decides."""
        folded = text.casefold()
        if self._winding or not text or EDGE in folded:
            return self._number(text)
        found = self._search(folded)
        number = self._by_found.get(found)
        if number is None:
            number = self._memory.classes.number(self._concluded(found, text, self.plan.exists))
            if self._to_check.isdisjoint(found):
                self._by_found[found] = number
        return number

    def _search(self, folded: str) -> frozenset[int]:
        find = self._find
        if find is None:
            find = self._find = _make_finder(self.plan.literals)
        return find(f"{EDGE}{folded}{EDGE}")

    def _concluded(self, found: frozenset[int], text: str, besides: Iterable[int] = ()) -> set[int]:
        true = set(besides).union(*map(self.plan.direct.__getitem__, found))
        for at in found & self._to_check:
            self._check(self.plan.checked[at], text, true)
        return true

    def _classify_other(self, value: Any) -> int:
        key = _key(value)
        number = self._exact.get(key)
        if number is None:
            number = self._exact[key] = self._number(value)
            self._memory.spend(_size(key))
            if self._one_of_its_kind(value, number):
                self.known[value] = number
        return number

    def _one_of_its_kind(self, value: Any, number: int) -> bool:
        """Say whether every value that Python takes for the same key has the same class."""
        if type(value) is int and _LAST_ALIKE < abs(value) < _FIRST_ROUNDED:
            return True
        if isinstance(value, tuple):
            return all(type(part) is str or part is None or part is ABSENT for part in value)
        return type(value) in {int, float, bool} and all(
            self._number(equal) == number for equal in _equals(value)
        )

    def _number(self, value: Any) -> int:
        column = self.plan.column
        if column.other is not None:
            return self._memory.classes.number(self._same(column, column.other, value))
        if column.how is not None:
            parts = value if len(column.sources) > 1 else (value,)
            value = made_of(column, parts)
        return self._memory.classes.number(self._true_terms(value))

    def _same(self, column: Column, other: Column, parts: tuple[Any, ...]) -> list[int]:
        here = made_of(column, parts[: len(column.sources)])
        there = made_of(other, parts[len(column.sources) :])
        fields = {
            name: value for name, value in (("here", here), ("there", there)) if value is not ABSENT
        }
        view = View(fields, {}, self._blank_is_null)
        return [n for n in self.plan.each if atom_holds(_between(self._tests[n]), view)]

    def _true_terms(self, value: Any) -> set[int]:
        if value is ABSENT:
            return set(self.plan.nulls)
        true = self.passing(value) if type(value) is str else self._within(value)
        true.update(self.plan.exists)
        if value == "" and self._blank_is_null:
            true.update(self.plan.nulls)
        return true

    def _within(self, value: Any) -> set[int]:
        true: set[int] = set()
        for one in leaves(value):
            if one is None or (self._blank_is_null and one == ""):
                true.update(self.plan.nulls)
            true |= self.passing(one)
        return true

    def passing(self, value: Any) -> set[int]:
        """Return the terms, but for those about presence, that hold for one plain value."""
        text = text_of(value)
        if text is None:
            return set()
        true = self._passing_text(text)
        if self.plan.each:
            true |= self._networks.holding(text)
            true |= self._patterns.found(text)
            true.update(n for n in self._each if value_passes(self._tests[n], value))
        return true

    def _passing_text(self, text: str) -> set[int]:
        folded = text.casefold()
        if EDGE in folded:
            # The edges of this value could be its own, so nothing is concluded from the search.
            true: set[int] = set()
            self._check({*chain.from_iterable((*self.plan.direct, *self.plan.checked))}, text, true)
            return true
        true = self._concluded(self._search(folded), text)
        if self._dotted and not text.isascii() and not _DOTTED.isdisjoint(text):
            self._check(self._dotted, text, true)
        return true

    def _check(self, numbers: Sequence[int] | AbstractSet[int], text: str, true: set[int]) -> None:
        for number in numbers:
            if number not in true and value_passes(self._tests[number], text):
                true.add(number)


def _folds(test: Test) -> bool:
    """Say whether a test is an expression that (perhaps) does without case."""
    return isinstance(test, Regex) and (
        "i" in test.flags or _INLINE.search(test.pattern) is not None
    )


def made_of(column: Column, parts: Sequence[Any]) -> Any:
    """Return the value of a column made of ``parts``, ABSENT where there is none."""
    if column.how is None:
        return parts[0]
    given: Mapping[str, Any] = dict(zip(column.sources, parts, strict=True))
    value = derive(
        Derived(column.sources, column.how),
        lambda name: MISSING if given[name] is ABSENT else given[name],
    )
    return ABSENT if value is MISSING else value


def _between(test: Test) -> Atom:
    assert isinstance(test, SameAs)  # noqa: S101 # only these stand in a column of pairs
    return Atom("here", SameAs("there", test.place, test.cased))


def _make_finder(literals: Sequence[str]) -> Find:
    if not literals:
        nothing: frozenset[int] = frozenset()
        return lambda _text: nothing
    if len(literals) <= _FEW:
        numbered = tuple(enumerate(literals))
        return lambda text: frozenset([at for at, literal in numbered if literal in text])
    find = AhoCorasick(literals, store_patterns=False).find_matches_as_indexes
    return lambda text: frozenset([match[0] for match in find(text, overlapping=True)])


def _key(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_key, value))
    if isinstance(value, list | dict | float):
        return (type(value), repr(value))
    return (type(value), value)


def _size(key: Any) -> int:
    return len(str(key[-1])) if isinstance(key, tuple) and key else 0


def _equals(value: float) -> list[float]:
    """Return the other values that Python takes for the same key."""
    try:
        as_float = float(value)
    except OverflowError:
        return []
    if not math.isfinite(as_float) or as_float != value or not as_float.is_integer():
        return []
    equal: list[float] = [int(value), as_float]
    if value == 0:
        equal += [False, -0.0]
    elif value == 1:
        equal.append(True)
    return equal

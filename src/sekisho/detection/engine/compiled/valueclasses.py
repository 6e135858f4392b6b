"""The classes of a field's values: those of which all tests of a rule set think alike.

Each value is judged once; of a text, hundreds of plain patterns are asked at once.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

from ahocorasick_rs import AhoCorasick

from sekisho.detection.engine.compiled.terms import ClassPlan, GroupPlan
from sekisho.detection.engine.compiled.texts import Part
from sekisho.detection.engine.compiled.trial import Exhibit, Make, term_part
from sekisho.detection.model import Glob, Test, Wildcard

_MOST_KEPT = 20_000
_FEW = 16


class ValueClass(NamedTuple):
    """Values of a column that all tests take alike."""

    number: int
    holding: frozenset[int]
    mask: int


class ValueColumn:
    """The classes of the values of one column."""

    def __init__(
        self, plan: GroupPlan, place: int, classes: ClassPlan, makers: Sequence[Make]
    ) -> None:
        here = [number for number, column in enumerate(plan.places) if column == place]
        bits = classes.bits
        self._place, self._bits = place, {n: bits_of(bits[n]) for n in here if n in bits}
        self._makers, self._make = makers, makers[place]
        self._texts = _Texts([(n, t) for n in here if (t := _plain(plan.tests[n]))])
        self._others = [(n, plan.tests[n]) for n in here if not _plain(plan.tests[n])]
        self._every = here
        self._plan = plan
        self._parts: dict[int, Part] = {}
        self._known: dict[Any, ValueClass] = {}
        self._classes: dict[frozenset[int], ValueClass] = {}
        self._count = 0

    def class_of(self, low: Sequence[Any]) -> ValueClass:
        """Return the class of the value that these fields make."""
        value = self._make(low)
        known = self._known.get(value)
        if known is None:
            if len(self._known) >= _MOST_KEPT:
                self._known.clear()
            known = self._judge(value, Exhibit(self._makers, low, None))
            self._known[value] = known
        return known

    def _judge(self, value: Any, exhibit: Exhibit) -> ValueClass:
        if type(value) is str:
            holding = {*self._texts.holding(value.casefold()), *self._ask(self._others, exhibit)}
        else:
            every = [(number, self._plan.tests[number]) for number in self._every]
            holding = set(self._ask(every, exhibit))
        key = frozenset(holding)
        known = self._classes.get(key)
        if known is None:
            if len(self._classes) >= _MOST_KEPT:
                self._classes.clear()
            self._count += 1  # no number is given twice
            mask = reduce(or_, [self._bits.get(number, 0) for number in key], 0)
            known = self._classes[key] = ValueClass(self._count, key, mask)
        return known

    def _ask(self, tests: Iterable[tuple[int, Test]], exhibit: Exhibit) -> Iterable[int]:
        for number, test in tests:
            part = self._parts.get(number)
            if part is None:
                part = self._parts[number] = term_part(self._plan, self._place, test)
            if part.holds(exhibit):
                yield number


def _plain(test: Test) -> tuple[str, bool, bool] | None:
    """Return a pattern's only text, and whether anything may stand before and after it."""
    if not isinstance(test, Glob) or test.cased:
        return None
    texts = [part for part in test.parts if isinstance(part, str)]
    if len(texts) != 1 or Wildcard.ONE in test.parts:
        return None
    before, after = test.parts[0] is Wildcard.MANY, test.parts[-1] is Wildcard.MANY
    return texts[0].casefold(), before, after


class _Texts:
    """Many plain patterns at once: says which of them a casefolded text is."""

    def __init__(self, patterns: Iterable[tuple[int, tuple[str, bool, bool]]]) -> None:
        self._whole: dict[str, list[int]] = defaultdict(list)
        self._ends: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        self._starts: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        self._within: dict[str, list[int]] = defaultdict(list)
        for number, (text, before, after) in patterns:
            if before and after:
                self._within[text].append(number)
            elif before:
                self._ends[len(text)][text].append(number)
            elif after:
                self._starts[len(text)][text].append(number)
            else:
                self._whole[text].append(number)
        self._search: Callable[[str], Iterable[str]] = self._in_turn
        if len(self._within) > _FEW:
            texts = list(self._within)
            find = AhoCorasick(texts, store_patterns=False).find_matches_as_indexes
            self._search = lambda text: {texts[at] for at, _, _ in find(text, overlapping=True)}

    def holding(self, text: str) -> Iterable[int]:
        """Yield the numbers of the patterns that ``text`` is."""
        yield from self._whole.get(text, ())
        for size, ends in self._ends.items():
            if size <= len(text):
                yield from ends.get(text[len(text) - size :], ())
        for size, starts in self._starts.items():
            yield from starts.get(text[:size], ())
        for found in self._search(text):
            yield from self._within[found]

    def _in_turn(self, text: str) -> Iterable[str]:
        return [one for one in self._within if one in text]


def bits_of(places: Iterable[int]) -> int:
    """Return the number in which these bits are set."""
    return reduce(or_, [1 << at for at in places], 0)


def places_of(bits: int) -> Iterable[int]:
    """Yield the bits that are set, the lowest first."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest

"""Which rules are worth trying on a record, by the values of the fields that say few things.

Of each value it is remembered which terms hold there, of each combination of values which rules
are settled and which are still open. What is left depends on the texts searched for and is a few
operations on numbers whose bits stand for rules. See ``classplan`` and ADR 0022.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from operator import attrgetter, or_
from typing import Any, NamedTuple

import msgspec
from ahocorasick_rs import AhoCorasick

from sekisho.detection.engine.compiled.classplan import LAYERS, is_low
from sekisho.detection.engine.compiled.sieve import by_text, make_search
from sekisho.detection.engine.compiled.terms import (
    KEYWORDS,
    Branch,
    ClassPlan,
    ClassSearch,
    GroupPlan,
    Kind,
)
from sekisho.detection.engine.compiled.texts import ABSENT, Part
from sekisho.detection.engine.compiled.trial import Exhibit, Make, make_makers, term_part
from sekisho.detection.model import Glob, Test, Wildcard

Low = tuple[str | msgspec.UnsetType | None, ...]
"""The values of the fields with few values, as they stand in the record."""

_EMPTY = msgspec.Raw(b'""')
_MOST_KEPT = 20_000
_MOST_MASKS = 4_096
_FEW = 16


class Standing(NamedTuple):
    """What one combination of values leaves open.

    ``sure`` (by number) hold whatever else the record says, ``steady`` (by position) are to be
    tried on each such record. ``low`` are the needs that these values satisfy, ``known`` the rules
    to be tried by what the searches found, as far as that was asked already.
    """

    sure: frozenset[int]
    steady: frozenset[int]
    low: int
    known: dict[int, frozenset[int]]


class Classes:
    """The rules of one kind of event by what its records say."""

    def __init__(self, plan: GroupPlan, classes: ClassPlan) -> None:
        self._plan, self._size = plan, len(plan.rules)
        self._names = classes.names
        fresh = [name for search in classes.searches for name in search.names]
        self._row, self._lows = _decoder(classes.names, fresh)
        self._searches = [_Search(search, len(classes.names), fresh) for search in classes.searches]
        self._searched = _bits_of(classes.searched)
        self._base = _bits_of(
            layer * self._size + rule
            for rule, depth in enumerate(classes.depths)
            for layer in range(depth, LAYERS)
        )
        makers = make_makers(plan, classes.names)
        self._columns = [
            _Column(plan, place, classes, makers)
            for place, column in enumerate(plan.columns)
            if is_low(column)
        ]
        self._standings: dict[Low, Standing] = {}
        self._settled: dict[tuple[int, ...], Standing] = {}

    def rows(self, datas: Iterable[Any]) -> list[Any]:
        """Return the rows of data; raises msgspec.MsgspecError where one has another form."""
        return list(map(self._row, datas))

    def find(self, rows: Sequence[Any]) -> dict[int, int]:
        """Return the needs that the searches found satisfied, by the place of the row.

        Raises ValueError where a field that is searched holds no text.
        """
        found: dict[int, int] = {}
        for search in self._searches:
            for at, mask in search.find(rows):
                found[at] = found.get(at, 0) | mask
        return found

    def take(self, row: Any, mask: int) -> tuple[frozenset[int], frozenset[int]]:
        """Return the rules (by number) that hold, and those (by position) that are to be tried.

        ``mask`` are the needs that the searches found satisfied in the row.
        """
        low = self._lows(row)
        standing = self._standings.get(low)
        if standing is None:
            if len(self._standings) >= _MOST_KEPT:
                self._standings.clear()
            standing = self._standings[low] = self._stand(low)
        return standing.sure, standing.known.get(mask) or self._worth(standing, mask)

    def _worth(self, standing: Standing, mask: int) -> frozenset[int]:
        known = standing.known.get(mask)
        if known is None:
            possible = self._fold(standing.low | mask) & self._searched
            known = standing.steady.union(_places_of(possible))
            if len(standing.known) >= _MOST_MASKS:
                standing.known.clear()
            standing.known[mask] = known
        return known

    def _fold(self, satisfied: int) -> int:
        """Return the rules of which every need is satisfied."""
        size = self._size
        return satisfied & (satisfied >> size) & (satisfied >> 2 * size) & ((1 << size) - 1)

    def _stand(self, low: Low) -> Standing:
        classes = [column.class_of(low) for column in self._columns]
        key = tuple([one.number for one in classes])
        known = self._settled.get(key)
        if known is None:
            if len(self._settled) >= _MOST_KEPT:
                self._settled.clear()
            known = self._settled[key] = self._settle(classes)
        return known

    def _settle(self, classes: Sequence["_Class"]) -> Standing:
        low = reduce(or_, [one.mask for one in classes], self._base)
        holding = frozenset[int]().union(*[one.holding for one in classes])
        sure: list[int] = []
        steady: list[int] = []
        for rule in _places_of(self._fold(low) & ~self._searched):
            truth = _truth(self._plan, self._plan.trees[rule], holding)
            if truth:
                sure.append(self._plan.rules[rule])
            elif truth is None:
                steady.append(rule)
        return Standing(frozenset(sure), frozenset(steady), low, {})


class _Class(NamedTuple):
    """Values of a column that all tests take alike."""

    number: int
    holding: frozenset[int]
    mask: int


class _Column:
    """The classes of the values of one column."""

    def __init__(
        self, plan: GroupPlan, place: int, classes: ClassPlan, makers: Sequence[Make]
    ) -> None:
        here = [number for number, column in enumerate(plan.places) if column == place]
        bits = classes.bits
        self._place, self._bits = place, {n: _bits_of(bits[n]) for n in here if n in bits}
        self._makers, self._make = makers, makers[place]
        self._texts = _Texts([(n, t) for n in here if (t := _plain(plan.tests[n]))])
        self._others = [(n, plan.tests[n]) for n in here if not _plain(plan.tests[n])]
        self._every = here
        self._plan = plan
        self._parts: dict[int, Part] = {}
        self._known: dict[Any, _Class] = {}
        self._classes: dict[frozenset[int], _Class] = {}

    def class_of(self, low: Low) -> _Class:
        """Return the class of the value that these fields make."""
        value = self._make(low)
        known = self._known.get(value)
        if known is None:
            if len(self._known) >= _MOST_KEPT:
                self._known.clear()
            known = self._judge(value, Exhibit(self._makers, low, None))
            self._known[value] = known
        return known

    def _judge(self, value: Any, exhibit: Exhibit) -> _Class:
        if type(value) is str:
            holding = {*self._texts.holding(value.casefold()), *self._ask(self._others, exhibit)}
        else:
            every = [(number, self._plan.tests[number]) for number in self._every]
            holding = set(self._ask(every, exhibit))
        key = frozenset(holding)
        if key not in self._classes:
            mask = reduce(or_, [self._bits.get(number, 0) for number in key], 0)
            self._classes[key] = _Class(len(self._classes), key, mask)
        return self._classes[key]

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


class _Search:
    """Looks for texts in some fields of many rows."""

    def __init__(self, search: ClassSearch, begin: int, fresh: Sequence[str]) -> None:
        self._plan = search.sieve
        places = [begin + fresh.index(name) for name in search.names]
        self._texts: Callable[[Any], Any] = attrgetter(*[f"f{at}" for at in places])
        self._several = len(places) > 1
        self._find: Callable[[bytes], list[tuple[int, int]]] | None = None
        self._masks = [_bits_of(bits) for bits in search.sieve.rules]
        self._known: dict[frozenset[int], int] = {}

    def find(self, rows: Sequence[Any]) -> Iterable[tuple[int, int]]:
        """Yield places of rows and the needs found satisfied there."""
        if self._find is None:
            self._find = make_search(self._plan.pieces, self._plan.database)
        texts: list[Any] = list(map(self._texts, rows))
        if self._several:
            texts = [b"\n".join(some) for some in texts]
        whole = b"\n".join(texts)
        if _NO_TEXT(b"\n" + whole):
            raise ValueError
        hits = self._find(whole)
        for at, seen in by_text(hits, texts).items():
            yield at, self._mask(frozenset(seen))

    def _mask(self, seen: frozenset[int]) -> int:
        known = self._known.get(seen)
        if known is None:
            if len(self._known) >= _MOST_MASKS:
                self._known.clear()
            known = self._known[seen] = reduce(or_, [self._masks[number] for number in seen])
        return known


_NO_TEXT = re.compile(rb'\n[^"]').search


def _decoder(
    low: Sequence[str], fresh: Sequence[str]
) -> tuple[Callable[[Any], Any], Callable[[Any], Low]]:
    """Return the decoder of data to rows, and what takes the values of ``low`` out of a row."""
    names = [f"f{at}" for at in range(len(low) + len(fresh))]
    text = str | msgspec.UnsetType | None
    fields: list[tuple[str, Any, Any]] = [(name, text, ABSENT) for name in names[: len(low)]]
    fields += [(name, msgspec.Raw, _EMPTY) for name in names[len(low) :]]
    rename = dict(zip(names, [*low, *fresh], strict=True))
    row = msgspec.defstruct("Row", fields, rename=rename, gc=False)
    get: Callable[[Any], Any] = attrgetter(*names[: len(low)])
    lows = get if len(low) > 1 else lambda row: (get(row),)
    return msgspec.json.Decoder(row).decode, lows


def _truth(plan: GroupPlan, branch: Branch, holding: frozenset[int]) -> bool | None:
    """Return what a rule comes to where these terms hold; None where that depends on others."""
    truths = [_term_truth(plan, number, holding) for number in branch.terms]
    truths += [_truth(plan, part, holding) for part in branch.parts]
    match branch.kind:
        case Kind.ALL:
            return False if False in truths else None if None in truths else True
        case Kind.ANY:
            return True if True in truths else None if None in truths else False
        case Kind.NONE:
            return False if True in truths else None if None in truths else True
        case Kind.SOME:
            sure, open_ = truths.count(True), truths.count(None)
            return True if sure >= branch.count else None if sure + open_ >= branch.count else False


def _term_truth(plan: GroupPlan, number: int, holding: frozenset[int]) -> bool | None:
    column = plan.columns[plan.places[number]]
    if is_low(column):
        return number in holding
    return False if column == KEYWORDS else None


def _bits_of(places: Iterable[int]) -> int:
    return reduce(or_, [1 << at for at in places], 0)


def _places_of(bits: int) -> Iterable[int]:
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest

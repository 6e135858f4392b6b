"""Which rules are worth trying on a record, by the values of the fields that say few things.

Of each value it is remembered which terms hold there, of each combination of values which rules
are settled and which are still open. What is left depends on the texts searched for and is a few
operations on numbers whose bits stand for rules. See ``classplan`` and ADR 0022.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from operator import attrgetter, or_
from typing import Any, NamedTuple

import msgspec

from sekisho.detection.engine.compiled.classplan import FEW_VALUES, LAYERS, MAIN_TEXT, is_low
from sekisho.detection.engine.compiled.sieve import by_text, make_search
from sekisho.detection.engine.compiled.terms import (
    IN_SYSTEM,
    KEYWORDS,
    Branch,
    ClassPlan,
    ClassSearch,
    GroupPlan,
    Kind,
)
from sekisho.detection.engine.compiled.texts import ABSENT
from sekisho.detection.engine.compiled.trial import make_makers
from sekisho.detection.engine.compiled.valueclasses import (
    ValueClass,
    ValueColumn,
    bits_of,
    places_of,
)

Low = tuple[str | msgspec.UnsetType | None, ...]
"""The values of the fields with few values, as they stand in the record."""

Verdict = tuple[int, ...]
"""The rules (by number) that a record matches."""

Key = tuple[bytes, int] | tuple[bytes, int, bytes]
"""The main text, the needs found satisfied beside it, and what else decided if anything did."""

_MAIN = (MAIN_TEXT,)
_QUOTE = b'"'
_NO_TEXT = re.compile(rb'\n[^"]').search
_NOT_THERE = msgspec.Raw(b'"" ')
"""Searched as an empty text, and remembered as what no value is: a rule may tell the two apart."""
_MOST_KEPT = 20_000
_LONGEST = 2_000
_MOST_MASKS = 4_096


class Others:
    """Takes the fields that decide out of a row, as they stand in the record."""

    def __init__(self, attributes: Sequence[str]) -> None:
        self._get: Callable[[Any], Any] = attrgetter(*attributes)
        self._alone = len(attributes) == 1

    def of(self, row: Any) -> bytes:
        """Return all of them in one text; none holds a line feed."""
        return bytes(self._get(row)) if self._alone else b"\n".join(self._get(row))


class Standing(NamedTuple):
    """What one combination of values leaves open.

    ``sure`` (by number) hold whatever else the record says, in order they are the ``verdict`` where
    nothing is left to be tried; ``steady`` (by position) are to be tried on each such record.
    ``low`` are the needs that these values satisfy. As far as that was
    asked already, ``known`` are the rules to be tried by what the searches found, ``verdicts``
    what records came to by the main text and what was found beside it; where other fields decided
    too, what takes them out of a row stands there, and the verdict under all three.
    """

    sure: frozenset[int]
    verdict: Verdict
    steady: frozenset[int]
    low: int
    known: dict[int, frozenset[int]]
    verdicts: dict[Key, Verdict | Others]


class Open(NamedTuple):
    """A record (by place) on which the rules ``worth`` it are to be tried; kept as ``key``."""

    at: int
    row: Any
    standing: Standing
    key: Key
    worth: frozenset[int]


class Classes:
    """The rules of one kind of event by what its records say."""

    def __init__(self, plan: GroupPlan, classes: ClassPlan) -> None:
        self._plan, self._size = plan, len(plan.rules)
        raw = _raw_names(plan, classes)
        self._raw = {name: f"r{at}" for at, name in enumerate(raw)}
        self._row, self._lows = _decoder(classes, self._raw)
        self._main_of: Callable[[Any], msgspec.Raw] = attrgetter(self._raw[MAIN_TEXT])
        self._main = next((_Search(one) for one in classes.searches if one.names == _MAIN), None)
        self._beside = [_Beside(one, self._raw) for one in classes.searches if one.names != _MAIN]
        self._searched = bits_of(classes.searched)
        self._base = bits_of(
            layer * self._size + rule
            for rule, depth in enumerate(classes.depths)
            for layer in range(depth, LAYERS)
        )
        makers = make_makers(plan, classes.names)
        self._columns = [
            ValueColumn(plan, place, classes, makers)
            for place, column in enumerate(plan.columns)
            if is_low(column)
        ]
        self._standings: dict[Low, Standing] = {}
        self._settled: dict[tuple[int, ...], Standing] = {}
        self._deciding: dict[frozenset[int], Others | tuple[()] | None] = {}
        self._kept = 0

    def sift(self, datas: Iterable[Any]) -> tuple[dict[int, Verdict], list[Open]]:
        """Return what is known of records by their place, and those that have to be tried.

        Raises msgspec.MsgspecError or ValueError where the data of one has another form.
        """
        rows = list(map(self._row, datas))
        beside: dict[int, int] = {}
        for search in self._beside:
            for at, mask in search.find(rows).items():
                beside[at] = beside.get(at, 0) | mask
        known: dict[int, Verdict] = {}
        left: list[tuple[int, Standing, Key]] = []
        for at, text in enumerate(map(bytes, map(self._main_of, rows))):
            standing = self._standing(rows[at])
            key: Key = (text, beside.get(at, 0))
            verdict = standing.verdicts.get(key)
            if type(verdict) is Others:
                key = (*key, verdict.of(rows[at]))
                verdict = standing.verdicts.get(key)
            if verdict is None:
                left.append((at, standing, key))
            elif verdict:
                known[at] = verdict  # type: ignore[assignment] # under three there are no others
        return known, self._search_left(left, rows, known)

    def _search_left(
        self,
        left: Sequence[tuple[int, Standing, Key]],
        rows: Sequence[Any],
        known: dict[int, Verdict],
    ) -> list[Open]:
        """Return what has to be tried of the records ``left``; the others become ``known``."""
        masks = {} if self._main is None else self._main.find([key[0] for _, _, key in left])
        found: list[Open] = []
        for number, (at, standing, key) in enumerate(left):
            worth = self._worth(standing, masks.get(number, 0) | key[1])
            if worth:
                found.append(Open(at, rows[at], standing, key, worth))
                continue
            if standing.verdict:
                known[at] = standing.verdict
            if len(key[0]) <= _LONGEST:
                self._make_room()
                standing.verdicts[key[:2]] = standing.verdict
        return found

    def keep(self, one: Open, verdict: Verdict) -> None:
        """Keep what a record came to, if fields of its data alone decided it."""
        others = self._others(one.worth)
        if others is None or len(one.key[0]) > _LONGEST:
            return
        self._make_room()
        text, beside = one.key[:2]
        if not others:
            one.standing.verdicts[text, beside] = verdict
            return
        found = others.of(one.row)
        if len(found) <= _LONGEST:
            one.standing.verdicts[text, beside] = others
            one.standing.verdicts[text, beside, found] = verdict

    def _make_room(self) -> None:
        self._kept += 1
        if self._kept > _MOST_KEPT:
            self._standings.clear()
            self._settled.clear()
            self._kept = 0

    def _others(self, worth: frozenset[int]) -> Others | tuple[()] | None:
        """Return what rules look at besides the classes and the main text, () if at nothing.

        None where that does not stand in the row.
        """
        if worth not in self._deciding:
            if len(self._deciding) >= _MOST_MASKS:
                self._deciding.clear()
            self._deciding[worth] = self._look_besides(worth)
        return self._deciding[worth]

    def _look_besides(self, worth: Iterable[int]) -> Others | tuple[()] | None:
        plan, names = self._plan, set[str]()
        for place in {plan.places[n] for rule in worth for n in plan.trees[rule].numbers}:
            if not is_low(plan.columns[place]):
                names.update(plan.columns[place].names)
        names.discard(MAIN_TEXT)
        if not names:
            return ()
        # One of few values beside another field: the class does not say which value it is.
        if not names.issubset(self._raw):
            return None
        return Others([self._raw[name] for name in sorted(names)])

    def _standing(self, row: Any) -> Standing:
        low = self._lows(row)
        known = self._standings.get(low)
        if known is None:
            if len(self._standings) >= _MOST_KEPT:
                self._standings.clear()
            known = self._standings[low] = self._stand(low)
        return known

    def _worth(self, standing: Standing, mask: int) -> frozenset[int]:
        known = standing.known.get(mask)
        if known is None:
            possible = self._fold(standing.low | mask) & self._searched
            known = standing.steady.union(places_of(possible))
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

    def _settle(self, classes: Sequence[ValueClass]) -> Standing:
        low = reduce(or_, [one.mask for one in classes], self._base)
        holding = frozenset[int]().union(*[one.holding for one in classes])
        sure: list[int] = []
        steady: list[int] = []
        for rule in places_of(self._fold(low) & ~self._searched):
            truth = _truth(self._plan, self._plan.trees[rule], holding)
            if truth:
                sure.append(self._plan.rules[rule])
            elif truth is None:
                steady.append(rule)
        return Standing(frozenset(sure), tuple(sorted(sure)), frozenset(steady), low, {}, {})


class _Search:
    """Looks for texts in many texts at once."""

    def __init__(self, search: ClassSearch) -> None:
        self._plan = search.sieve
        self._find: Callable[[bytes], list[tuple[int, int]]] | None = None
        self._masks = [bits_of(bits) for bits in search.sieve.rules]
        self._known: dict[frozenset[int], int] = {}

    def find(self, texts: Sequence[bytes]) -> dict[int, int]:
        """Return the needs that are satisfied, by the place of the text.

        Raises ValueError where one is no text in JSON.
        """
        if not texts:
            return {}
        if self._find is None:
            self._find = make_search(self._plan.pieces, self._plan.database)
        whole = b"\n".join(texts)
        if whole[:1] != _QUOTE or _NO_TEXT(whole):
            raise ValueError
        hits = by_text(self._find(whole), texts)
        return {at: self._mask(frozenset(seen)) for at, seen in hits.items()}

    def _mask(self, seen: frozenset[int]) -> int:
        known = self._known.get(seen)
        if known is None:
            if len(self._known) >= _MOST_MASKS:
                self._known.clear()
            known = self._known[seen] = reduce(or_, [self._masks[number] for number in seen])
        return known


class _Beside:
    """Looks for texts in the other fields of rows, taken together."""

    def __init__(self, search: ClassSearch, raw: Mapping[str, str]) -> None:
        names = [raw[name] for name in search.names]
        self._texts: Callable[[Any], Any] = attrgetter(*names)
        self._alone = len(names) == 1
        self._search = _Search(search)

    def find(self, rows: Sequence[Any]) -> dict[int, int]:
        """Return the needs that are satisfied, by the place of the row; raises ValueError."""
        taken: list[Any] = list(map(self._texts, rows))
        return self._search.find(taken if self._alone else list(map(b"\n".join, taken)))


def _raw_names(plan: GroupPlan, classes: ClassPlan) -> list[str]:
    """Return the fields of the data that are taken as they stand, the main text first."""
    searched = [name for one in classes.searches for name in one.names]
    asked = [name for column in plan.columns for name in column.names]
    names = dict.fromkeys([MAIN_TEXT, *searched, *asked])
    return [name for name in names if name not in FEW_VALUES | IN_SYSTEM and "." not in name]


def _decoder(
    classes: ClassPlan, raw: Mapping[str, str]
) -> tuple[Callable[[Any], Any], Callable[[Any], Low]]:
    """Return the decoder of data to rows, and what takes the values of few out of a row."""
    low = {name: f"f{at}" for at, name in enumerate(classes.names)}
    text = str | msgspec.UnsetType | None
    fields: list[tuple[str, Any, Any]] = [(name, text, ABSENT) for name in low.values()]
    fields += [(name, msgspec.Raw, _NOT_THERE) for name in raw.values()]
    rename = {attribute: name for name, attribute in [*low.items(), *raw.items()]}
    row = msgspec.defstruct("Row", fields, rename=rename, gc=False)
    get: Callable[[Any], Any] = attrgetter(*low.values())
    return msgspec.json.Decoder(row).decode, get if len(low) > 1 else lambda row: (get(row),)


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

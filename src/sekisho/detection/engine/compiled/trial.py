"""Rules held against one event's values: exactly, each test made only when it decides something."""

from collections import defaultdict
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, Protocol

from sekisho.detection.engine.compiled.remembered import Remembered, Room
from sekisho.detection.engine.compiled.terms import KEYWORDS, Branch, Column, GroupPlan, Kind
from sekisho.detection.engine.compiled.texts import (
    ABSENT,
    DEAREST,
    Holds,
    Part,
    all_of,
    any_of,
    join,
    joins,
    none_of,
    one_test,
    some_of,
)
from sekisho.detection.engine.compiled.typed import texts_of
from sekisho.detection.engine.derive import derive
from sekisho.detection.engine.reference import View, atom_holds, value_passes
from sekisho.detection.engine.values import MISSING, all_leaves, leaves
from sekisho.detection.model import Atom, Derived, Exists, IsNull, Place, SameAs, Test

NO_RULES: tuple[int, ...] = ()


class Values(Protocol):
    """An event's values by the position of their names in the group."""

    def __getitem__(self, at: int, /) -> Any: ...


Make = Callable[[Values], Any]


class Exhibit(dict[int, str | None]):
    """One event on trial: by column its casefolded text, None where it has none or several.

    ``fields`` are all fields where they are known; else keywords are known not to be in them.
    """

    __slots__ = ("_makers", "_values", "fields")

    def __init__(
        self, makers: Sequence[Make], values: Values, fields: Mapping[str, Any] | None
    ) -> None:
        self._makers, self._values, self.fields = makers, values, fields

    def __missing__(self, column: int) -> str | None:
        value = self._makers[column](self._values)
        kind = type(value)
        text: str | None = None
        if kind is str:
            text = value.casefold()
        elif kind is int or kind is bool:
            text = str(value).lower()
        self[column] = text
        return text

    def value(self, column: int) -> Any:
        """Return the value of a column, ABSENT if there is none."""
        return self._makers[column](self._values)


class Trials:
    """Tries the rules of one group; what a rule needs is put together when it is first tried.

    ``names`` are the fields of which values are given; rules that look at others are not tried.
    """

    def __init__(self, plan: GroupPlan, names: Sequence[str], room: Room) -> None:
        self._plan, self._names = plan, names
        self._remembered = Remembered(room, self._places)
        self._remembered_whole = Remembered(room, self._places_of)
        self._makers = make_makers(plan, names)
        self._rules: list[Holds | None] = [None] * len(plan.rules)
        self._terms: dict[int, Part] = {}
        self._gates: list[tuple[int, dict[Any, tuple[int, ...]], tuple[int, ...]]] = [
            (gate.place, dict(gate.texts), tuple(set().union(*gate.texts.values())))
            for gate in plan.gates
        ]
        self._deciding: dict[int, frozenset[str]] = {}
        self._decide_always = self._always()
        self._keywords = plan.columns.index(KEYWORDS) if KEYWORDS in plan.columns else -1

    def judge(self, worth: frozenset[int], values: Sequence[Any]) -> tuple[int, ...]:
        """Do as ``hold`` does for a record without keywords; what is the same is judged once.

        ``values`` are those of the names, as they stand in the record.
        """
        remembered = self._remembered
        key = remembered.key(worth, values)
        if key is None:
            return self.hold(worth, texts_of(values))
        verdict = remembered.get(key)
        if verdict is None:
            verdict = self.hold(worth, texts_of(values))
            remembered.keep(key, verdict)
        return verdict

    def _places(self, worth: Collection[int]) -> list[int]:
        """Return the positions of the values that decide, where these rules are worth trying."""
        return self._where(self._decide_always.union(*map(self._decides, worth)))

    def _places_of(self, tried: Collection[int]) -> list[int]:
        """Return the positions of the values that these rules look at."""
        return self._where(frozenset[str]().union(*map(self._decides, tried)))

    def _where(self, wanted: Container[str]) -> list[int]:
        return [at for at, name in enumerate(self._names) if name in wanted]

    def _always(self) -> frozenset[str]:
        plan = self._plan
        gated = chain.from_iterable(rules for _, _, rules in self._gates)
        gates = (plan.columns[place].names for place, _, _ in self._gates)
        return frozenset(chain(*gates)).union(*map(self._decides, {*plan.free, *gated}))

    def _decides(self, at: int) -> frozenset[str]:
        """Return the fields that a rule looks at."""
        known = self._deciding.get(at)
        if known is None:
            plan = self._plan
            columns = {plan.places[number] for number in plan.trees[at].numbers}
            known = frozenset(chain.from_iterable(plan.columns[one].names for one in columns))
            self._deciding[at] = known
        return known

    def hold(
        self, worth: Iterable[int], values: Values, fields: Mapping[str, Any] | None = None
    ) -> tuple[int, ...]:
        """Return the numbers of the rules that hold, in the order of the plan.

        Tried are the rules ``worth`` it (by position) and those that the sieve cannot tell of.
        """
        exhibit = Exhibit(self._makers, values, fields)
        return self._try(self._tried(worth, exhibit), exhibit)

    def hold_whole(
        self, worth: Iterable[int], values: Values, fields: Mapping[str, Any]
    ) -> tuple[int, ...]:
        """Do as ``hold`` does for an event of which all is known; the same is judged once."""
        exhibit, remembered = Exhibit(self._makers, values, fields), self._remembered_whole
        tried = tuple(self._tried(worth, exhibit))
        key = remembered.key(tried, values) if self._wordy.isdisjoint(tried) else None
        verdict = None if key is None else remembered.get(key)
        if verdict is None:
            verdict = self._try(tried, exhibit)
            if key is not None:
                remembered.keep(key, verdict)
        return verdict

    @cached_property
    def _wordy(self) -> frozenset[int]:
        """Rules that look at all fields of an event."""
        if self._keywords < 0:
            return frozenset()
        places, keywords = self._plan.places, self._keywords
        trees = enumerate(self._plan.trees)
        return frozenset(
            at for at, tree in trees if any(places[number] == keywords for number in tree.numbers)
        )

    def _tried(self, worth: Iterable[int], exhibit: Exhibit) -> list[int]:
        """Return the rules to try: the worthy, and those that the sieve cannot tell of."""
        tried = [*worth, *self._plan.free]
        for column, texts, gated in self._gates:
            text = exhibit[column]
            if text in texts:
                tried += texts[text]
            elif text is None and exhibit.value(column) is not ABSENT:
                tried += gated
        return tried

    def _try(self, tried: Iterable[int], exhibit: Exhibit) -> tuple[int, ...]:
        """Return the numbers of the rules that hold, in the order of the plan."""
        found, rules = [], self._rules
        for at in tried:
            rule = rules[at]
            if rule is None:
                rule = rules[at] = self._branch(self._plan.trees[at]).holds
            if rule(exhibit):
                found.append(at)
        if not found:
            return NO_RULES
        return tuple([self._plan.rules[at] for at in sorted(set(found))])

    def _branch(self, branch: Branch) -> Part:
        parts = [self._branch(part) for part in branch.parts]
        match branch.kind:
            case Kind.ALL:
                return all_of([*map(self._term, branch.terms), *parts])
            case Kind.ANY:
                return any_of([*self._joined(branch.terms), *parts])
            case Kind.NONE:
                return none_of([*self._joined(branch.terms), *parts])
            case Kind.SOME:
                return some_of([*map(self._term, branch.terms), *parts], branch.count)

    def _joined(self, terms: Iterable[int]) -> list[Part]:
        """Return parts of which one has to hold; tests of one column go together."""
        by_column: dict[int, list[int]] = defaultdict(list)
        for number in terms:
            by_column[self._plan.places[number]].append(number)
        parts: list[Part] = []
        for column, numbers in by_column.items():
            plain: list[Test] = []
            for number in numbers:
                test = self._plan.tests[number]
                if column != self._keywords and joins(test):
                    plain.append(test)
                else:
                    parts.append(self._term(number))
            if plain:
                parts.append(join(column, plain))
        return parts

    def _term(self, number: int) -> Part:
        known = self._terms.get(number)
        if known is None:
            known = self._terms[number] = self._make_term(
                self._plan.places[number], self._plan.tests[number]
            )
        return known

    def _make_term(self, column: int, test: Test) -> Part:
        if column == self._keywords:
            return Part(
                DEAREST,
                lambda event: any(
                    value_passes(test, value) for value in all_leaves(event.fields or {})
                ),
            )
        return term_part(self._plan, column, test)


def term_part(plan: GroupPlan, column: int, test: Test) -> Part:
    """Return the part for one test of a column (by place) of ``plan``; not for keywords."""
    if isinstance(test, Exists):
        return Part(1, lambda event: event.value(column) is not ABSENT)
    if isinstance(test, IsNull):
        return Part(1, _null(column, blank=plan.windows))
    if isinstance(test, SameAs):
        return Part(2, lambda event: _same(test, event.value(column), blank=plan.windows))
    return one_test(column, test)


def _null(column: int, *, blank: bool) -> Holds:
    def holds(event: Exhibit) -> bool:
        value = event.value(column)
        return value is ABSENT or any(one is None or (blank and one == "") for one in leaves(value))

    return holds


def _same(test: SameAs, parts: tuple[Any, ...], *, blank: bool) -> bool:
    here, there = parts
    if type(here) is type(there) is str and test.place is Place.WHOLE and not test.cased:
        if len(here) != len(there) and here.isascii() and there.isascii():
            return False
        return here.casefold() == there.casefold()
    fields = {n: value for n, value in (("here", here), ("there", there)) if value is not ABSENT}
    atom = Atom("here", SameAs("there", test.place, test.cased))
    return atom_holds(atom, View(fields, {}, blank))


def make_makers(plan: GroupPlan, names: Sequence[str]) -> list[Make]:
    """Return what makes the value of each column from those of ``names``, if they are enough."""
    given = set(names)
    return [
        _maker(column, names) if given.issuperset(column.names) else _nothing
        for column in plan.columns
    ]


def _nothing(_values: Values) -> Any:
    return ABSENT


def _maker(column: Column, names: Sequence[str]) -> Make:
    if column.other is not None:
        here = _maker(Column(column.sources, column.how), names)
        there = _maker(column.other, names)
        return lambda values: (here(values), there(values))
    places = tuple(names.index(name) for name in column.sources)
    if column.how is None:
        if not places:
            return _nothing
        (only,) = places
        return lambda values: values[only]
    made = Derived(column.sources, column.how)

    def make(values: Values) -> Any:
        given = {
            name: value
            for name, at in zip(column.sources, places, strict=True)
            if (value := values[at]) is not ABSENT
        }
        value = derive(made, lambda name: given.get(name, MISSING))
        return ABSENT if value is MISSING else value

    return make

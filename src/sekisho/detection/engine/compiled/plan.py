"""From rules and routes to a plan: for each kind of event the rules that can still fire."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import msgspec

from sekisho.detection.engine.compiled.classplan import LEAST_RULES, plan_classes
from sekisho.detection.engine.compiled.needs import Need, need, needs
from sekisho.detection.engine.compiled.pieces import pieces_of, rarity
from sekisho.detection.engine.compiled.sieve import build_database
from sekisho.detection.engine.compiled.terms import (
    IN_SYSTEM,
    KEYWORDS,
    ClassPlan,
    Column,
    ColumnGate,
    Entry,
    GroupPlan,
    Kind,
    Piece,
    Plan,
    SievePlan,
    Uncut,
)
from sekisho.detection.engine.compiled.trees import (
    FALSE,
    Gate,
    TermBook,
    Tree,
    cut,
    grow,
    numbers_in,
    to_branch,
)
from sekisho.detection.engine.routing import RoutingTable, fits
from sekisho.detection.model import Event, Glob, LogSource, Node, Route, Rule

OTHER = ""
"""Stands for every channel, or event id, that no rule names."""

WINDOWS = LogSource(product="windows")
_EVENT_ID = Column(("EventID",))
_CHANNEL = Column(("Channel",))
_NO_ID = -1


@dataclass(frozen=True, slots=True)
class Way:
    """A rule seen through one of its routes."""

    rule: int
    route: Route
    tree: Tree


@dataclass(frozen=True, slots=True)
class KindOfEvent:
    """What is known of all events of a group; an ``event_id`` of None is one that no rule names."""

    channel: str | None
    event_id: int | None
    source: LogSource = WINDOWS

    def fits(self, route: Route) -> bool:
        """Say whether the events of this kind fit ``route``."""
        event_id = _NO_ID if self.event_id is None else self.event_id
        return fits(route, Event({}, self.channel, event_id, self.source))


LOOSE = KindOfEvent(None, None)
"""Windows events that do not say their channel."""

_TOO_COMMON = 500.0
"""Of a thousand records; a rule that would be tried so often is tried always."""

_RARE_ENOUGH = 40.0
"""Up to this it pays to look for a second thing that a rule needs."""


@dataclass(slots=True)
class Planner:
    """Builds groups from ways; the terms of all of them share one book.

    ``keeps``: the plans are to be kept, so searches for their pieces are made for keeping too.
    Kinds with ``classes_from`` rules or more are told apart by their records' values.
    """

    keeps: bool = False
    classes_from: int = LEAST_RULES
    book: TermBook = field(default_factory=TermBook)
    _pieces: dict[int, tuple[Piece, ...]] = field(default_factory=dict)
    _databases: dict[tuple[Piece, ...], bytes] = field(default_factory=dict)

    def ways(self, rules: Uncut, kind: "KindOfEvent | None" = None) -> list[Way]:
        """Return the ways of ``rules``, their trees grown; only those for ``kind`` if given."""
        return [
            Way(entry.rule, entry.route, self._grow(entry.route, rules.trees[entry.rule]))
            for entry in rules.entries
            if kind is None or kind.fits(entry.route)
        ]

    def _grow(self, route: Route, node: Node) -> Tree:
        tree = grow(node, route.fields, self.book)
        return (
            tree if route.also is None else Gate(Kind.ALL, (tree, grow(route.also, {}, self.book)))
        )

    def group(
        self, ways: Iterable[Way], kind: KindOfEvent, *, settled: bool = True
    ) -> GroupPlan | None:
        """Return the plan for events of ``kind``, None where no rule can fire.

        ``settled``: the events' own fields say the same channel and id as ``kind``.
        """
        left: dict[int, Tree] = {}
        known = self._known(kind) if settled else lambda _: None
        for way in ways:
            if not kind.fits(way.route):
                continue
            tree = cut(way.tree, known)
            if tree == FALSE:
                continue
            before = left.get(way.rule, FALSE)
            left[way.rule] = cut(Gate(Kind.ANY, (before, tree)), lambda _: None)
        return self._pack(left, windows=kind.channel is not None) if left else None

    def _known(self, kind: KindOfEvent) -> Callable[[int], bool | None]:
        terms = self.book.terms
        seen: dict[int, bool | None] = {}

        def known(number: int) -> bool | None:
            if number not in seen:
                seen[number] = settle(terms[number].column, terms[number].test, kind)
            return seen[number]

        return known

    def _pack(self, left: Mapping[int, Tree], *, windows: bool) -> GroupPlan:
        used = sorted(set().union(*map(numbers_in, left.values())))
        numbers = {number: at for at, number in enumerate(used)}
        terms = [self.book.terms[number] for number in used]
        columns = {column: at for at, column in enumerate(dict.fromkeys(t.column for t in terms))}
        sieve, words = self._sieves(left, windows=windows)
        places = {number: columns[self.book.terms[number].column] for number in used}
        trees = tuple(left.values())
        free, gates = self._gates({at: trees[at] for at in sieve.always}, places)
        return GroupPlan(
            rules=tuple(left),
            trees=tuple(to_branch(tree, numbers) for tree in left.values()),
            columns=tuple(columns),
            places=tuple(places.values()),
            tests=tuple(term.test for term in terms),
            sieve=sieve,
            words=words,
            free=free,
            gates=gates,
            blind=tuple(at for at, tree in enumerate(left.values()) if self._is_blind(tree)),
            windows=windows,
            classes=self._classes(left, numbers) if windows else None,
        )

    def _classes(self, left: Mapping[int, Tree], numbers: Mapping[int, int]) -> ClassPlan | None:
        if not self.keeps or len(left) < self.classes_from:
            return None  # only records in bulk go this way

        def make(found: Mapping[Piece, Iterable[int]]) -> SievePlan:
            return self._sieve(found, {}, ())

        return plan_classes(left, self.book.terms, self.pieces, numbers, make)

    def pieces(self, number: int) -> tuple[Piece, ...]:
        """Return the pieces of a term by its number."""
        found = self._pieces.get(number)
        if found is None:
            found = self._pieces[number] = pieces_of(self.book.terms[number])
        return found

    def _is_blind(self, tree: Tree) -> bool:
        return any(
            self.book.terms[number].column == KEYWORDS and not self.pieces(number)
            for number in numbers_in(tree)
        )

    def _sieves(self, left: Mapping[int, Tree], *, windows: bool) -> tuple[SievePlan, SievePlan]:
        """Return what to look for in the data of a record, and what in all of it."""

        def cost(number: int) -> float | None:
            if windows and not IN_SYSTEM.isdisjoint(self.book.terms[number].column.names):
                return None  # the search goes over a record's data alone
            pieces = self.pieces(number)
            return sum(map(rarity, pieces)) if pieces else None

        found: tuple[dict[Piece, dict[int, None]], ...] = ({}, {})
        besides: dict[int, frozenset[Piece]] = {}
        always: list[int] = []
        for position, tree in enumerate(left.values()):
            needed = needs(tree, cost)
            if not needed or needed[0].cost > _TOO_COMMON:
                always.append(position)
                continue
            for number in needed[0].terms:
                for piece in self.pieces(number):
                    found[self._is_word(number)].setdefault(piece, {})[position] = None
            second = self._second(needed)
            if second:
                besides[position] = second
        return self._sieve(found[0], besides, always), self._sieve(found[1], {}, ())

    def _second(self, needed: Sequence[Need]) -> frozenset[Piece]:
        """Return the pieces of the second thing that a rule needs, if looking for it pays."""
        if len(needed) == 1 or needed[1].cost > _RARE_ENOUGH:
            return frozenset()
        if any(map(self._is_word, needed[0].terms | needed[1].terms)):
            return frozenset()  # words are looked for apart
        return frozenset(chain.from_iterable(map(self.pieces, needed[1].terms)))

    def _is_word(self, number: int) -> bool:
        return self.book.terms[number].column == KEYWORDS

    def _gates(
        self, trees: Mapping[int, Tree], places: Mapping[int, int]
    ) -> tuple[tuple[int, ...], tuple[ColumnGate, ...]]:
        """Return the rules to be tried on every record, and what tells when to try the others."""
        gates: dict[int, dict[str, dict[int, None]]] = {}
        free: list[int] = []
        for position, tree in trees.items():
            needed = need(tree, lambda number: 1.0 if self._whole_text(number) else None)
            if needed is None:
                free.append(position)
                continue
            for number in needed.terms:
                texts = gates.setdefault(places[number], {})
                texts.setdefault(self._whole_text(number), {})[position] = None
        return tuple(free), tuple(
            ColumnGate(place, {text: tuple(rules) for text, rules in texts.items()})
            for place, texts in gates.items()
        )

    def _whole_text(self, number: int) -> str:
        """Return the casefolded text that a term asks its whole value to be, "" if it does not."""
        column, test = self.book.terms[number].column, self.book.terms[number].test
        if column == KEYWORDS or not isinstance(test, Glob) or test.cased or len(test.parts) != 1:
            return ""
        (text,) = test.parts
        return text.casefold() if isinstance(text, str) else ""

    def _sieve(
        self,
        found: Mapping[Piece, Iterable[int]],
        besides: Mapping[int, frozenset[Piece]],
        always: Sequence[int],
    ) -> SievePlan:
        pieces = tuple(sorted(set(found).union(*besides.values())))
        at = {piece: number for number, piece in enumerate(pieces)}
        rules = tuple(tuple(found.get(piece, ())) for piece in pieces)
        others = {rule: tuple(sorted(map(at.__getitem__, of))) for rule, of in besides.items()}
        database = b""
        if self.keeps:
            if pieces not in self._databases:
                self._databases[pieces] = build_database(pieces)
            database = self._databases[pieces]
        packed = msgspec.msgpack.encode(pieces)
        return SievePlan(packed, rules, others, tuple(always), database)


def settle(column: Column, test: object, kind: KindOfEvent) -> bool | None:
    """Return what a test comes to for every event of ``kind``, None if that depends."""
    if kind.channel is None or not isinstance(test, Glob) or len(test.parts) != 1:
        return None
    text = test.parts[0]
    if not isinstance(text, str) or not text.isascii():
        return None
    if column == _EVENT_ID and text.isdigit():
        return text == str(kind.event_id)
    if column == _CHANNEL and kind.channel != OTHER and not test.cased:
        return text.casefold() == kind.channel
    return None


def make_plan(
    rules: Sequence[Rule], table: RoutingTable, *, classes_from: int = LEAST_RULES
) -> Plan:
    """Return the plan for ``rules``; their order is that in which matches are reported.

    ``classes_from`` says how many rules a kind of event has at least where records are told apart
    by values; it decides what a hunt costs and nothing else.
    """
    uncut = Uncut(
        tuple(
            Entry(number, route)
            for number, rule in enumerate(rules)
            for route in table.route(rule.logsource).routes
        ),
        tuple(rule.tree for rule in rules),
    )
    planner = Planner(keeps=True, classes_from=classes_from)
    ways = planner.ways(uncut)
    return Plan(
        rule_ids=tuple(rule.id for rule in rules),
        groups=_groups(planner, ways),
        loose=_pack(planner.group(ways, LOOSE, settled=False)),
        uncut=msgspec.msgpack.encode(uncut),
        keywords=_keywords(planner, ways),
    )


def _keywords(planner: Planner, ways: Iterable[Way]) -> dict[str, tuple[str, ...] | None]:
    found: dict[str, tuple[str, ...] | None] = {}
    for way in ways:
        if way.route.channel is None and not KindOfEvent(OTHER, None).fits(way.route):
            continue
        channel = way.route.channel
        for number in numbers_in(way.tree):
            term = planner.book.terms[number]
            for piece in planner.pieces(number) if term.column == KEYWORDS else ():
                before = found.get(piece.text, ())
                here = None if channel is None or before is None else (*before, channel.casefold())
                found[piece.text] = here
    return found


def _groups(planner: Planner, ways: Sequence[Way]) -> dict[str, dict[str, bytes | None]]:
    by_channel: dict[str, list[Way]] = {OTHER: []}
    everywhere: list[Way] = []
    for way in ways:
        if way.route.channel is not None:
            by_channel.setdefault(way.route.channel.casefold(), []).append(way)
        elif KindOfEvent(OTHER, None).fits(way.route) or way.route.event_ids:
            everywhere.append(way)
    return {
        channel: _channel_groups(planner, sorted([*own, *everywhere], key=_order), channel)
        for channel, own in by_channel.items()
    }


def _order(way: Way) -> int:
    return way.rule


def _channel_groups(planner: Planner, ways: Sequence[Way], channel: str) -> dict[str, bytes | None]:
    packed: dict[str, bytes | None] = {}
    for event_id in (None, *sorted(_event_ids(planner, ways))):
        plan = planner.group(ways, KindOfEvent(channel, event_id))
        packed[OTHER if event_id is None else str(event_id)] = _pack(plan)
    return packed


def _pack(plan: GroupPlan | None) -> bytes | None:
    return None if plan is None else msgspec.msgpack.encode(plan)


def _event_ids(planner: Planner, ways: Iterable[Way]) -> set[int]:
    found: set[int] = set()
    for way in ways:
        if way.route.event_ids is not None:
            found |= way.route.event_ids
            continue
        for number in numbers_in(way.tree):
            term = planner.book.terms[number]
            if (
                term.column == _EVENT_ID
                and isinstance(term.test, Glob)
                and len(term.test.parts) == 1
            ):
                text = term.test.parts[0]
                if isinstance(text, str) and text.isascii() and text.isdigit():
                    found.add(int(text))
    return found

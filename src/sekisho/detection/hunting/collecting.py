"""What one process gathers while it hunts, and how the parts of several become one result."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sekisho.detection.engine.correlation.plan import Hit
from sekisho.detection.engine.details import ask_rule
from sekisho.detection.engine.entities import find_entities
from sekisho.detection.engine.logons import Logon, read_windows
from sekisho.detection.engine.reference import holds, passes, view_of
from sekisho.detection.engine.routing import RoutingTable
from sekisho.detection.engine.sightings import Sighting, at_least, see_event
from sekisho.detection.engine.summary import Read
from sekisho.detection.engine.suppressing import Suppressor
from sekisho.detection.engine.textlogons import join_logons, mark_logon
from sekisho.detection.engine.values import MISSING, text_of
from sekisho.detection.mapping import own_routing
from sekisho.detection.model import Event, Level, Record, Route, Rule
from sekisho.detection.sources.limits import Trouble

Entities = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which matches are shown: from a level on, within a span of time (microseconds)."""

    level: Level = Level.INFORMATIONAL
    since: int | None = None
    until: int | None = None

    def holds(self, time: int | None) -> bool:
        """Say whether an event of this time is asked for; one without a time is not, in a span."""
        if self.since is None and self.until is None:
            return True
        if time is None:
            return False
        return (self.since is None or time >= self.since) and (
            self.until is None or time <= self.until
        )


@dataclass(slots=True)
class Part:
    """What one process found; plain data, so that it can be handed to another process."""

    sightings: list[Sighting] = field(default_factory=list)
    hits: list[Hit] = field(default_factory=list)
    seen: dict[Record, Entities] = field(default_factory=dict)
    logons: list[Logon] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    read: Read = field(default_factory=Read)

    def add(self, other: "Part") -> None:
        """Take in what another process found."""
        self.sightings += other.sightings
        self.hits += other.hits
        self.seen.update(other.seen)
        self.logons += other.logons
        self.troubles += other.troubles
        self.read.add(other.read)


class HitMaker:
    """Makes the hit of one rule that a correlation counts: the values it groups and measures by."""

    def __init__(self, rule: Rule, names: tuple[str, ...], table: RoutingTable) -> None:
        self._rule, self._names = rule, names
        self._routes = table.route(rule.logsource).routes

    def make(self, event: Event, time: int) -> Hit:
        """Return the hit, its values seen through the route by which the event matched."""
        record = Record(event.file, event.record)
        route = next((r for r in self._routes if passes(r, self._rule.tree, event)), None)
        if route is None:
            return Hit(self._rule.id, time, record)
        view = view_of(event, route)
        said = {name: _say(view.value(name)) for name in self._names}
        values = {name: text for name, text in said.items() if text is not None}
        return Hit(self._rule.id, time, record, values)


def _say(value: object) -> str | None:
    """Return a value as a correlation groups by it; None where the event does not have it."""
    if value is MISSING:
        return None
    if isinstance(value, list | tuple):
        return ", ".join(filter(None, map(text_of, value)))
    return text_of(value)


class Collector:
    """Takes events with the rules that they matched, and keeps what is asked for."""

    def __init__(
        self,
        rules: Mapping[str, Rule],
        bases: Mapping[str, HitMaker],
        wanted: Wanted,
        suppressor: Suppressor | None = None,
    ) -> None:
        self._rules, self._bases, self._wanted = rules, bases, wanted
        self._levels = frozenset(one for one in Level if at_least(one, wanted.level))
        self._suppressor = suppressor
        self._asked: dict[str, tuple[str, ...]] = {}
        self.part = Part()

    def found(self, event: Event, rule_ids: Iterable[str]) -> None:
        """Keep one event's matches, its part in correlations, and the log-on it tells of."""
        if not self._wanted.holds(event.time):
            return
        if event.channel is not None:
            self.part.logons += read_windows(event)
        kept = [rule for rule in map(self._rules.__getitem__, rule_ids) if self._is_asked(rule)]
        entities = find_entities(event.fields) if kept else {}
        for rule in kept:
            self._keep(rule, event, entities)

    def report(self, trouble: Trouble) -> None:
        """Keep one trouble and count what it cost."""
        self.part.troubles.append(trouble)
        if not trouble.lost:
            return
        if trouble.record is None:
            self.part.read.files_skipped += 1
        else:
            self.part.read.records_skipped += 1

    def _is_asked(self, rule: Rule) -> bool:
        """Say whether a rule's matches are shown, or counted by a correlation."""
        return rule.id in self._bases or self._is_shown(rule)

    def _is_shown(self, rule: Rule) -> bool:
        return not rule.silent and rule.level in self._levels

    def _keep(self, rule: Rule, event: Event, entities: dict[str, tuple[str, ...]]) -> None:
        if self._is_shown(rule):
            if self._is_held_back(rule, event):
                self.part.read.held_back += 1
            else:
                sighting = see_event(rule, event, entities, self._ask(rule))
                self.part.sightings.append(sighting)
        base = self._bases.get(rule.id)
        if base is not None:
            self._hit(base, event, entities)

    def _ask(self, rule: Rule) -> tuple[str, ...]:
        """Return the fields to show of what a rule matched; rules are asked once each."""
        asked = self._asked.get(rule.id)
        if asked is None:
            asked = self._asked[rule.id] = ask_rule(rule)
        return asked

    def _is_held_back(self, rule: Rule, event: Event) -> bool:
        """Say whether a match is known and harmless; its event is seen as the rule sees it."""
        if self._suppressor is None:
            return False
        routes = own_routing().route(rule.logsource).routes
        route = next((r for r in routes if passes(r, rule.tree, event)), Route())
        view = view_of(event, route)
        return self._suppressor.find(rule.id, lambda node: holds(node, view)) is not None

    def _hit(self, base: HitMaker, event: Event, entities: Entities) -> None:
        """Keep what correlations need of a match; one without a time they cannot use."""
        if event.time is None:
            self.part.read.undated += 1
            return
        self.part.hits.append(base.make(event, event.time))
        self.part.seen[Record(event.file, event.record)] = entities

    def tap(self, events: Iterable[Event]) -> Iterator[Event]:
        """Pass the events of one file on, and keep the log-ons that its lines tell of."""
        for event, told in join_logons(events):
            if self._wanted.holds(event.time):
                self.part.logons += told
            yield mark_logon(event, told[0]) if told else event

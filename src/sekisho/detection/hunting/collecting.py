"""What one process gathers while it hunts, and how the parts of several become one result."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sekisho.detection.engine.logons import Logon, read_windows
from sekisho.detection.engine.sightings import Sighting, at_least, see_event
from sekisho.detection.engine.summary import Read
from sekisho.detection.engine.textlogons import TextLogons, mark_logon
from sekisho.detection.model import Event, Level, Rule
from sekisho.detection.sources.limits import Trouble


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
    logons: list[Logon] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    read: Read = field(default_factory=Read)

    def add(self, other: "Part") -> None:
        """Take in what another process found."""
        self.sightings += other.sightings
        self.logons += other.logons
        self.troubles += other.troubles
        self.read.add(other.read)


class Collector:
    """Takes events with the rules that they matched, and keeps what is asked for."""

    def __init__(self, rules: Mapping[str, Rule], wanted: Wanted) -> None:
        self._rules, self._wanted = rules, wanted
        self.part = Part()

    def found(self, event: Event, rule_ids: Iterable[str]) -> None:
        """Keep one event's matches, its part in correlations, and the log-on it tells of."""
        if not self._wanted.holds(event.time):
            return
        if event.channel is not None:
            self.part.logons += read_windows(event)
        for rule_id in rule_ids:
            self._keep(self._rules[rule_id], event)

    def report(self, trouble: Trouble) -> None:
        """Keep one trouble and count what it cost."""
        self.part.troubles.append(trouble)
        if trouble.record is None:
            self.part.read.files_skipped += 1
        else:
            self.part.read.records_skipped += 1

    def _keep(self, rule: Rule, event: Event) -> None:
        if not rule.silent and at_least(rule.level, self._wanted.level):
            self.part.sightings.append(see_event(rule, event))

    def tap(self, events: Iterable[Event]) -> Iterator[Event]:
        """Pass the events of one file on, and keep the log-ons that its lines tell of."""
        logs = TextLogons()
        for event in events:
            told = list(logs.see(event)) if event.channel is None else []
            if self._wanted.holds(event.time):
                self.part.logons += told
            yield mark_logon(event, told[0]) if told else event

"""What a hunt comes to: top rules, when, where, which tactics, who and what (pure).

Times that cannot be true (before 1990, or after ``latest``) count as matches and are left out of
the span and the histogram.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, timedelta, tzinfo

from sekisho.detection.engine.attack import AttackTable, read_tags
from sekisho.detection.engine.entities import KINDS
from sekisho.detection.engine.logons import LogonRow
from sekisho.detection.engine.moments import EPOCH, SECOND, is_plausible
from sekisho.detection.engine.sightings import LEVELS, Sighting, at_least
from sekisho.detection.model import Level

Span = tuple[int | None, int | None]
_MINUTE, _HOUR, _DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
_STEPS = (
    SECOND, 5 * SECOND, 15 * SECOND, _MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR, 3 * _HOUR,
    6 * _HOUR, _DAY, 7 * _DAY, 28 * _DAY, 91 * _DAY, 364 * _DAY,
)  # fmt: skip
MOST_BINS = 60


@dataclass(slots=True)
class RuleRow:
    """One rule: how often it matched, when first and last, on which hosts."""

    rule_id: str
    title: str
    level: Level
    count: int = 0
    first: int | None = None
    last: int | None = None
    hosts: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Pivot:
    """A user, host, address and so on that matches speak of."""

    value: str
    count: int = 0
    first: int | None = None
    last: int | None = None
    worst: Level = Level.INFORMATIONAL


@dataclass(frozen=True, slots=True)
class Bin:
    """A stretch of time and the number of matches of each level in it."""

    start: int
    counts: dict[Level, int]

    @property
    def total(self) -> int:
        """All levels together."""
        return sum(self.counts.values())


@dataclass(slots=True)
class Read:
    """What was read: events by channel and host, files, and what had to be left out."""

    events: int = 0
    first: int | None = None
    last: int | None = None
    by: Counter[tuple[str, str]] = field(default_factory=Counter)
    files: int = 0
    files_skipped: int = 0
    records_skipped: int = 0
    undated: int = 0
    held_back: int = 0
    let_go: int = 0
    unfinished: Counter[str] = field(default_factory=Counter)
    interrupted: bool = False
    unsourced: int = 0
    unsourced_name: str = ""
    """How many files do not tell what log they are, and the name of one."""

    def note_unsourced(self, name: str) -> None:
        """Count a file that does not tell what log it is."""
        self.unsourced += 1
        self.unsourced_name = self.unsourced_name or name

    @property
    def is_nothing(self) -> bool:
        """Say whether nothing can be said: no file could be read, or no record of any."""
        left_out = self.files_skipped or self.records_skipped
        return not self.files or bool(left_out and not self.events)

    def add(self, other: "Read") -> None:
        """Count what another process read."""
        self.events += other.events
        self.first, self.last = widen((self.first, self.last), (other.first, other.last))
        self.by.update(other.by)
        self.files += other.files
        self.files_skipped += other.files_skipped
        self.records_skipped += other.records_skipped
        self.undated += other.undated
        self.held_back += other.held_back
        self.let_go += other.let_go
        self.unfinished.update(other.unfinished)
        self.interrupted |= other.interrupted
        self.unsourced += other.unsourced
        named = filter(None, (self.unsourced_name, other.unsourced_name))
        self.unsourced_name = min(named, default="")


def widen(one: Span, other: Span) -> Span:
    """Return the span that holds both."""
    firsts = [t for t in (one[0], other[0]) if t is not None]
    lasts = [t for t in (one[1], other[1]) if t is not None]
    return min(firsts, default=None), max(lasts, default=None)


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything below the timeline."""

    read: Read
    levels: dict[Level, int]
    rules: tuple[RuleRow, ...]
    hosts: tuple[tuple[str, dict[Level, int]], ...]
    tactics: tuple[tuple[str, int], ...]
    techniques: tuple[tuple[str, int], ...]
    bins: tuple[Bin, ...]
    step: int
    pivots: dict[str, tuple[Pivot, ...]]
    logons: tuple[LogonRow, ...]

    @property
    def matches(self) -> int:
        """All matches together."""
        return sum(self.levels.values())

    @property
    def out_of_time(self) -> int:
        """How many are in no stretch of time: without one, or with one that cannot be true."""
        return self.matches - sum(one.total for one in self.bins)


def summarise(
    sightings: Sequence[Sighting],
    read: Read,
    logons: Iterable[LogonRow],
    latest: int,
    zone: tzinfo = UTC,
    *,
    table: AttackTable,
) -> Summary:
    """Sum up the lines of a timeline; ``latest`` is the last time that can be true."""
    levels = Counter(one.match.level for one in sightings)
    tactics, techniques = _count_tags(sightings, table)
    bins, step = make_histogram(sightings, latest, zone)
    return Summary(
        read=read,
        levels={level: levels[level] for level in LEVELS if levels[level]},
        rules=_rank_rules(sightings, latest),
        hosts=_rank_hosts(sightings),
        tactics=tactics,
        techniques=techniques,
        bins=bins,
        step=step,
        pivots=_find_pivots(sightings, latest),
        logons=tuple(logons),
    )


def _rank_rules(sightings: Iterable[Sighting], latest: int) -> tuple[RuleRow, ...]:
    rows: dict[str, RuleRow] = {}
    for one in sightings:
        match = one.match
        row = rows.get(match.rule_id)
        if row is None:
            row = rows[match.rule_id] = RuleRow(match.rule_id, match.rule_title, match.level)
        row.count += 1
        if one.computer:
            row.hosts[one.computer] += 1
        _see(row, match.time, latest)
    return tuple(sorted(rows.values(), key=lambda r: (LEVELS.index(r.level), -r.count, r.title)))


def _rank_hosts(sightings: Iterable[Sighting]) -> tuple[tuple[str, dict[Level, int]], ...]:
    hosts: dict[str, tuple[str, Counter[Level]]] = {}
    for one in sightings:
        if one.computer:
            folded = one.computer.casefold()
            if folded not in hosts:
                hosts[folded] = one.computer, Counter()
            hosts[folded][1][one.match.level] += 1
    ranked = sorted(
        hosts.values(), key=lambda item: ([-item[1][level] for level in LEVELS], item[0])
    )
    return tuple((name, {level: c[level] for level in LEVELS if c[level]}) for name, c in ranked)


def _count_tags(
    sightings: Iterable[Sighting], table: AttackTable
) -> tuple[tuple[tuple[str, int], ...], tuple[tuple[str, int], ...]]:
    """Count ATT&CK tactics (names) and techniques (ids) over all matches, as they are today."""
    tactics: Counter[str] = Counter()
    techniques: Counter[str] = Counter()
    for tags, count in Counter(one.tags for one in sightings).items():
        tagged = read_tags(tags, table)
        ids = (*(each.id for each in tagged.techniques), *tagged.unknown)
        tactics.update(dict.fromkeys(tagged.tactics, count))
        techniques.update(dict.fromkeys(ids, count))
    return _ranked(tactics), _ranked(techniques)


def _ranked(counts: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def make_histogram(
    sightings: Iterable[Sighting], latest: int, zone: tzinfo = UTC
) -> tuple[tuple[Bin, ...], int]:
    """Return at most ``MOST_BINS`` even stretches over all matches, and their length.

    Stretches begin at round times of ``zone``; those without matches are there too.
    """
    dated = [(o.match.time, o.match.level) for o in sightings if o.match.time is not None]
    times = [(time, level) for time, level in dated if is_plausible(time, latest)]
    if not times:
        return (), _HOUR
    first, last = min(t for t, _ in times), max(t for t, _ in times)
    step = next((s for s in _STEPS if (last - first) // s + 2 <= MOST_BINS), _STEPS[-1])
    away = _offset(first, zone)
    start = (first + away) // step * step - away
    counted: Counter[tuple[int, Level]] = Counter(((t - start) // step, lv) for t, lv in times)
    length = (last - start) // step + 1
    bins = tuple(
        Bin(start + n * step, {lv: counted[n, lv] for lv in LEVELS if counted[n, lv]})
        for n in range(length)
    )
    return bins, step


def _offset(time: int, zone: tzinfo) -> int:
    away = (EPOCH + timedelta(microseconds=time)).astimezone(zone).utcoffset()
    return int(away.total_seconds()) * SECOND if away else 0


def _find_pivots(sightings: Iterable[Sighting], latest: int) -> dict[str, tuple[Pivot, ...]]:
    found: dict[str, dict[str, Pivot]] = {kind: {} for kind in KINDS}
    for one in sightings:
        match = one.match
        for kind, values in match.entities.items():
            known = found[kind]
            for value in values:
                folded = value.casefold()
                pivot = known.get(folded)
                if pivot is None:
                    pivot = known[folded] = Pivot(value)
                pivot.count += 1
                if pivot.worst is not match.level and at_least(match.level, pivot.worst):
                    pivot.worst = match.level
                _see(pivot, match.time, latest)
    return {kind: _rank_pivots(pivots.values()) for kind, pivots in found.items() if pivots}


def _see(what: RuleRow | Pivot, time: int | None, latest: int) -> None:
    """Note a time at which it was there, if that can be true."""
    if time is None or not is_plausible(time, latest):
        return
    if what.first is None or time < what.first:
        what.first = time
    if what.last is None or time > what.last:
        what.last = time


def _rank_pivots(pivots: Iterable[Pivot]) -> tuple[Pivot, ...]:
    return tuple(sorted(pivots, key=lambda p: (LEVELS.index(p.worst), -p.count, p.value)))

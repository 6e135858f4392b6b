"""A match with what a person needs beside it: where, on which host, what it says (pure)."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec

from sekisho.detection.engine.details import pick_details
from sekisho.detection.engine.entities import HOSTS
from sekisho.detection.engine.moments import EPOCH
from sekisho.detection.model import Document, Event, Level, Match, Record, Rule


class Sighting(msgspec.Struct, frozen=True):
    """One line of the timeline. ``details`` are fields of the event, those of the rule first."""

    match: Match
    tags: tuple[str, ...] = ()
    channel: str = ""
    event_id: int | None = None
    computer: str = ""
    details: dict[str, str] = {}

    @property
    def order(self) -> tuple[bool, int, str, int]:
        """Sort by time, those without one last, then by file and record."""
        match = self.match
        time = match.time if match.time is not None else 0
        return (match.time is None, time, match.record.file, match.record.record)


def see_event(
    rule: Rule, event: Event, entities: dict[str, tuple[str, ...]], wanted: tuple[str, ...]
) -> Sighting:
    """Make the line of a rule that matched an event.

    The event is about these ``entities``; ``wanted`` are the fields that the rule asks to show.
    """
    record = Record(event.file, event.record)
    fields = event.fields
    match = Match(
        rule.id,
        rule.title,
        rule.level,
        event.time,
        record,
        (record,),
        entities=entities,
    )
    return Sighting(
        match,
        rule.tags,
        event.channel or _say_source(event),
        event.event_id,
        str(fields.get("Computer") or fields.get("host") or fields.get("devname") or ""),
        pick_details(wanted, fields),
    )


def _say_source(event: Event) -> str:
    source = event.source
    return "/".join(part for part in (source.product, source.category, source.service) if part)


def see_correlation(
    rule: Document, match: Match, seen: Mapping[Record, Mapping[str, tuple[str, ...]]]
) -> Sighting:
    """Make the line of a correlation; its entities are those of the events behind it."""
    entities: dict[str, dict[str, None]] = {}
    for record in match.records:
        for kind, values in seen.get(record, {}).items():
            entities.setdefault(kind, {}).update(dict.fromkeys(values))
    whole = msgspec.structs.replace(
        match, entities={kind: tuple(values) for kind, values in entities.items()}
    )
    hosts = whole.entities.get(HOSTS, ())
    computer = hosts[0] if len(hosts) == 1 else ""  # where all of it happened
    return Sighting(whole, rule.tags, computer=computer, details=dict(match.group))


def say_time(time: int | None) -> str | None:
    """Return a time as ISO 8601 in UTC with microseconds."""
    if time is None:
        return None
    try:
        moment = EPOCH + timedelta(microseconds=time)
    except OverflowError:
        return None
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def describe(sighting: Sighting) -> dict[str, Any]:
    """Shape one line of ``--format json``; the names up to ``entities`` are a contract."""
    match = sighting.match
    return {
        "time": say_time(match.time),
        "rule_id": match.rule_id,
        "rule_title": match.rule_title,
        "level": match.level.value,
        "file": match.record.file,
        "record": match.record.record,
        "records": [record.record for record in match.records],
        "group": match.group,
        "entities": {kind: list(values) for kind, values in match.entities.items()},
        "record_files": [record.file for record in match.records],
        "channel": sighting.channel,
        "event_id": sighting.event_id,
        "computer": sighting.computer,
        "tags": list(sighting.tags),
        "details": sighting.details,
    }


LEVELS = tuple(reversed(Level))
"""Worst first."""


_RANK = {level: rank for rank, level in enumerate(Level)}


def at_least(level: Level, lowest: Level) -> bool:
    """Say whether ``level`` is as bad as ``lowest`` or worse."""
    return _RANK[level] >= _RANK[lowest]

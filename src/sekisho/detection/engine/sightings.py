"""A match with what a person needs beside it: where, on which host, what it says (pure)."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any

import msgspec

from sekisho.detection.engine.moments import EPOCH
from sekisho.detection.model import Document, Event, Level, Match, Record, Rule

_DETAIL_FIELDS = (
    "CommandLine", "Image", "NewProcessName", "ParentImage", "ParentProcessName", "TargetUserName",
    "SubjectUserName", "User", "IpAddress", "WorkstationName", "LogonType", "SubStatus",
    "TargetFilename", "TargetObject", "Details", "ServiceName", "ServiceFileName", "ImagePath",
    "TaskName", "ShareName", "RelativeTargetName", "ImageLoaded", "TargetImage", "SourceImage",
    "CallTrace", "QueryName", "DestinationIp", "DestinationPort", "DestinationHostname",
    "PipeName", "ScriptBlockText", "Payload", "Hashes", "AccountName", "ClientAddress",
    "MemberName", "MemberSid", "Data", "payload", "Param1", "Param3", "message", "cs-method",
    "cs-uri", "sc-status", "c-ip", "cs-username", "action", "user", "remip", "msg",
)  # fmt: skip
_MOST_DETAILS = 6
_LONGEST_DETAIL = 1_000
_EMPTY = frozenset(("", "-", "None"))


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


def see_event(rule: Rule, event: Event, entities: dict[str, tuple[str, ...]]) -> Sighting:
    """Make the line of a rule that matched an event, which is about these ``entities``."""
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
        pick_details(rule.fields, fields),
    )


def _say_source(event: Event) -> str:
    source = event.source
    return "/".join(part for part in (source.product, source.category, source.service) if part)


def pick_details(wanted: Iterable[str], fields: Mapping[str, Any]) -> dict[str, str]:
    """Return the few fields of an event that say most, as text of bounded length."""
    picked: dict[str, str] = {}
    for name in _telling(tuple(wanted), tuple(fields)):
        text = say_value(fields[name])
        if text not in _EMPTY:
            picked[name] = text
            if len(picked) >= _MOST_DETAILS:
                break
    return picked


@lru_cache(maxsize=4096)
def _telling(wanted: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    """Return which of an event's fields say most, those that the rule names first."""
    has = frozenset(names)
    return tuple(dict.fromkeys(name for name in (*wanted, *_DETAIL_FIELDS) if name in has))


def say_value(value: Any) -> str:
    """Return a value as one text; lists are joined, and what is long is cut."""
    if isinstance(value, list | tuple):
        text = ", ".join(map(str, value))
    else:
        text = "" if value is None else str(value)
    return text if len(text) <= _LONGEST_DETAIL else text[: _LONGEST_DETAIL - 1] + "…"


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
    return Sighting(whole, rule.tags, details=dict(match.group))


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

"""From what a reader took out of a file to the event that rules see (pure).

A value is recognised by what it holds: the shape of EVTX readers, that of log shippers, flat
Windows names, or anything else, which keeps its names and is told by ``recognise``.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any

from sekisho.detection.engine.exports import open_export
from sekisho.detection.engine.moments import find_moment, parse_moment
from sekisho.detection.engine.textlines import Clock, parse_line
from sekisho.detection.engine.windows import (
    find_system,
    read_event_id,
    shape_flat,
    shape_windows,
    shape_winlog,
)
from sekisho.detection.model import Event, LogSource

WINDOWS = LogSource(product="windows")
_NOWHERE = LogSource()


@dataclass(frozen=True, slots=True)
class Shaping:
    """What the person said about files that do not say it themselves.

    ``source`` is what ``--logsource`` named, ``time_field`` the field of the time, ``zone`` that
    of times without one; ``recognise`` tells the log source from tell-tale fields.
    """

    source: LogSource | None = None
    time_field: str = ""
    zone: tzinfo = UTC
    recognise: Callable[[Mapping[str, Any]], LogSource | None] = field(default=lambda _: None)


def shape_value(value: Mapping[str, Any], how: Shaping, file: str, record: int) -> Event:
    """Return the event that a mapping (from JSON, XML or a table) describes."""
    system = find_system(value)
    if system is not None:
        return make_windows(shape_windows(system), how, file, record)
    value = open_export(value)
    fields = shape_winlog(value) or shape_flat(value)
    if fields is not None and fields.get("Channel"):
        return make_windows(fields, how, file, record)
    plain = fields or value
    source = how.source or how.recognise(plain) or _NOWHERE
    time = find_moment(plain, how.time_field, how.zone)
    return Event(plain, None, None, source, time, file, record)


def make_windows(fields: Mapping[str, Any], how: Shaping, file: str, record: int) -> Event:
    """Return the event of flat Windows fields; System's time counts unless a field was named."""
    time = None
    if not how.time_field:
        time = parse_moment(fields.get("TimeCreated"), how.zone)
    if time is None:
        time = find_moment(fields, how.time_field, how.zone)
    channel = fields.get("Channel")
    event_id = read_event_id(fields.get("EventID"))
    name = str(channel) if channel else None
    return Event(fields, name, event_id, WINDOWS, time, file, record)


def shape_line(text: str, how: Shaping, clock: Clock, file: str, record: int) -> Event:
    """Return the event of one line of text."""
    line = parse_line(text, clock)
    time = parse_moment(line.fields.get(how.time_field), how.zone) if how.time_field else line.time
    source = how.source or how.recognise(line.fields) or line.source
    return Event(line.fields, None, None, source, time, file, record)


_WRAPPERS = ("Records", "records", "Events", "events", "value", "logs", "items", "hits", "Event")


def unwrap(value: Any) -> Iterator[Any]:
    """Yield the events of a value that only wraps them, as CloudTrail and Elasticsearch do."""
    if isinstance(value, Mapping):
        if isinstance(value.get("_source"), Mapping):
            value = value["_source"]
        elif isinstance(value.get("result"), Mapping) and len(value) <= _WRAPPER_SIZE:
            value = value["result"]
        elif len(value) <= _WRAPPER_SIZE:
            inner = next((value[n] for n in _WRAPPERS if n in value and _wraps(value[n])), None)
            if inner is not None:
                for item in inner if isinstance(inner, list) else [inner]:
                    yield from unwrap(item)
                return
    yield value


_WRAPPER_SIZE = 6


def _wraps(inner: Any) -> bool:
    """Say whether ``inner`` is a list of events, or the ``hits`` of Elasticsearch around one."""
    if isinstance(inner, Mapping):
        return isinstance(inner.get("hits"), list)
    return isinstance(inner, list) and bool(inner) and all(isinstance(i, Mapping) for i in inner)

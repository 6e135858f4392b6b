"""Events that lines of text carry as their message: JSON, and the XML of Sysmon for Linux.

Forwarders put whole events into syslog. Read as text alone, no rule on their fields would match.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from sekisho.detection.model import Event, LogSource
from sekisho.detection.sources.markup import BadXml, parse_event

_COOKIE = "@cee:"
"""What stands before JSON in syslog by the convention of Common Event Expression."""

Make = Callable[[Mapping[str, Any]], Event]


def open_message(event: Event, make: Make) -> Event:
    """Return the event within a line's message, or ``event`` itself where there is none.

    An event that names no channel keeps what the line said of host, program and time: whoever
    wrote the message cannot change that.
    """
    message = event.fields.get("message")
    inner = _read(message) if isinstance(message, str) else None
    if inner is None:
        return event
    made = make(inner)
    if made.channel is None:
        said = {name: value for name, value in event.fields.items() if name != "message"}
        made = make({"message": message, **inner, **said})
    source = event.source if made.source == LogSource() else made.source
    return replace(made, source=source, time=event.time if made.time is None else made.time)


def _read(message: str) -> Mapping[str, Any] | None:
    text = message.strip().removeprefix(_COOKIE).lstrip()
    if text.startswith("{") and text.endswith("}"):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None
    if text.startswith("<Event") and text.endswith("</Event>"):
        event = parse_event(text)
        return None if isinstance(event, BadXml) else event
    return None

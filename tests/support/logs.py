"""Logs written for the tests: one Windows event in every format, and how to read what is laid."""

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, cast

from sekisho.detection.hunting.records import read_any
from sekisho.detection.model import Event
from sekisho.detection.sources.archives import Unit, open_units
from sekisho.detection.sources.limits import DEFAULT_LIMITS, Allowance, Limits, Trouble
from sekisho.detection.sources.reading import Reading, open_log
from sekisho.detection.sources.streams import look_into
from sekisho.detection.sources.walking import find_files

SECURITY = "Security"


def windows_event(event_id: int = 4625, **data: Any) -> dict[str, Any]:
    """Return an event in the shape of the EVTX readers."""
    return {
        "Event": {
            "#attributes": {"xmlns": "http://schemas.microsoft.com/win/2004/08/events/event"},
            "System": {
                "Provider": {"#attributes": {"Name": "Microsoft-Windows-Security-Auditing"}},
                "EventID": event_id,
                "TimeCreated": {"#attributes": {"SystemTime": "2026-11-23T01:20:55.123456Z"}},
                "Channel": SECURITY,
                "Computer": "GATE-01",
            },
            "EventData": data or {"TargetUserName": "taro", "IpAddress": "203.0.113.9"},
        }
    }


def windows_xml(event_id: int = 4625, user: str = "taro") -> str:
    """Return the same event as wevtutil writes it."""
    return (
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>"
        "<Provider Name='Microsoft-Windows-Security-Auditing'/>"
        f"<EventID Qualifiers='0'>{event_id}</EventID>"
        "<TimeCreated SystemTime='2026-11-23T01:20:55.1234560Z'/>"
        "<Channel>Security</Channel><Computer>GATE-01</Computer></System><EventData>"
        f"<Data Name='TargetUserName'>{user}</Data><Data Name='IpAddress'>203.0.113.9</Data>"
        "</EventData></Event>"
    )


def json_lines(values: Iterable[object]) -> bytes:
    """Return one JSON value a line."""
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def read_bytes(
    content: bytes, name: str = "some.log", limits: Limits = DEFAULT_LIMITS
) -> tuple[list[Event], list[Trouble]]:
    """Read ``content`` as ``sekisho hunt`` would: unpacked, told apart, to events and troubles."""
    troubles: list[Trouble] = []
    head, stream = look_into(cast("BinaryIO", io.BytesIO(content)))
    unit = Unit(name, head, stream, None)
    return _read(unit, Allowance(limits), troubles), troubles


def read_paths(*paths: Path) -> tuple[list[Event], list[Trouble]]:
    """Read files and folders."""
    troubles: list[Trouble] = []
    events: list[Event] = []
    for found in find_files([str(path) for path in paths], troubles.append):
        assert found.path is not None
        with found.path.open("rb") as opened:
            head, stream = look_into(opened)
            unit = Unit(found.name, head, stream, found.changed, found.named)
            events += _read(unit, Allowance(), troubles)
    return events, troubles


def _read(unit: Unit, allowance: Allowance, troubles: list[Trouble]) -> list[Event]:
    events: list[Event] = []
    reading = Reading(limits=allowance.limits, now=1_795_400_000_000_000)
    for inner in open_units(unit, allowance, troubles.append):
        log = open_log(inner, reading, troubles.append)
        if log is not None:
            events += read_any(log)
    return events

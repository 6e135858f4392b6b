"""A hunt's result for machines: JSON lines and CSV."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from datetime import tzinfo

import msgspec

from sekisho.cli.hunt_words import to_datetime
from sekisho.detection.engine.sightings import Sighting, describe
from sekisho.kernel.sheets import harmless

_COLUMNS = (
    "time", "level", "rule_title", "computer", "channel", "event_id", "users", "addresses",
    "details", "file", "record", "rule_id", "tags",
)  # fmt: skip


def json_lines(sightings: Iterable[Sighting]) -> Iterator[str]:
    """Yield one object a line."""
    for one in sightings:
        described = describe(one)
        try:
            yield msgspec.json.encode(described).decode()
        except UnicodeEncodeError:  # half a surrogate pair is in some logs
            text = json.dumps(described, ensure_ascii=False, separators=(",", ":"))
            yield text.encode("utf-8", "replace").decode()


def csv_lines(sightings: Iterable[Sighting], zone: tzinfo) -> Iterator[str]:
    """Yield the header and one row a match; cells that a spreadsheet would run are quoted."""
    yield _row(_COLUMNS)
    for one in sightings:
        yield _row([harmless(cell) for cell in _cells(one, zone)])


def _cells(one: Sighting, zone: tzinfo) -> list[str]:
    match = one.match
    moment = to_datetime(match.time, zone) if match.time is not None else None
    return [
        moment.isoformat(timespec="milliseconds") if moment else "",
        match.level.value,
        match.rule_title,
        one.computer,
        one.channel,
        "" if one.event_id is None else str(one.event_id),
        " ".join(match.entities.get("users", ())),
        " ".join(match.entities.get("addresses", ())),
        " | ".join(f"{name}={value}" for name, value in one.details.items()),
        match.record.file,
        str(match.record.record),
        match.rule_id,
        " ".join(one.tags),
    ]


def _row(cells: Iterable[object]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells)
    return out.getvalue().encode("utf-8", "replace").decode()

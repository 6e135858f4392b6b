"""When an event was: the many ways in which logs write it, as microseconds since 1970 UTC (pure).

A time without a zone is read in the zone that was named (``--timezone``, else UTC). A time that
cannot be true (before 1990, as in records whose clock says 1601) still belongs to its event; only
summaries leave it out.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
EARLIEST = int((datetime(1990, 1, 1, tzinfo=UTC) - EPOCH).total_seconds()) * SECOND
_LAST = int((datetime(9999, 12, 30, tzinfo=UTC) - EPOCH).total_seconds()) * SECOND
_FILETIME_EPOCH = 11_644_473_600 * SECOND  # 1601-01-01 to 1970-01-01

_USUAL = len("2026-11-29T00:00:00.000000Z")
_ISO = re.compile(
    r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})"
    r"(?:[T ,]\s*(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?"
    r"\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2})?)?$",
    re.IGNORECASE,
)
_US = re.compile(
    r"(\d{1,2})/(\d{1,2})/(\d{4})[ ,]+(\d{1,2}):(\d{2}):(\d{2})(?:[.,](\d{1,9}))?\s*(AM|PM)?$",
    re.IGNORECASE,
)
_APACHE = re.compile(r"(\d{1,2})/([A-Za-z]{3})/(\d{4}):(\d{2}):(\d{2}):(\d{2}) ([+-]\d{4})$")
_DOTNET = re.compile(r"/?\\?/?Date\((-?\d+)")
MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
TIME_FIELDS = (
    "@timestamp", "TimeCreated", "SystemTime", "EventTime", "UtcTime", "timestamp", "Timestamp",
    "time", "Time", "ts", "eventTime", "CreationTime", "TimeGenerated", "date_time", "datetime",
    "event_time", "_time", "@t", "published", "createdDateTime", "activityDateTime",
    "日付と時刻", "日時",
)  # fmt: skip


def parse_moment(value: Any, zone: tzinfo = UTC) -> int | None:
    """Return ``value`` (text, number of seconds, milliseconds and so on) in microseconds."""
    if type(value) is str and len(value) == _USUAL and value[10::16] == "TZ":
        try:
            return _since(datetime.fromisoformat(value))
        except ValueError:
            pass
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return _from_number(value)
    text = str(value).strip().strip('"[]')
    return _from_text(text, zone) if text and len(text) < 60 else None  # noqa: PLR2004 - no time is longer


def _since(moment: datetime) -> int:
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds


def _from_text(text: str, zone: tzinfo) -> int | None:
    if found := _ISO.match(text):
        return _from_iso(found, zone)
    if found := _APACHE.match(text):
        day, month, year, hour, minute, second, offset = found.groups()
        parts = (year, MONTHS.get(month.lower(), 0), day, hour, minute, second)
        return make_moment(parts, "", read_offset(offset, zone))
    if found := _US.match(text):
        return _from_us(found, zone)
    if found := _DOTNET.match(text):
        return _from_number(int(found[1]))
    try:
        return _from_number(float(text))
    except ValueError:
        return None


def _from_iso(found: re.Match[str], zone: tzinfo) -> int | None:
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    return make_moment(
        (year, month, day, hour or 0, minute or 0, second or 0),
        fraction or "",
        read_offset(offset, zone),
    )


def _from_us(found: re.Match[str], zone: tzinfo) -> int | None:
    month, day, year, hour, minute, second, fraction, half = found.groups()
    clock = int(hour) % 12 + 12 * (half.upper() == "PM") if half else int(hour)
    return make_moment((year, month, day, clock, minute, second), fraction or "", zone)


def _from_number(value: float) -> int | None:
    """Seconds, milliseconds, microseconds, nanoseconds or FILETIME, told apart by their size."""
    try:
        whole = abs(int(value))
    except (ValueError, OverflowError):
        return None
    if whole < 10**11:
        moment = int(value * SECOND)
    elif whole < 10**14:
        moment = int(value * 1000)
    elif whole < 10**17:
        moment = int(value)
    elif whole < 10**18:
        moment = int(value) // 10 - _FILETIME_EPOCH
    else:
        moment = int(value) // 1000
    return moment if 0 < moment < _LAST else None


def make_moment(parts: tuple[Any, ...], fraction: str, zone: tzinfo) -> int | None:
    """Make microseconds of year … second; None where there is no such time."""
    try:
        year, month, day, hour, minute, second = (int(part) for part in parts)
        leap, second = (1, 59) if second == 60 else (0, second)  # noqa: PLR2004 - a leap second
        moment = datetime(year, month, day, hour, minute, second, tzinfo=zone)
        since = moment - EPOCH
    except (ValueError, OverflowError):
        return None
    micro = int(fraction[:6].ljust(6, "0")) if fraction else 0
    return (since.days * 86_400 + since.seconds + leap) * SECOND + micro


def read_offset(text: str | None, zone: tzinfo) -> tzinfo:
    """Return the zone that ``+09:00``, ``+0900`` or ``Z`` names, or ``zone`` where none is said."""
    if not text:
        return zone
    if text.upper() in {"Z", "UTC", "GMT"}:
        return UTC
    digits = text.replace(":", "")
    away = timedelta(hours=int(digits[1:3]), minutes=int(digits[3:5]))
    if away >= timedelta(hours=24):
        return zone
    from datetime import timezone  # noqa: PLC0415 - the name is taken by nothing else

    return timezone(-away if digits[0] == "-" else away)


def find_moment(fields: Mapping[str, Any], named: str, zone: tzinfo = UTC) -> int | None:
    """Return when the event of ``fields`` was: by the field that was named, else the usual ones."""
    if named:
        return parse_moment(_dig(fields, named), zone)
    for name in TIME_FIELDS:
        if name in fields and (moment := parse_moment(fields[name], zone)) is not None:
            return moment
    if "date" in fields and "time" in fields:
        return parse_moment(f"{fields['date']} {fields['time']}", zone)
    return None


def _dig(fields: Mapping[str, Any], name: str) -> Any:
    """Return the value of a literal or dotted name."""
    if name in fields or "." not in name:
        return fields.get(name)
    first, _, rest = name.partition(".")
    inner = fields.get(first)
    return _dig(inner, rest) if isinstance(inner, Mapping) else None


def is_plausible(moment: int | None, latest: int) -> bool:
    """Say whether a summary may count on ``moment``: since 1990 and not after ``latest``."""
    return moment is not None and EARLIEST <= moment <= latest

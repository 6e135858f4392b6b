"""Dates as programs and people write them, Japanese eras and Excel's numbers included. Pure.

What could mean two days is no date: an export that is taken for newer than it is would prove
what nobody has looked at.
"""

import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from enum import StrEnum


class Order(StrEnum):
    """What 03/04/2026 means; ``auto`` reads it only where it cannot mean two days."""

    AUTO = "auto"
    MONTH_FIRST = "mdy"
    DAY_FIRST = "dmy"


_ERAS = {"令和": 2018, "r": 2018, "平成": 1988, "h": 1988}
_TIME = (
    r"(?:[T\s]+(?P<half>午前|午後)?\s*(?P<hour>\d{1,2})[:時](?P<minute>\d{1,2})"
    r"(?:[:分](?P<second>\d{1,2})(?:\.\d+)?)?[分秒]?\s*(?P<ampm>[AaPp]\.?[Mm]\.?)?"
    r"\s*(?P<zone>Z|UTC|GMT|JST|[+-]\d{2}:?\d{2})?)?"
)
_YEAR_FIRST = re.compile(
    r"(?P<year>\d{4})[-/.年]\s*(?P<month>\d{1,2})[-/.月]\s*(?P<day>\d{1,2})日?"
    r"(?:\s*\(.\))?" + _TIME
)
_ERA = re.compile(
    r"(?P<era>令和|平成|[RrHh])\s*(?P<year>元|\d{1,2})[-/.年]\s*(?P<month>\d{1,2})[-/.月]"
    r"\s*(?P<day>\d{1,2})日?(?:\s*\(.\))?" + _TIME
)
_YEAR_LAST = re.compile(r"(?P<one>\d{1,2})[-/.](?P<two>\d{1,2})[-/.](?P<year>\d{4}),?" + _TIME)
_NUMBER = re.compile(r"\d{5}(\.\d+)?|\d{10}|\d{13}")
_EXCEL_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001 - Excel's days know no zone (ECMA-376 18.17.4.1)
_EXCEL_YEARS = (36526, 73051)  # 2000-01-01 to 2100-01-01
_MONTHS = 12
_NOON = 12


def parse_date(text: str, zone: tzinfo = UTC, order: Order = Order.AUTO) -> datetime | None:
    """Return the instant that ``text`` means, in UTC; None if it means none or could mean two.

    ``zone`` is where a time without a zone of its own was written.
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    if not plain or len(plain) > 60:  # noqa: PLR2004 - the longest form has not half of it
        return None
    try:
        return _parse(plain, zone, order)
    except (ValueError, OverflowError):
        return None


def _parse(text: str, zone: tzinfo, order: Order) -> datetime | None:
    if _NUMBER.fullmatch(text):
        return _from_number(text, zone)
    for pattern, year in ((_YEAR_FIRST, _year), (_ERA, _year_of_era)):
        found = pattern.fullmatch(text)
        if found is not None:
            return _join(found, year(found), int(found["month"]), int(found["day"]), zone)
    found = _YEAR_LAST.fullmatch(text)
    days = _tell_apart(int(found["one"]), int(found["two"]), order) if found is not None else None
    if found is None or days is None:
        return None
    return _join(found, int(found["year"]), *days, zone)


def _year(found: "re.Match[str]") -> int:
    return int(found["year"])


def _year_of_era(found: "re.Match[str]") -> int:
    return _ERAS[found["era"].lower()] + (1 if found["year"] == "元" else int(found["year"]))


def _tell_apart(one: int, two: int, order: Order) -> tuple[int, int] | None:
    """Return (month, day), None where both readings are possible and nobody said which."""
    if order is Order.MONTH_FIRST:
        return one, two
    if order is Order.DAY_FIRST:
        return two, one
    if one == two or two > _MONTHS:
        return one, two
    return (two, one) if one > _MONTHS else None


def _join(found: "re.Match[str]", year: int, month: int, day: int, zone: tzinfo) -> datetime:
    hour = int(found["hour"] or 0)
    half = (found["half"] or found["ampm"] or "").lower()
    if half.startswith(("p", "午後")) and hour < _NOON:
        hour += _NOON
    if half.startswith(("a", "午前")) and hour == _NOON:
        hour = 0
    at = datetime(
        year, month, day, hour, int(found["minute"] or 0), int(found["second"] or 0),
        tzinfo=_zone(found["zone"]) or zone,
    )  # fmt: skip
    return at.astimezone(UTC)


def _zone(text: str | None) -> tzinfo | None:
    if not text:
        return None
    if text == "JST":
        return timezone(timedelta(hours=9))
    if text in ("Z", "UTC", "GMT"):
        return UTC
    span = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-span if text[0] == "-" else span)


def _from_number(text: str, zone: tzinfo) -> datetime | None:
    number = float(text)
    if len(text) == 10:  # noqa: PLR2004 - seconds since 1970
        return datetime.fromtimestamp(number, UTC)
    if len(text) == 13 and "." not in text:  # noqa: PLR2004 - milliseconds since 1970
        return datetime.fromtimestamp(number / 1000, UTC)
    if not _EXCEL_YEARS[0] <= number <= _EXCEL_YEARS[1]:
        return None
    local = _EXCEL_ZERO + timedelta(seconds=round(number * 86400))
    return local.replace(tzinfo=zone).astimezone(UTC)

"""How many findings were open on each day. Pure: no clock, no database."""

from collections.abc import Iterable
from datetime import date, timedelta

from sekisho.findings.model import DayCount, Span


def count_days(spans: Iterable[Span], today: date, days: int) -> list[DayCount]:
    """Return the last ``days`` days up to ``today``, the oldest first.

    A finding counts as open at the end of a day when it began on it or before and had not ended.
    Only its present spell is known: one that came back counts from when it came back.
    """
    known = list(spans)
    return [_count(known, today - timedelta(days=back)) for back in reversed(range(days))]


def _count(spans: Iterable[Span], day: date) -> DayCount:
    opened = closed = left = 0
    for span in spans:
        opened += span.number * (span.first == day)
        closed += span.number * (span.last == day)
        left += span.number * (span.first <= day and (span.last is None or span.last > day))
    return DayCount(day, left, opened, closed)

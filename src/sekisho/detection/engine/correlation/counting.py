"""Counts that can only grow: what one late entry changes is found without a pass over all windows.

Where a correlation asks for at least so many different things, an entry more makes nothing false.
So only entries are looked at that were false, in windows that did not hold the thing already.
"""

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Sequence

from sekisho.detection.engine.correlation.late import Late, time_of
from sekisho.detection.engine.correlation.plan import Entry
from sekisho.detection.engine.correlation.sweep import record_of, rule_of, values_of
from sekisho.detection.model import Bound, Correlation, CorrelationKind, Operator

_THINGS: dict[CorrelationKind, Callable[[Entry], object]] = {
    CorrelationKind.EVENT_COUNT: record_of,
    CorrelationKind.VALUE_COUNT: values_of,
    CorrelationKind.TEMPORAL: rule_of,
}


class Growing(Late):
    """The things counted in a group, each at the place of its entry.

    ``least`` different ones within ``span`` make an entry true. Where all are ``single`` (the
    records of one rule), entries are counted and things need not be kept.
    """

    def __init__(self, correlation: Correlation, least: int) -> None:
        self.span, self.least = correlation.timespan, least
        self.single = (
            correlation.kind is CorrelationKind.EVENT_COUNT and len(correlation.rules) == 1
        )
        self._thing = _THINGS[correlation.kind]
        self._things: list[object] = []

    def insert(self, at: int, entry: Entry) -> None:
        """Note the thing of an entry."""
        if not self.single:
            self._things.insert(at, self._thing(entry))

    def remove(self, begin: int, gone: Sequence[Entry]) -> None:
        """Forget the things of entries that were taken out."""
        del self._things[begin : begin + len(gone)]

    def begin(self, entries: Sequence[Entry]) -> None:
        """Note the things of entries that were saved."""
        self._things = [] if self.single else list(map(self._thing, entries))

    def holds(self, entries: Sequence[Entry], at: int) -> bool:
        """Say whether the window holds enough different things."""
        low = bisect_left(entries, entries[at].time - self.span, key=time_of)
        return self._count(low, at + 1) >= self.least

    def _count(self, begin: int, end: int) -> int:
        if self.single:
            return end - begin
        found = set(self._things[begin:end])
        found.discard(None)
        return len(found)

    def admit(self, entries: Sequence[Entry], true: bytearray, at: int) -> list[int]:
        """Note the thing of a late entry; return where the verdict changes by it."""
        self.insert(at, entries[at])
        turned = [at] if self.holds(entries, at) else []
        return turned + self._turned(entries, true, at)

    def _turned(self, entries: Sequence[Entry], true: bytearray, at: int) -> list[int]:
        """Return the places after ``at`` that turn true by the entry that was put in there."""
        begin, end = self._reach(entries, at)
        first, last = true.find(0, begin, end), true.rfind(0, begin, end)
        if first < 0:
            return []
        begin, end = first, last + 1
        low = bisect_left(entries, entries[begin].time - self.span, key=time_of)
        if self._count(low, end) < self.least:
            return []
        return self._walk(entries, true, low, range(begin, end))

    def _reach(self, entries: Sequence[Entry], at: int) -> tuple[int, int]:
        """Return the span of places whose windows hold the thing at ``at`` and no other like it."""
        time = entries[at].time
        begin, end = at + 1, bisect_right(entries, time + self.span, key=time_of)
        if self.single:
            return begin, end
        thing = self._things[at]
        if thing is None:
            return begin, begin
        if thing in (after := self._things[begin:end]):
            end = begin + after.index(thing)
        low = bisect_left(entries, time - self.span, key=time_of)
        if thing in (before := self._things[low:at][::-1]):
            last = entries[at - 1 - before.index(thing)].time
            begin = max(begin, bisect_right(entries, last + self.span, key=time_of))
        return begin, max(begin, end)

    def _walk(
        self, entries: Sequence[Entry], true: bytearray, low: int, places: range
    ) -> list[int]:
        """Go over ``places``, the first of whose windows begins at ``low``."""
        turned: list[int] = []
        counts = Counter(self._things[low : places.start])
        for place in places:
            oldest = entries[place].time - self.span
            if not self.single:
                counts[self._things[place]] += 1
            while entries[low].time < oldest:
                if not self.single:
                    _let_go(counts, self._things[low])
                low += 1
            count = place - low + 1 if self.single else len(counts) - (None in counts)
            if count >= self.least and not true[place]:
                turned.append(place)
        return turned


def _let_go(counts: Counter[object], thing: object) -> None:
    counts[thing] -= 1
    if not counts[thing]:
        del counts[thing]


def growing(correlation: Correlation) -> Growing | None:
    """Return what counts for a correlation that more entries never make false, None for others."""
    if correlation.kind not in _THINGS or correlation.expression is not None:
        return None
    if not correlation.bounds:
        counted = correlation.kind is CorrelationKind.TEMPORAL
        return Growing(correlation, len(correlation.rules)) if counted else None
    least = least_of(correlation)
    return None if least is None else Growing(correlation, least)


def least_of(correlation: Correlation) -> int | None:
    """Return how many the bounds ask for at least; None where that is not what they say."""
    bounds = correlation.bounds
    if not bounds or any(bound.operator not in {Operator.GT, Operator.GTE} for bound in bounds):
        return None
    least = max(map(_least, bounds))
    return least if least > 0 else None  # none at all would do


def _least(bound: Bound) -> int:
    above = math.floor(bound.number) + 1
    return above if bound.operator is Operator.GT else math.ceil(bound.number)

"""Counts that can only grow: what one late entry changes is found without a pass over all windows.

Where a correlation asks for at least so many different things, an entry more makes nothing false.
So only entries are looked at that were false, in windows that did not hold the thing already.
"""

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Sequence

from sekisho.detection.engine.correlation.plan import Entry
from sekisho.detection.engine.correlation.sweep import record_of, rule_of, values_of
from sekisho.detection.model import Bound, Correlation, CorrelationKind, Operator

_THINGS: dict[CorrelationKind, Callable[[Entry], object]] = {
    CorrelationKind.EVENT_COUNT: record_of,
    CorrelationKind.VALUE_COUNT: values_of,
    CorrelationKind.TEMPORAL: rule_of,
}


def time_of(entry: Entry) -> int:
    """Return when an entry was."""
    return entry.time


class Growing:
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
        """Note the thing of an entry that is put in."""
        if not self.single:
            self._things.insert(at, self._thing(entry))

    def remove(self, begin: int, end: int) -> None:
        """Forget the things of entries that are taken out."""
        del self._things[begin:end]

    def begin(self, entries: Sequence[Entry]) -> None:
        """Note the things of entries that were saved."""
        self._things = [] if self.single else list(map(self._thing, entries))

    def holds(self, entries: Sequence[Entry], at: int) -> bool:
        """Say whether the entry at the place ``at`` is true."""
        low = bisect_left(entries, entries[at].time - self.span, key=time_of)
        return self._count(low, at + 1) >= self.least

    def _count(self, begin: int, end: int) -> int:
        if self.single:
            return end - begin
        found = set(self._things[begin:end])
        found.discard(None)
        return len(found)

    def turned(self, entries: Sequence[Entry], true: Sequence[bool], at: int) -> list[int]:
        """Return the places after ``at`` that turn true by the entry that was put in there."""
        begin, end = self._reach(entries, at)
        held = true[begin:end]
        if False not in held:
            return []
        # one beyond the last that is false, and the first
        end -= held[::-1].index(False)
        begin += held.index(False)
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
        self, entries: Sequence[Entry], true: Sequence[bool], low: int, places: range
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
    bounds = correlation.bounds
    if not bounds:
        counted = correlation.kind is CorrelationKind.TEMPORAL
        return Growing(correlation, len(correlation.rules)) if counted else None
    if any(bound.operator not in {Operator.GT, Operator.GTE} for bound in bounds):
        return None
    return Growing(correlation, max(1, *map(_least, bounds)))


def _least(bound: Bound) -> int:
    above = math.floor(bound.number) + 1
    return above if bound.operator is Operator.GT else math.ceil(bound.number)

"""One group of one correlation: its entries in order, where it was true, and where it fired.

It fires where the condition turns true: it holds in the window at an entry, and did not hold at
the entry before, or that lies more than a timespan back. So a stream of events fires once, not
with each event, and what fires depends on nothing but the entries within twice the timespan:
whatever order they come in, the same set of them fires the same.
"""

import bisect
from collections.abc import Iterable

from sekisho.detection.engine.correlation.plan import Entry, Fired
from sekisho.detection.engine.correlation.sweep import Sweep
from sekisho.detection.model import Correlation, Record

Order = tuple[int, Record, str]


def _order(entry: Entry) -> Order:
    return entry.order


class Group:
    """The entries of one group. ``put`` and ``take`` say what fired and what fires no more."""

    def __init__(self, correlation: Correlation) -> None:
        self.correlation = correlation
        self.entries: list[Entry] = []
        self.true: list[bool] = []
        self.fired: dict[Order, Fired] = {}
        self._tail: Sweep | None = None

    def put(self, entry: Entry) -> tuple[list[Fired], list[Fired]]:
        """Take an entry in, wherever it belongs; one that is here already changes nothing."""
        if not self.entries or self.entries[-1].order < entry.order:
            return self._append(entry)
        at = bisect.bisect_left(self.entries, entry.order, key=_order)
        if self.entries[at].order == entry.order:
            return [], []
        self.entries.insert(at, entry)
        self.true.insert(at, False)
        return self._judge_again(at, entry.time)

    def take(self, order: Order) -> tuple[list[Fired], list[Fired]]:
        """Take an entry out again."""
        at = bisect.bisect_left(self.entries, order, key=_order)
        if at == len(self.entries) or self.entries[at].order != order:
            return [], []
        del self.entries[at], self.true[at]
        gone = self.fired.pop(order, None)
        fired, withdrawn = self._judge_again(at, order[0])
        return fired, withdrawn if gone is None else [gone, *withdrawn]

    def _append(self, entry: Entry) -> tuple[list[Fired], list[Fired]]:
        if self._tail is None:
            self._tail = self._sweep_before(entry.time)
        true = self._tail.advance(entry)
        rises = true and not self._held_before(len(self.entries), entry)
        self.entries.append(entry)
        self.true.append(true)
        if not rises:
            return [], []
        fired = self._make_fired(entry, self._tail.records())
        self.fired[entry.order] = fired
        return [fired], []

    def _sweep_before(self, time: int) -> Sweep:
        """Return a sweep over what lies in a window that ends at ``time``."""
        sweep = Sweep(self.correlation)
        for entry in self.entries[self._first_since(time - self.correlation.timespan) :]:
            if entry.time > time:
                break
            sweep.advance(entry)
        return sweep

    def _first_since(self, time: int) -> int:
        return bisect.bisect_left(self.entries, time, key=lambda entry: entry.time)

    def _held_before(self, at: int, entry: Entry) -> bool:
        if not at or self.entries[at - 1].time < entry.time - self.correlation.timespan:
            return False
        return self.true[at - 1]

    def _judge_again(self, at: int, time: int) -> tuple[list[Fired], list[Fired]]:
        """Judge every entry whose window the change at ``time`` reaches, and the one after."""
        self._tail = None
        sweep = Sweep(self.correlation)
        until = time + self.correlation.timespan
        fired: list[Fired] = []
        withdrawn: list[Fired] = []
        for place in range(self._first_since(time - self.correlation.timespan), len(self.entries)):
            entry = self.entries[place]
            true = sweep.advance(entry)
            if place < at:
                continue
            reached = entry.time <= until
            if reached:
                self.true[place] = true
            self._settle(place, sweep, fired, withdrawn)
            if not reached:
                break
        return fired, withdrawn

    def _settle(self, place: int, sweep: Sweep, fired: list[Fired], withdrawn: list[Fired]) -> None:
        entry = self.entries[place]
        rises = self.true[place] and not self._held_before(place, entry)
        new = self._make_fired(entry, sweep.records()) if rises else None
        old = self.fired.pop(entry.order, None)
        if new is not None:
            self.fired[entry.order] = new
        if new == old:
            return
        withdrawn += [] if old is None else [old]
        fired += [] if new is None else [new]

    def _make_fired(self, entry: Entry, records: tuple[Record, ...]) -> Fired:
        group = dict(zip(self.correlation.group_by, entry.labels, strict=True))
        return Fired(self.correlation.id, entry.time, entry.record, records, group)

    def forget_before(self, time: int) -> int:
        """Let go of entries older than ``time`` and return how many those were."""
        count = self._first_since(time)
        for entry in self.entries[:count]:
            self.fired.pop(entry.order, None)
        del self.entries[:count], self.true[:count]
        return count

    def saved_fired(self) -> list[tuple[int, Fired]]:
        """Return what fired, each with the place of its entry."""
        return [
            (place, self.fired[entry.order])
            for place, entry in enumerate(self.entries)
            if entry.order in self.fired
        ]

    def restore(
        self, entries: list[Entry], true: list[bool], fired: Iterable[tuple[int, Fired]]
    ) -> None:
        """Put back what was saved."""
        self.entries, self.true = entries, true
        self.fired = {entries[place].order: one for place, one in fired}

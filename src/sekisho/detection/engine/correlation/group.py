"""One group of one correlation: its entries in order, where it was true, and where it fired.

It fires where the condition turns true: it holds in the window at an entry, and did not hold at
the entry before, or that lies more than a timespan back. So a stream of events fires once, not
with each event, and what fires depends on nothing but the entries within twice the timespan:
whatever order they come in, the same set of them fires the same.
"""

import bisect
from collections.abc import Iterable, Mapping, Sequence

from sekisho.detection.engine.correlation.plan import Entry, Fired
from sekisho.detection.engine.correlation.sweep import Sweep
from sekisho.detection.model import Correlation, Record

Order = tuple[int, Record, str]
Changed = tuple[list[Fired], list[Fired]]
"""What fired, and what fires no more."""


def _order(entry: Entry) -> Order:
    return entry.order


class Group:
    """The entries of one group. ``change`` says what fired and what fires no more.

    A sweep stands behind the last entry. For an entry that comes late it goes back just so far, so
    that late ones cost what stands after them and not the window before.
    """

    def __init__(self, correlation: Correlation) -> None:
        self.correlation = correlation
        self.entries: list[Entry] = []
        self.true: list[bool] = []
        self.fired: dict[Order, Fired] = {}
        self._tail: Sweep | None = None

    def change(self, puts: Iterable[Entry], takes: Iterable[Order] = ()) -> Changed:
        """Take entries out and others in, wherever they belong; what is here already stays.

        Returns what fired and what fires no more. Each entry is judged once, however many change.
        """
        gone, new = frozenset(takes), {entry.order: entry for entry in puts}
        orders = sorted(
            order
            for order in gone.union(new)
            if (order in gone if self._holds(order) else order in new)
        )
        last = self.entries[-1].order if self.entries else None
        late = [] if last is None else [order for order in orders if order <= last]
        outcome: Changed = ([], [])
        for span in self._spans(late):
            self._judge_again(span, gone, new, outcome)
        for order in orders[len(late) :]:
            self._append(new[order], outcome)
        return outcome

    def _place(self, order: Order) -> int:
        return bisect.bisect_left(self.entries, order, key=_order)

    def _holds(self, order: Order) -> bool:
        if not self.entries or self.entries[-1].order < order:
            return False
        return self.entries[self._place(order)].order == order

    def _spans(self, orders: Iterable[Order]) -> list[list[Order]]:
        """Put together what lies less than a timespan apart, in order."""
        spans: list[list[Order]] = []
        for order in orders:
            if spans and order[0] <= spans[-1][-1][0] + self.correlation.timespan:
                spans[-1].append(order)
            else:
                spans.append([order])
        return spans

    def _append(self, entry: Entry, outcome: Changed) -> None:
        if self._tail is None:
            self._tail = self._sweep_anew(len(self.entries))
        true = self._tail.advance(entry)
        rises = true and not self._held_before(len(self.entries), entry)
        self.entries.append(entry)
        self.true.append(true)
        if rises:
            fired = self.fired[entry.order] = self._make_fired(entry, self._tail.records())
            outcome[0].append(fired)

    def _sweep_anew(self, at: int) -> Sweep:
        """Return a new sweep over the window before the place ``at``."""
        sweep = Sweep(self.correlation)
        if at:
            since = self.entries[at - 1].time - self.correlation.timespan
            for place in range(self._first_since(since), at):
                sweep.advance(self.entries[place])
        return sweep

    def _sweep_back(self, at: int) -> Sweep:
        """Return a sweep that stands before the place ``at``: that of the tail if it is near."""
        tail, back = self._tail, len(self.entries) - at
        if tail is None or 2 * back > len(tail.window) or not tail.retreat(back):
            return self._sweep_anew(at)
        self._tail = None
        first = at - len(tail.window)
        since = self.entries[at - 1].time - self.correlation.timespan
        while first and self.entries[first - 1].time >= since:
            first -= 1
            tail.readmit(self.entries[first])
        return tail

    def _first_since(self, time: int) -> int:
        return bisect.bisect_left(self.entries, time, key=lambda entry: entry.time)

    def _held_before(self, at: int, entry: Entry) -> bool:
        if not at or self.entries[at - 1].time < entry.time - self.correlation.timespan:
            return False
        return self.true[at - 1]

    def _judge_again(
        self,
        span: Sequence[Order],
        gone: frozenset[Order],
        new: Mapping[Order, Entry],
        outcome: Changed,
    ) -> None:
        """Change what ``span`` says; judge every entry that this reaches, and the one after."""
        begin = self._place(span[0])
        sweep = self._sweep_back(begin)
        for order in span:
            self._replace(order, new.get(order), outcome, out=order in gone)
        until = span[-1][0] + self.correlation.timespan
        for place in range(begin, len(self.entries)):
            entry = self.entries[place]
            true = sweep.advance(entry)
            reached = entry.time <= until
            if reached:
                self.true[place] = true
            self._settle(place, sweep, outcome)
            if not reached:
                return  # what comes after has nothing of it in its window, the tail's neither
        self._tail = sweep

    def _replace(self, order: Order, entry: Entry | None, outcome: Changed, *, out: bool) -> None:
        at = self._place(order)
        if out:
            del self.entries[at], self.true[at]
            if order in self.fired:
                outcome[1].append(self.fired.pop(order))
        if entry is not None:
            self.entries.insert(at, entry)
            self.true.insert(at, False)

    def _settle(self, place: int, sweep: Sweep, outcome: Changed) -> None:
        entry = self.entries[place]
        rises = self.true[place] and not self._held_before(place, entry)
        old = self.fired.pop(entry.order, None)
        new = self._make_fired(entry, sweep.records()) if rises else None
        if new is not None:
            self.fired[entry.order] = new
        if new == old:
            return
        outcome[0].extend([] if new is None else [new])
        outcome[1].extend([] if old is None else [old])

    def _make_fired(self, entry: Entry, records: tuple[Record, ...]) -> Fired:
        group = dict(zip(self.correlation.group_by, entry.labels, strict=True))
        return Fired(self.correlation.id, entry.time, entry.record, records, group)

    def forget_before(self, time: int) -> int:
        """Let go of entries older than ``time`` and return how many those were."""
        count = self._first_since(time)
        for entry in self.entries[:count]:
            self.fired.pop(entry.order, None)
        del self.entries[:count], self.true[:count]
        if count:
            self._tail = None
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

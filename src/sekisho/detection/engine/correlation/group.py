"""One group of one correlation: its entries in order, where it was true, and where it fired.

It fires where the condition turns true: it holds in the window at an entry, and did not hold at
the entry before, or that lies more than a timespan back. So a stream of events fires once, not
with each event, and what fires depends on nothing but the entries within twice the timespan:
whatever order they come in, the same set of them fires the same.
"""

import bisect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from sekisho.detection.engine.correlation.counting import growing
from sekisho.detection.engine.correlation.late import Late
from sekisho.detection.engine.correlation.measuring import measured
from sekisho.detection.engine.correlation.ordering import in_order
from sekisho.detection.engine.correlation.plan import Entry, Fired, Order
from sekisho.detection.engine.correlation.sweep import Sweep, latest_records
from sekisho.detection.model import Correlation, Record

Changed = tuple[list[Fired], list[Fired]]
"""What fired, and what fires no more."""


def _order(entry: Entry) -> Order:
    return entry.order


class Group:
    """The entries of one group. ``change`` says what fired and what fires no more.

    A sweep stands behind the last entry. For an entry that comes late it goes back just so far, so
    that late ones cost what stands after them and not the window before. Where something is kept
    that judges late ones (``Late``), a few of them cost little more than what they change.
    """

    def __init__(self, correlation: Correlation) -> None:
        self.correlation = correlation
        self.entries: list[Entry] = []
        self.true = bytearray()
        self.fired: dict[Order, Fired] = {}
        self._tail: Sweep | None = None
        self._late: Late | None = (
            growing(correlation) or in_order(correlation) or measured(correlation)
        )

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
        if late and self._late and gone.isdisjoint(late) and self._prefers(self._late, late):
            self._admit_all([new[order] for order in late], self._late, outcome)
        else:
            for span in self._spans(late):
                self._judge_again(span, gone, new, outcome)
        for order in orders[len(late) :]:
            self._append(new[order], outcome)
        return outcome

    def _prefers(self, late: Late, orders: Sequence[Order]) -> bool:
        return late.prefers(len(orders), len(self.entries) - self._place(orders[0]))

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

    def _admit_all(self, entries: Iterable[Entry], late: Late, outcome: Changed) -> None:
        """Put a few late entries in, and judge only where they can change anything."""
        changed: set[Order] = set()
        for entry in entries:
            changed |= self._admit(entry, late)
        for order in sorted(changed):
            place = self._place(order)
            self._settle(place, partial(self._records, place), outcome)

    def _admit(self, entry: Entry, late: Late) -> set[Order]:
        """Put one late entry in; return for which entries it may matter."""
        at = self._place(entry.order)
        self.entries.insert(at, entry)
        self.true.insert(at, False)
        turned = late.admit(self.entries, self.true, at)
        for place in turned:
            self.true[place] = not self.true[place]
        if late.alone:
            self._tail = None
        elif self._tail is not None:
            self._tail.admit(entry, len(self.entries) - at - 1)
        until = entry.time + self.correlation.timespan
        places = {at, at + 1, *turned, *(place + 1 for place in turned)} - {len(self.entries)}
        return {self.entries[place].order for place in places}.union(
            order for order in self.fired if entry.order < order and order[0] <= until
        )

    def _records(self, at: int) -> tuple[Record, ...]:
        """Return the records in the window at the place ``at``."""
        low = self._first_since(self.entries[at].time - self.correlation.timespan)
        return latest_records(self.entries[place] for place in range(at, low - 1, -1))

    def _insert(self, at: int, entry: Entry) -> None:
        self.entries.insert(at, entry)
        self.true.insert(at, False)
        if self._late is not None:
            self._late.insert(at, entry)

    def _append(self, entry: Entry, outcome: Changed) -> None:
        at = len(self.entries)
        self._insert(at, entry)
        self.true[at] = self._judge_last(entry, at)
        self._settle(at, partial(self._records, at), outcome)

    def _judge_last(self, entry: Entry, at: int) -> bool:
        if self._late is not None and self._late.alone:
            self._tail = None
            return self._late.holds(self.entries, at)
        if self._tail is None:
            self._tail = self._sweep_anew(at)
        return self._tail.advance(entry)

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
        return bool(self.true[at - 1])

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
            self._settle(place, sweep.records, outcome)
            if not reached:
                return  # what comes after has nothing of it in its window, the tail's neither
        self._tail = sweep

    def _replace(self, order: Order, entry: Entry | None, outcome: Changed, *, out: bool) -> None:
        at = self._place(order)
        if out:
            self._remove(at, at + 1)
            if order in self.fired:
                outcome[1].append(self.fired.pop(order))
        if entry is not None:
            self._insert(at, entry)

    def _remove(self, begin: int, end: int) -> None:
        gone = self.entries[begin:end]
        del self.entries[begin:end], self.true[begin:end]
        if self._late is not None:
            self._late.remove(begin, gone)

    def _settle(
        self, place: int, records: Callable[[], tuple[Record, ...]], outcome: Changed
    ) -> None:
        entry = self.entries[place]
        rises = self.true[place] and not self._held_before(place, entry)
        old = self.fired.pop(entry.order, None)
        new = self._make_fired(entry, records()) if rises else None
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
        self._remove(0, count)
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
        self.entries, self.true = entries, bytearray(true)
        if self._late is not None:
            self._late.begin(entries)
        self.fired = {entries[place].order: one for place, one in fired}

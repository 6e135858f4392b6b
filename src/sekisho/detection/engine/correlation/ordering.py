"""Rules one after the other: which verdicts one late entry changes is found by searching.

A chain through a late entry begins latest where each rule before is the last one before the next,
and is complete first where each rule after is the first after it. What lies between that and the
end of the window of its beginning becomes true; an entry more makes nothing false.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence

from sekisho.detection.engine.correlation.counting import least_of
from sekisho.detection.engine.correlation.late import Late, time_of
from sekisho.detection.engine.correlation.plan import Entry, Order
from sekisho.detection.engine.correlation.sweep import expressed
from sekisho.detection.model import Correlation, CorrelationKind


class InOrder(Late):
    """The entries of each rule in order; all of ``rules`` in turn within ``span`` make it true."""

    def __init__(self, rules: Sequence[str], span: int) -> None:
        self._rules, self._span = rules, span
        self._orders: dict[str, list[Order]] = {rule: [] for rule in rules}

    @property
    def alone(self) -> bool:
        """Always: a verdict is a search for each rule."""
        return True

    def prefers(self, late: int, after: int) -> bool:  # noqa: ARG002 # always: some searches
        """Say whether so many late ones are better judged one by one."""
        return True

    def insert(self, at: int, entry: Entry) -> None:  # noqa: ARG002 # its order says where
        """Note the entry among those of its rule."""
        if (orders := self._orders.get(entry.rule_id)) is not None:
            insort(orders, entry.order)

    def remove(self, begin: int, gone: Sequence[Entry]) -> None:  # noqa: ARG002 # the same
        """Forget entries that were taken out."""
        if gone:
            first, last = gone[0].order, gone[-1].order
            for orders in self._orders.values():
                del orders[bisect_left(orders, first) : bisect_right(orders, last)]

    def begin(self, entries: Sequence[Entry]) -> None:
        """Note entries that were saved."""
        self._orders = {rule: [] for rule in self._rules}
        for entry in entries:
            if entry.rule_id in self._orders:
                self._orders[entry.rule_id].append(entry.order)

    def holds(self, entries: Sequence[Entry], at: int) -> bool:
        """Say whether the rules were passed in order, up to that entry."""
        *before, final = self._rules
        orders, now = self._orders[final], entries[at].order
        place = bisect_right(orders, now)
        begun = self._begun(orders[place - 1], before) if place else None
        return begun is not None and begun >= now[0] - self._span

    def _begun(self, order: Order, before: Sequence[str]) -> int | None:
        """Return when the latest chain of the rules ``before`` begins that goes on at ``order``."""
        for rule in reversed(before):
            orders = self._orders[rule]
            place = bisect_left(orders, order)
            if not place:
                return None
            order = orders[place - 1]
        return order[0]

    def _complete(self, order: Order, after: Sequence[str]) -> Order | None:
        """Return where a chain that stands at ``order`` is first through the rules ``after``."""
        for rule in after:
            orders = self._orders[rule]
            place = bisect_right(orders, order)
            if place == len(orders):
                return None
            order = orders[place]
        return order

    def admit(self, entries: Sequence[Entry], true: bytearray, at: int) -> list[int]:
        """Note a late entry; return where the verdict changes by it."""
        entry = entries[at]
        self.insert(at, entry)
        turned = {at} if self.holds(entries, at) else set[int]()
        for place, rule in enumerate(self._rules):
            if rule == entry.rule_id:
                turned.update(self._reached(entries, true, entry.order, place))
        return sorted(turned)

    def _reached(
        self, entries: Sequence[Entry], true: bytearray, order: Order, place: int
    ) -> list[int]:
        """Return where it was not true and is, by chains that pass ``order`` at ``place``."""
        begun = self._begun(order, self._rules[:place])
        complete = self._complete(order, self._rules[place + 1 :])
        if begun is None or complete is None or complete[0] > begun + self._span:
            return []
        begin = bisect_left(entries, complete, key=lambda entry: entry.order)
        end = bisect_right(entries, begun + self._span, key=time_of)
        found: list[int] = []
        while (begin := true.find(0, begin, end)) >= 0:
            found.append(begin)
            begin += 1
        return found


def in_order(correlation: Correlation) -> InOrder | None:
    """Return what orders for a correlation that more entries never make false, None for others."""
    if correlation.kind is not CorrelationKind.TEMPORAL_ORDERED:
        return None
    rules, least = correlation.rules, least_of(correlation)
    expression = correlation.expression
    if correlation.bounds:
        chain = rules[:least] if least is not None and least <= len(rules) else ()
    elif expression is None or expressed(expression, dict.fromkeys(rules, 1)):
        # where all of them are in the window, an expression says the same always
        chain = rules
    else:
        chain = ()
    return InOrder(chain, correlation.timespan) if chain else None

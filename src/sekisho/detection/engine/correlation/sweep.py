"""One pass over a group's entries in order, telling of each whether the correlation is true.

The window at an entry holds what came within the timespan up to it, both ends included. Each
step costs the same however full the window is; sums are exact, so that taking out what was put
in leaves nothing behind.
"""

import bisect
import operator
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction

from sekisho.detection.engine.correlation.plan import Entry
from sekisho.detection.engine.values import number_of
from sekisho.detection.model import (
    AllOf,
    AnyOf,
    AtLeast,
    Atom,
    Bound,
    Correlation,
    CorrelationKind,
    Named,
    Node,
    Not,
    Operator,
    Record,
)

# Whole numbers stay int: exact like fractions, and far quicker.
Figure = int | Fraction
OPERATORS: Mapping[Operator, Callable[[Figure, float], bool]] = {
    Operator.EQ: operator.eq,
    Operator.NEQ: operator.ne,
    Operator.LT: operator.lt,
    Operator.LTE: operator.le,
    Operator.GT: operator.gt,
    Operator.GTE: operator.ge,
}
MOST_RECORDS = 1000
_WHOLE = 100


class Sweep:
    """Goes over entries from old to new and says after each whether the condition holds."""

    def __init__(self, correlation: Correlation) -> None:
        self.correlation = correlation
        self.window: deque[Entry] = deque()
        self._tally = _tally_for(correlation)

    def advance(self, entry: Entry) -> bool:
        """Take the next entry, let go of what is too old for it, and judge."""
        self.window.append(entry)
        self._tally.add(entry)
        while self.window[0].time < entry.time - self.correlation.timespan:
            self._tally.remove(self.window.popleft())
        return self._tally.holds()

    def retreat(self, count: int) -> bool:
        """Take the latest entries back; False, and nothing done, where that cannot be."""
        if count > len(self.window) or not self._tally.forgets:
            return False
        for _ in range(count):
            self._tally.remove(self.window.pop())
        return True

    def readmit(self, entry: Entry) -> None:
        """Take in again what lies just before the window, after a retreat."""
        self.window.appendleft(entry)
        self._tally.add(entry)

    def admit(self, entry: Entry, back: int) -> None:
        """Take an entry in before the latest ``back`` ones, where a count does not ask for order.

        One that is too old for the window is none of its business.
        """
        if entry.time >= self.window[-1].time - self.correlation.timespan:
            self.window.insert(len(self.window) - back, entry)
            self._tally.add(entry)

    def records(self) -> tuple[Record, ...]:
        """Return the records in the window, each once, the latest thousand in order of time."""
        return latest_records(reversed(self.window))


def latest_records(entries: Iterable[Entry]) -> tuple[Record, ...]:
    """Return the records of ``entries`` (the newest first), each once, a thousand, in order."""
    found: dict[Record, None] = {}
    for entry in entries:
        found.update(dict.fromkeys(reversed(entry.records)))
        if len(found) >= MOST_RECORDS:
            break
    return tuple(reversed(tuple(found)[:MOST_RECORDS]))


class _Tally(ABC):
    """What is counted or measured in a window.

    One that ``forgets`` knows nothing but what is in the window, in whatever order it came.
    """

    forgets = True

    def __init__(self, correlation: Correlation) -> None:
        self.correlation = correlation

    @abstractmethod
    def add(self, entry: Entry) -> None:
        """Take an entry in."""

    @abstractmethod
    def remove(self, entry: Entry) -> None:
        """Let an entry go: the oldest, or where it ``forgets`` any."""

    @abstractmethod
    def value(self) -> Figure | None:
        """Return the figure, None if there is none."""

    def holds(self) -> bool:
        """Say whether every bound holds for the figure."""
        value = self.value()
        return value is not None and within(self.correlation.bounds, value)


def within(bounds: tuple[Bound, ...], value: Figure) -> bool:
    """Say whether all bounds hold for a figure."""
    return all(OPERATORS[bound.operator](value, bound.number) for bound in bounds)


class _Counting(_Tally):
    """Different things: records, values, or rules."""

    def __init__(self, correlation: Correlation, thing: Callable[[Entry], object]) -> None:
        super().__init__(correlation)
        self.counts: Counter[object] = Counter()
        self._thing = thing

    def add(self, entry: Entry) -> None:
        thing = self._thing(entry)
        if thing is not None:
            self.counts[thing] += 1

    def remove(self, entry: Entry) -> None:
        thing = self._thing(entry)
        if thing is None:
            return
        self.counts[thing] -= 1
        if not self.counts[thing]:
            del self.counts[thing]

    def value(self) -> Figure | None:
        return len(self.counts)


class _Together(_Counting):
    """Which rules matched: all of them, as many as the bounds say, or as the expression says."""

    def __init__(self, correlation: Correlation) -> None:
        super().__init__(correlation, rule_of)

    def holds(self) -> bool:
        expression = self.correlation.expression
        if expression is not None:
            return expressed(expression, self.counts)
        if self.correlation.bounds:
            return super().holds()
        return len(self.counts) == len(self.correlation.rules)


def expressed(node: Node, seen: Mapping[object, int] | Mapping[str, int]) -> bool:
    """Say whether an expression over rules holds where these were seen."""
    match node:
        case Named(name):
            return name in seen
        case Not(part):
            return not expressed(part, seen)
        case AllOf(parts):
            return all(expressed(part, seen) for part in parts)
        case AnyOf(parts):
            return any(expressed(part, seen) for part in parts)
        case AtLeast(count, parts):
            return sum(expressed(part, seen) for part in parts) >= count
        case Atom():
            return False


class _InOrder(_Tally):
    """How many of the rules, from the first on, matched one after the other.

    For each place in the order the latest beginning of a chain that reaches it is kept: if that
    lies in the window, so does the chain. An expression is asked besides the order.
    """

    forgets = False

    def __init__(self, correlation: Correlation) -> None:
        super().__init__(correlation)
        self.begun: list[int | None] = [None] * len(correlation.rules)
        self.seen = _Together(correlation)
        self.now = 0

    def add(self, entry: Entry) -> None:
        self.now = entry.time
        self.seen.add(entry)
        for place in range(len(self.begun) - 1, -1, -1):
            if self.correlation.rules[place] == entry.rule_id:
                self.begun[place] = self.begun[place - 1] if place else entry.time

    def remove(self, entry: Entry) -> None:
        self.seen.remove(entry)

    def value(self) -> Figure | None:
        oldest = self.now - self.correlation.timespan
        reached = [
            place + 1
            for place, begun in enumerate(self.begun)
            if begun is not None and begun >= oldest
        ]
        return max(reached, default=0)

    def holds(self) -> bool:
        if self.correlation.bounds:
            return super().holds()
        if self.correlation.expression is not None and not self.seen.holds():
            return False
        return self.value() == len(self.correlation.rules)


class _Adding(_Tally):
    """The sum or the average of the numbers; entries without a number do not count."""

    def __init__(self, correlation: Correlation) -> None:
        super().__init__(correlation)
        self.total: Figure = 0
        self.count = 0

    def add(self, entry: Entry) -> None:
        number = number_in(entry)
        if number is not None:
            self.total += number
            self.count += 1

    def remove(self, entry: Entry) -> None:
        number = number_in(entry)
        if number is not None:
            self.total -= number
            self.count -= 1

    def value(self) -> Figure | None:
        if not self.count:
            return None
        average = self.correlation.kind is CorrelationKind.VALUE_AVG
        return Fraction(self.total) / self.count if average else self.total


class _Ranking(_Tally):
    """A percentile of the numbers, between two of them by straight line; the median is the 50th."""

    def __init__(self, correlation: Correlation) -> None:
        super().__init__(correlation)
        self.ranked: list[Figure] = []

    def add(self, entry: Entry) -> None:
        number = number_in(entry)
        if number is not None:
            bisect.insort(self.ranked, number)

    def remove(self, entry: Entry) -> None:
        number = number_in(entry)
        if number is not None:
            del self.ranked[bisect.bisect_left(self.ranked, number)]

    def value(self) -> Figure | None:
        if not self.ranked:
            return None
        place = Fraction(self.correlation.percentile) / _WHOLE * (len(self.ranked) - 1)
        below = int(place)
        above = min(below + 1, len(self.ranked) - 1)
        return self.ranked[below] + (self.ranked[above] - self.ranked[below]) * (place - below)


def number_in(entry: Entry) -> Figure | None:
    """Return the number measured, exactly; None where there is none."""
    number = None if entry.measured is None else number_of(entry.measured[0])
    if number is None:
        return None
    return int(number) if number.is_integer() else Fraction(number)


def values_of(entry: Entry) -> object:
    """Return the values counted, without case as everywhere in Sigma; None where there are none."""
    if entry.measured is None:
        return None
    folded = tuple(value.casefold() for value in entry.measured)
    return entry.measured if folded == entry.measured else folded


record_of = operator.attrgetter("time", "record")
"""What makes an event; of a line that says it was repeated, each turn is one, at its own time."""

rule_of = operator.attrgetter("rule_id")


def _tally_for(correlation: Correlation) -> _Tally:
    match correlation.kind:
        case CorrelationKind.EVENT_COUNT:
            return _Counting(correlation, record_of)
        case CorrelationKind.VALUE_COUNT:
            return _Counting(correlation, values_of)
        case CorrelationKind.TEMPORAL:
            return _Together(correlation)
        case CorrelationKind.TEMPORAL_ORDERED:
            return _InOrder(correlation)
        case CorrelationKind.VALUE_SUM | CorrelationKind.VALUE_AVG:
            return _Adding(correlation)
        case CorrelationKind.VALUE_PERCENTILE | CorrelationKind.VALUE_MEDIAN:
            return _Ranking(correlation)

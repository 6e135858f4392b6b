"""Sums, averages and percentiles of many windows, changed together by one late entry.

A number more moves a figure (``columns``) of every window that holds it by the same amount. The
windows stand in blocks. Each block knows how far its figures may move before an answer in it
changes, and nothing in it is looked at until then.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence

from sekisho.detection.engine.correlation.columns import Column, Rank, Sides, columns_for
from sekisho.detection.engine.correlation.late import FEW, Late
from sekisho.detection.engine.correlation.plan import Entry
from sekisho.detection.engine.correlation.sweep import Figure, number_in
from sekisho.detection.model import Correlation

MOST_A_BLOCK = 128
_A_PASS = 64
"""A pass over that many entries costs about what one late entry costs."""
NEAR = 48
"""For what comes no further from the end, keeping figures does not pay."""


class _Row:
    """One column's figures in a block: those written down and ``moved``.

    Between ``low`` and ``high``, both excluded, ``moved`` changes no answer.
    """

    def __init__(self, column: Column, figures: list[Figure]) -> None:
        self.column, self.figures = column, figures
        self.moved: Figure = 0
        self.low: Figure | float = -math.inf
        self.high: Figure | float = math.inf
        self.settle()

    def settle(self) -> None:
        """Write down how far the figures moved, and find how far they may."""
        if self.moved:
            self.figures = [figure + self.moved for figure in self.figures]
            self.moved = 0
        ranked, column = sorted(self.figures), self.column
        first, last = bisect_left(ranked, column.lowest), bisect_right(ranked, column.highest)
        self.high = column.lowest - ranked[first - 1] if first else math.inf
        self.low = column.highest - ranked[last] if last < len(ranked) else -math.inf
        if first < last:  # numbers beside it decide, which each late entry can change
            self.low = math.inf

    def put(self, at: int, figure: Figure) -> None:
        written, column = figure - self.moved, self.column
        self.figures.insert(at, written)
        if figure > column.highest:
            self.low = max(self.low, column.highest - written)
        elif figure < column.lowest:
            self.high = min(self.high, column.lowest - written)
        else:
            self.low = math.inf

    def move(self, weight: Figure) -> bool:
        """Move all figures, and say whether no answer can have changed by it."""
        self.moved += weight
        if self.low < self.moved < self.high:
            return True
        self.settle()
        return False

    def move_part(self, begin: int, end: int, weight: Figure) -> None:
        self.figures[begin:end] = [figure + weight for figure in self.figures[begin:end]]
        self.settle()


class _Block:
    """The rows of neighbouring entries, and for percentiles what their numbers are next to."""

    def __init__(self, columns: Sequence[Column], figures: Iterable[list[Figure]]) -> None:
        self.rows = list(map(_Row, columns, figures))
        self.sides: dict[Column, Sides] = {}

    def __len__(self) -> int:
        return len(self.rows[0].figures)

    def put(self, at: int, figures: Iterable[Figure]) -> None:
        self.sides.clear()
        for row, figure in zip(self.rows, figures, strict=True):
            row.put(at, figure)

    def figures(self, at: int) -> list[Figure]:
        return [row.figures[at] + row.moved for row in self.rows]

    def move(self, weights: Sequence[Figure]) -> bool:
        """Move every row, and say whether no answer can have changed by it."""
        certain = True
        for row, weight in zip(self.rows, weights, strict=True):
            certain &= row.move(weight)
        return certain

    def move_part(self, begin: int, end: int, weights: Sequence[Figure]) -> None:
        for row, weight in zip(self.rows, weights, strict=True):
            row.move_part(begin, end, weight)

    def halves(self) -> tuple["_Block", "_Block"]:
        middle, columns = len(self) // 2, [row.column for row in self.rows]
        all_figures = [[figure + row.moved for figure in row.figures] for row in self.rows]
        return (
            _Block(columns, [figures[:middle] for figures in all_figures]),
            _Block(columns, [figures[middle:] for figures in all_figures]),
        )


class Measured(Late):
    """The figures of all windows of a group, from the first late entry on.

    Of groups where none comes late, nothing is kept; nor after a pass or where old entries were
    let go, until the next late one.
    """

    def __init__(self, columns: Sequence[Column], span: int) -> None:
        self._columns, self._span = columns, span
        self._times: list[int] = []
        self._numbers: list[Figure | None] = []
        self._blocks: list[_Block] = []

    @property
    def alone(self) -> bool:
        """Where figures are kept."""
        return bool(self._blocks)

    def prefers(self, late: int, after: int) -> bool:
        """Say whether so many late ones are better judged one by one: not where they are near."""
        return late <= max(FEW, after // _A_PASS) and (self.alone or after > NEAR)

    def insert(self, at: int, entry: Entry) -> None:
        """Note a last entry; one before the last that a pass judges ends the keeping."""
        if self._blocks and at == len(self._times):
            self._put(at, entry.time, number_in(entry))
        else:
            self._keep_none()

    def remove(self, begin: int, gone: Sequence[Entry]) -> None:  # noqa: ARG002 # whatever it is
        """Keep figures no longer."""
        if gone:
            self._keep_none()

    def begin(self, entries: Sequence[Entry]) -> None:  # noqa: ARG002 # until one comes late
        """Keep no figures so far."""
        self._keep_none()

    def _keep_none(self) -> None:
        self._times, self._numbers, self._blocks = [], [], []

    def holds(self, entries: Sequence[Entry], at: int) -> bool:  # noqa: ARG002 # figures know
        """Say whether all bounds hold at the place ``at``, where figures are kept."""
        ((block, start, _),) = self._parts(at, at + 1)
        return self._verdict(block, start, at)

    def admit(self, entries: Sequence[Entry], true: bytearray, at: int) -> list[int]:
        """Note the number of a late entry; return where the verdict changes by it."""
        entry = entries[at]
        if self._blocks:
            number = number_in(entry)
            self._put(at, entry.time, number)
            doubtful = [*self._parts(at, at + 1), *self._moved(at, entry.time, number)]
        else:
            self._keep(entries)
            doubtful = list(self._parts(at, self._until(entry.time)))
        return [
            place
            for block, start, places in doubtful
            for place in places
            if self._verdict(block, start, place) != true[place]
        ]

    def _until(self, time: int) -> int:
        return bisect_right(self._times, time + self._span)

    def _since(self, time: int) -> int:
        return bisect_left(self._times, time - self._span)

    def _parts(self, begin: int, end: int) -> Iterator[tuple[_Block, int, range]]:
        """Go over the blocks between two places: each, where it starts, and which of its places."""
        start = 0
        for block in self._blocks:
            if start >= end:
                return
            stop = start + len(block)
            if stop > begin:
                yield block, start, range(max(begin, start), min(end, stop))
            start = stop

    def _moved(
        self, at: int, time: int, number: Figure | None
    ) -> Iterator[tuple[_Block, int, range]]:
        """Move what has the new entry in its window; return where that may change a verdict."""
        if number is None:
            return
        weights = [column.weight(number) for column in self._columns]
        for block, start, places in self._parts(at + 1, self._until(time)):
            if len(places) < len(block):
                block.move_part(places.start - start, places.stop - start, weights)
            elif block.move(weights):
                continue
            yield block, start, places

    def _put(self, at: int, time: int, number: Figure | None) -> None:
        figures = self._figures(at, time, number)
        self._times.insert(at, time)
        self._numbers.insert(at, number)
        beside = max(at - 1, 0)
        ((block, start, _),) = self._parts(beside, beside + 1)
        block.put(at - start, figures)
        if len(block) > MOST_A_BLOCK:
            place = self._blocks.index(block)
            self._blocks[place : place + 1] = block.halves()

    def _figures(self, at: int, time: int, number: Figure | None) -> list[Figure]:
        """Return what the window of a new entry says: that of the one before, less what is old."""
        figures = [column.offset for column in self._columns]
        since = self._since(time)
        if since < at:
            ((block, start, _),) = self._parts(at - 1, at)
            figures = block.figures(at - 1 - start)
            old = self._numbers[self._since(self._times[at - 1]) : since]
            self._add(figures, old, -1)
        self._add(figures, (number,), 1)
        return figures

    def _add(self, figures: list[Figure], numbers: Iterable[Figure | None], times: int) -> None:
        there = [number for number in numbers if number is not None]
        for place, column in enumerate(self._columns):
            figures[place] += times * sum(map(column.weight, there))

    def _keep(self, entries: Sequence[Entry]) -> None:
        """Begin to keep figures, of all entries there are."""
        self._times = [entry.time for entry in entries]
        self._numbers = [number_in(entry) for entry in entries]
        figures = [self._swept(column) for column in self._columns]
        half = MOST_A_BLOCK // 2
        self._blocks = [
            _Block(self._columns, [one[begin : begin + half] for one in figures])
            for begin in range(0, len(entries), half)
        ]

    def _swept(self, column: Column) -> list[Figure]:
        weights = [0 if number is None else column.weight(number) for number in self._numbers]
        found: list[Figure] = []
        figure, low = column.offset, 0
        for time, weight in zip(self._times, weights, strict=True):
            figure += weight
            while self._times[low] < time - self._span:
                figure -= weights[low]
                low += 1
            found.append(figure)
        return found

    def _verdict(self, block: _Block, start: int, place: int) -> bool:
        for row in block.rows:
            figure = row.figures[place - start] + row.moved
            said = row.column.says(figure)
            if said is None and isinstance(row.column, Rank):
                since = self._since(self._times[place])
                said = row.column.between(figure, *self._beside(row.column, since, place + 1))
            if not said:
                return False
        return True

    def _beside(self, column: Rank, begin: int, end: int) -> tuple[Figure, Figure]:
        """Return which numbers between two places are next to the bound."""
        found: list[Sides] = []
        for block, _, places in self._parts(begin, end):
            numbers = self._numbers[places.start : places.stop]
            if len(numbers) < len(block):
                found.append(column.sides(numbers))
            else:
                if column not in block.sides:
                    block.sides[column] = column.sides(numbers)
                found.append(block.sides[column])
        below, above = zip(*found, strict=True)
        return max(below), min(above)


def measured(correlation: Correlation) -> Measured | None:
    """Return what measures for a correlation of sums, averages or percentiles, None for others."""
    columns = columns_for(correlation)
    return Measured(columns, correlation.timespan) if columns else None

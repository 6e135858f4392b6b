"""Figures that are sums over a window, and say by their sign whether a bound holds there.

A sum less its bound is one, as are numbers each less the bound for an average. For a percentile it
is how far its place in the ranking lies above the numbers below the bound. All are exact.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from fractions import Fraction

from sekisho.detection.engine.correlation.sweep import OPERATORS, Figure
from sekisho.detection.model import Bound, Correlation, CorrelationKind, Operator

_WHOLE = 100
Sides = tuple[Figure | float, Figure | float]
"""The greatest number below a bound and the least that is not; infinite where there is none."""


class Column(ABC):
    """One figure of each window: ``offset`` and the weights of the numbers in it.

    Above ``highest`` and below ``lowest`` the answer is one and the same each.
    """

    offset: Figure = 0
    lowest: int = 0
    highest: int = 0

    @abstractmethod
    def weight(self, number: Figure) -> Figure:
        """Return what a number in the window adds."""

    @abstractmethod
    def says(self, figure: Figure) -> bool | None:
        """Say whether the bound holds; None where the numbers beside it decide (``between``)."""


class Some(Column):
    """There is a number at all."""

    offset = -1

    def weight(self, number: Figure) -> Figure:  # noqa: ARG002 # each is one more, and odd never 0
        """Return what a number in the window adds."""
        return 2

    def says(self, figure: Figure) -> bool | None:
        """Say whether there is one."""
        return figure > 0


class Total(Column):
    """A sum, or with ``each`` an average, against a bound; times the bound's denominator."""

    def __init__(self, bound: Bound, *, each: bool) -> None:
        self._compare = OPERATORS[bound.operator]
        above, self._scale = bound.number.as_integer_ratio()
        self._less, self.offset = (above, 0) if each else (0, -above)

    def weight(self, number: Figure) -> Figure:
        """Return what a number in the window adds."""
        return number * self._scale - self._less

    def says(self, figure: Figure) -> bool | None:
        """Say whether the bound holds."""
        return self._compare(figure, 0)


class Rank(Column):
    """A percentile against a bound that numbers are above or below, never to be equal.

    With ``place`` = ``percentile`` / 100 * (count - 1), where the percentile lies in the ranking,
    the figure is ``place`` less how many are below the bound, times a denominator. From 0 on the
    number at the place is not below, down from -1 the next is; in between both decide by how far
    the place is from either.
    """

    def __init__(self, bound: Bound, percentile: float) -> None:
        self._bound, self._compare = bound.number, OPERATORS[bound.operator]
        self._upwards = bound.operator in {Operator.GT, Operator.GTE}
        self._counts_equal = bound.operator in {Operator.GT, Operator.LTE}
        self._part, self._whole = (Fraction(percentile) / _WHOLE).as_integer_ratio()
        self.offset, self.lowest, self.highest = -self._part, 1 - self._whole, -1

    def _below(self, number: Figure) -> bool:
        return number <= self._bound if self._counts_equal else number < self._bound

    def weight(self, number: Figure) -> Figure:
        """Return what a number in the window adds."""
        return self._part - self._whole if self._below(number) else self._part

    def says(self, figure: Figure) -> bool | None:
        """Say whether the bound holds."""
        if figure > self.highest:
            return self._upwards
        return None if figure >= self.lowest else not self._upwards

    def sides(self, numbers: Iterable[Figure | None]) -> Sides:
        """Return which of the numbers lie next to the bound."""
        below: Figure | float = -math.inf
        above: Figure | float = math.inf
        for number in numbers:
            if number is not None:
                if self._below(number):
                    below = max(below, number)
                else:
                    above = min(above, number)
        return below, above

    def between(self, figure: Figure, below: Figure, above: Figure) -> bool:
        """Say whether the bound holds between those two."""
        far = Fraction(figure + self._whole) / self._whole
        return self._compare(below + (above - below) * far, self._bound)


def columns_for(correlation: Correlation) -> tuple[Column, ...]:
    """Return what decides a correlation that measures; none for others."""
    bounds = correlation.bounds
    match correlation.kind:
        case CorrelationKind.VALUE_SUM | CorrelationKind.VALUE_AVG:
            each = correlation.kind is CorrelationKind.VALUE_AVG
            return (Some(), *(Total(bound, each=each) for bound in bounds))
        case CorrelationKind.VALUE_PERCENTILE | CorrelationKind.VALUE_MEDIAN:
            if any(bound.operator in {Operator.EQ, Operator.NEQ} for bound in bounds):
                return ()  # equal is neither above nor below
            return (Some(), *(Rank(bound, correlation.percentile) for bound in bounds))
        case _:
            return ()

"""The plan of one column: which texts to search for and which terms to test."""

from collections.abc import Mapping, Sequence

from sekisho.detection.engine.compiled.literals import clue_of
from sekisho.detection.engine.compiled.terms import KEYWORDS, Column, ColumnPlan
from sekisho.detection.model import Exists, IsNull, Test


def plan_column(column: Column, terms: Mapping[int, Test]) -> ColumnPlan:
    """Return how the values of ``column`` are judged for ``terms`` (by number)."""
    slots: dict[str, tuple[list[int], list[int]]] = {}
    each: list[int] = []
    nulls = _of(terms, IsNull)
    exists = _of(terms, Exists)
    for number, test in terms.items():
        if number in nulls or number in exists:
            continue
        clue = clue_of(test) if column.other is None else None
        if clue is None:
            each.append(number)
            continue
        for text in clue.texts:
            slots.setdefault(text, ([], []))[0 if clue.proof else 1].append(number)
    return ColumnPlan(
        column=column,
        literals=tuple(slots),
        direct=tuple(tuple(direct) for direct, _ in slots.values()),
        checked=tuple(tuple(checked) for _, checked in slots.values()),
        each=tuple(each),
        nulls=nulls,
        exists=exists,
    )


def _of(terms: Mapping[int, Test], kind: type[IsNull | Exists]) -> tuple[int, ...]:
    return tuple(number for number, test in terms.items() if isinstance(test, kind))


def plan_columns(columns: Sequence[Column], tests: Sequence[Test]) -> tuple[ColumnPlan, ...]:
    """Return the plans of all columns of a group; ``columns[n]`` is that of the n-th term."""
    grouped: dict[Column, dict[int, Test]] = {}
    for number, (column, test) in enumerate(zip(columns, tests, strict=True)):
        grouped.setdefault(column, {})[number] = test
    ordered = sorted(grouped, key=lambda column: column == KEYWORDS)
    return tuple(plan_column(column, grouped[column]) for column in ordered)

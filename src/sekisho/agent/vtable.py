"""Our tables as SQLite virtual tables: constraints handed down, values coerced, rows numbered.

Shape: APSW's VTModule/VTTable/VTCursor protocols (SQLite's https://www.sqlite.org/vtab.html).
Constraints are never marked as done: SQLite checks each row again, so a reader may ignore them.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import apsw

from sekisho.agent.budget import Budget
from sekisho.agent.table import Column, Row, Table, Where

Value = str | int | float | None

NoteUse = Callable[[str, Iterable[str]], None]
"""Told (table, columns) whenever SQLite plans to read them; may raise to refuse."""

_EQ = apsw.SQLITE_INDEX_CONSTRAINT_EQ
_LIKE = apsw.SQLITE_INDEX_CONSTRAINT_LIKE
_FULL_SCAN_COST = 100_000.0
_PUSHED_COST = 10.0
_INTEGERS = frozenset({"INTEGER", "BIGINT"})


class Module:
    """The module that SQLite asks for a table of a given name."""

    def __init__(self, tables: Mapping[str, Table], note_use: NoteUse, budget: Budget) -> None:
        self._tables = tables
        self._note_use = note_use
        self._budget = budget

    def Connect(self, _db: object, name: str, *_rest: object) -> tuple[str, "_Source"]:  # noqa: N802 - APSW's name
        """Declare the table to SQLite."""
        table = self._tables[name]
        columns = ", ".join(f'"{column.name}" {column.type}' for column in table.columns)
        return f"CREATE TABLE x({columns})", _Source(table, self._note_use, self._budget)

    Create = Connect


class _Source:
    """One table within one statement: chooses constraints and opens cursors."""

    def __init__(self, table: Table, note_use: NoteUse, budget: Budget) -> None:
        self.table = table
        self._note_use = note_use
        self._budget = budget

    def BestIndexObject(self, info: apsw.IndexInfo) -> bool:  # noqa: N802 - APSW's name
        """Pick the constraints to hand down; the plan is a JSON list of where-keys."""
        # The authorizer is not asked about the columns of USING and NATURAL; this set names all.
        columns = self.table.columns
        names = (columns[use].name for use in info.colUsed if use < len(columns))
        self._note_use(self.table.name, tuple(names))
        keys: list[str] = []
        for number in range(info.nConstraint):
            key = self._key(info, number)
            if key is None or key in keys:
                continue
            keys.append(key)
            info.set_aConstraintUsage_argvIndex(number, len(keys))
            if info.get_aConstraintUsage_in(number):
                info.set_aConstraintUsage_in(number, True)
        info.idxStr = json.dumps(keys)
        info.estimatedCost = _PUSHED_COST if keys else _FULL_SCAN_COST
        info.estimatedRows = 10 if keys else 10_000
        return True

    def _key(self, info: apsw.IndexInfo, number: int) -> str | None:
        """Return the where-key of a constraint that can be handed down, else None."""
        position = info.get_aConstraint_iColumn(number)
        if position < 0 or not info.get_aConstraint_usable(number):
            return None
        column = self.table.columns[position]
        if column.name not in self.table.pushed:
            return None
        operator = info.get_aConstraint_op(number)
        if operator == _LIKE:
            return f"{column.name}~"
        # Under another collation "equal" is wider than the reader's equality.
        same = info.get_aConstraint_collation(number) in {"BINARY", "NOCASE"}
        return column.name if operator == _EQ and same else None

    def Open(self) -> "_Cursor":  # noqa: N802 - APSW's name
        return _Cursor(self.table, self._budget)

    def Disconnect(self) -> None:  # noqa: N802 - APSW's name
        """Nothing is held between statements."""

    Destroy = Disconnect


class _Cursor:
    """One pass over a table's rows."""

    def __init__(self, table: Table, budget: Budget) -> None:
        self._table = table
        self._budget = budget
        self._rows: Iterator[Row] = iter(())
        self._row: tuple[Value, ...] | None = None
        self._seen: dict[tuple[Value, ...], int] = {}

    def Filter(self, _number: int, plan: str | None, arguments: tuple[Any, ...] | None) -> None:  # noqa: N802 - APSW's name
        """Start reading with the constraints that BestIndexObject chose."""
        keys = json.loads(plan or "[]")
        where = {key: wanted_texts(value) for key, value in zip(keys, arguments or (), strict=True)}
        self._seen = {}
        # A constraint that no value can meet (= NULL, an empty IN) needs no reading.
        impossible = any(not wanted for wanted in where.values())
        self._rows = iter(()) if impossible else self._read(where)
        self.Next()

    def _read(self, where: Where) -> Iterator[Row]:
        """Yield the reader's rows; the time it takes is not SQLite's."""
        self._budget.begin_reading()
        try:
            rows = iter(self._table.rows(where))
        finally:
            self._budget.end_reading()
        while (row := self._next(rows)) is not None:
            yield row

    def _next(self, rows: Iterator[Row]) -> Row | None:
        self._budget.begin_reading()
        try:
            return next(rows, None)
        finally:
            self._budget.end_reading()

    def Eof(self) -> bool:  # noqa: N802 - APSW's name
        return self._row is None

    def Next(self) -> None:  # noqa: N802 - APSW's name
        row = next(self._rows, None)
        self._row = None if row is None else coerce_row(self._table.columns, row)

    def Column(self, number: int) -> Value:  # noqa: N802 - APSW's name
        if self._row is None:
            return None
        return self.Rowid() if number < 0 else self._row[number]

    def Rowid(self) -> int:  # noqa: N802 - APSW's name
        """Return a number that follows from the row's content.

        For ``a OR b`` SQLite reads the table twice and drops rows whose number it saw before, so
        a plain counter would drop different rows. Equal rows of one pass get different numbers.
        """
        row = self._row or ()
        before = self._seen.get(row, 0)
        self._seen[row] = before + 1
        return hash((row, before))

    def Close(self) -> None:  # noqa: N802 - APSW's name
        self._rows = iter(())


def wanted_texts(value: Any) -> tuple[str, ...]:
    """Turn a constraint's right side (a value, or the set of an IN) into texts; NULL matches none.

    A whole float is written as a whole number: SQLite compares 5.0 and 5 as equal.
    """
    values: Iterable[Any] = value if isinstance(value, (set, frozenset)) else (value,)
    return tuple(sorted(_as_text(one) for one in values if one is not None))


def _as_text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def coerce_row(columns: tuple[Column, ...], row: Row) -> tuple[Value, ...]:
    """Give each value the column's type; what cannot take it becomes NULL, as in osquery."""
    return tuple(coerce(column.type, row.get(column.name)) for column in columns)


def coerce(type_name: str, value: object) -> Value:
    """Give one value its type; ``None`` and a text that is no number (in a number column) are NULL.

    Without this, ``major = 14`` would be false for the text '14' of a virtual table.
    """
    if value is None:
        return None
    if type_name == "TEXT":
        return str(int(value)) if isinstance(value, bool) else str(value)
    try:
        return int(str(value).strip() or "x") if type_name in _INTEGERS else float(str(value))
    except ValueError:
        return int(value) if isinstance(value, (bool, float)) else None

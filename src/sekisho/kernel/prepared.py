"""Queries that are asked over and over: compiled once, and handed to the driver as they are.

SQLAlchemy's way from a statement to its rows costs five to ten times what SQLite needs to answer;
where one decision asks seventeen questions, that is most of its time. Only constant queries are
asked so, and everything else goes the usual way.
"""

import threading
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Dialect, Select, bindparam, exc

from sekisho.kernel.db import Listed, Transaction

_Made = TypeVar("_Made")
_Words = tuple[tuple[Any, ...], ...]
_encode = msgspec.json.Encoder().encode
_Process = Callable[[Any], Any]


def among_given(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Say that ``column`` is one of the texts given as ``name``, however many they are."""
    return column.op("IN", is_comparison=True)(Listed(bindparam(name)))


@dataclass(frozen=True, slots=True)
class _Plan:
    """A query as one driver takes it: ``order`` is None where parameters go by their names."""

    sql: str
    order: Sequence[str] | None
    fixed: Mapping[str, Any]
    writers: Mapping[str, _Process]
    readers: Sequence[tuple[int, _Process]]

    def write(self, given: Mapping[str, Any]) -> Any:
        """Return the parameters in the driver's own form."""
        values = {**self.fixed, **{name: _write(value) for name, value in given.items()}}
        for name, process in self.writers.items():
            values[name] = process(values[name])
        return values if self.order is None else [values[name] for name in self.order]


def _write(value: Any) -> Any:
    return _encode(list(value)).decode() if isinstance(value, list | tuple | set) else value


class Prepared:
    """One constant query; its parameters are ``bindparam`` and ``among_given``."""

    def __init__(self, statement: Select[Any]) -> None:
        self._statement = statement
        self._plans: dict[str, _Plan] = {}
        self._make_row = _row_type([str(column.key) for column in statement.selected_columns])._make

    def rows(self, tx: Transaction, given: Mapping[str, Any] | None = None) -> list[Any]:
        """Return all rows, as ``tx.rows`` would."""
        return self.read(tx, self.words(tx, given))

    def words(self, tx: Transaction, given: Mapping[str, Any] | None = None) -> list[Any]:
        """Return all rows as the driver gives them, for ``read``."""
        plan = self._plan(tx)
        line = tx.connection.connection
        try:
            cursor = line.cursor()
            cursor.execute(plan.sql, plan.write(given or {}))
            found = list(cursor.fetchall())
            cursor.close()
        except tx.connection.dialect.loaded_dbapi.OperationalError as error:
            raise exc.OperationalError(plan.sql, None, error) from error
        return found

    def read(self, tx: Transaction, words: Sequence[Sequence[Any]]) -> list[Any]:
        """Make rows of words."""
        readers = self._plan(tx).readers
        if not readers:
            return [self._make_row(each) for each in words]
        found = []
        for each in words:
            row = list(each)
            for place, read in readers:
                row[place] = read(row[place])
            found.append(self._make_row(row))
        return found

    def _plan(self, tx: Transaction) -> _Plan:
        plan = self._plans.get(tx.dialect)
        if plan is None:
            plan = self._plans[tx.dialect] = _prepare(self._statement, tx.connection.dialect)
        return plan


def _row_type(names: Sequence[str]) -> Any:
    """Return the type of a query's rows: its names, and what SQLAlchemy calls their mapping."""
    make: Any = namedtuple  # noqa: PYI024 - the names are known at run time alone
    mapping = property(lambda row: row._asdict())
    return type("Row", (make("Row", names),), {"__slots__": (), "_mapping": mapping})


def _prepare(statement: Select[Any], dialect: Dialect) -> _Plan:
    compiled: Any = statement.compile(dialect=dialect)
    impls = {name: bind.type.dialect_impl(dialect) for name, bind in compiled.binds.items()}
    writers = {name: impl.bind_processor(dialect) for name, impl in impls.items()}
    columns = [column.type.dialect_impl(dialect) for column in statement.selected_columns]
    readers = [impl.result_processor(dialect, None) for impl in columns]
    return _Plan(
        sql=str(compiled),
        order=compiled.positiontup,
        fixed={name: bind.value for name, bind in compiled.binds.items()},
        writers={name: process for name, process in writers.items() if process is not None},
        readers=[(place, read) for place, read in enumerate(readers) if read is not None],
    )


class Remembered(Generic[_Made]):
    """Values made of rows, known again by the very words of their rows.

    The rows are read each time, so what is given is never older than the transaction; only the
    making is spared, which costs four times as much as reading. ``make`` gets rows of ``query``;
    at most ``most`` values are kept, and whoever gets one must not change it.
    """

    def __init__(self, query: Prepared, make: Callable[[Sequence[Any]], _Made], most: int) -> None:
        self._query = query
        self._make = make
        self._most = most
        self._made: dict[tuple[str, _Words], _Made] = {}
        self._lock = threading.Lock()

    def of(self, tx: Transaction, words: Sequence[Sequence[Any]]) -> _Made:
        """Return what is made of these rows."""
        key = (tx.dialect, tuple(tuple(row) for row in words))
        found = self._made.get(key)
        if found is None:
            found = self._make(self._query.read(tx, key[1]))
            with self._lock:
                self._made[key] = found
                while len(self._made) > self._most:
                    del self._made[next(iter(self._made))]
        return found

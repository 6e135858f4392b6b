"""A stand-in for osquery's SQL: its tables, empty, and the functions our checks may use.

It compiles and runs checks where there is no device: for the lint, the manifest and the tests of
the content. Names come from ``content/osquery_schema.json`` (osquery 5.23 and our own agent).
"""

import re
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import msgspec

_ORDER = re.compile(r"\d+|[A-Za-z]+")
_STEPS_PER_CALL = 1000
_CALLS_AT_MOST = 20_000
_ALLOWED = frozenset(
    {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
    }
)

Reads = frozenset[tuple[str, str]]
"""The (table, column) pairs a query reads; column "" means that rows are only counted."""


@dataclass(frozen=True, slots=True)
class TableNames:
    """One table: its columns with their types, where it exists, and whether only our agent has it.

    ``agent_platforms`` are the platforms on which only the Sekisho agent offers it.
    """

    columns: Mapping[str, str]
    platforms: frozenset[str]
    agent_platforms: frozenset[str]


@lru_cache(maxsize=1)
def load_schema() -> Mapping[str, TableNames]:
    """Read the names of all tables that a check may use."""
    raw = files("sekisho").joinpath("content/osquery_schema.json").read_bytes()
    return {
        name: TableNames(
            table["columns"], frozenset(table["platforms"]), frozenset(table["agent_platforms"])
        )
        for name, table in msgspec.json.decode(raw).items()
    }


class Bench:
    """Empty tables in memory; tests put rows in, the lint reads what a query touches."""

    def __init__(self) -> None:
        self._reads: set[tuple[str, str]] = set()
        self._schema = load_schema()
        self._database = sqlite3.connect(":memory:", isolation_level=None)
        self._database.create_collation("version", compare_versions)
        self._database.create_function("version_compare", -1, _version_compare, deterministic=True)
        for name, table in self._schema.items():
            columns = ",".join(f'"{c}" {kind}' for c, kind in table.columns.items())
            self._database.execute(f'CREATE TABLE "{name}" ({columns})')

    def compile(self, sql: str) -> Reads:
        """Return what ``sql`` reads; raises ``sqlite3.Error`` with SQLite's own words."""
        self._reads.clear()
        self._database.set_authorizer(self._authorize)
        try:
            self._database.execute(f"EXPLAIN {sql}").fetchall()
        finally:
            self._database.set_authorizer(None)
        return frozenset(self._reads)

    def run(
        self, sql: str, tables: Mapping[str, Sequence[Mapping[str, str | int]]]
    ) -> list[tuple[object, ...]]:
        """Answer ``sql`` over these rows; columns that are not named are empty, as in osquery."""
        self._database.execute("BEGIN")
        self._database.set_progress_handler(_Budget().spend, _STEPS_PER_CALL)
        try:
            for name, rows in tables.items():
                self._fill(name, rows)
            return self._database.execute(sql).fetchall()
        finally:
            self._database.set_progress_handler(None, 0)
            self._database.execute("ROLLBACK")

    def _fill(self, name: str, rows: Sequence[Mapping[str, str | int]]) -> None:
        columns = self._schema[name].columns
        marks = ",".join("?" * len(columns))
        values = [tuple(row.get(column, "") for column in columns) for row in rows]
        self._database.executemany(f'INSERT INTO "{name}" VALUES ({marks})', values)  # noqa: S608 - names come from our own schema file

    def _authorize(
        self, action: int, first: str | None, second: str | None, *_rest: str | None
    ) -> int:
        if action == sqlite3.SQLITE_READ and first is not None and first in self._schema:
            self._reads.add((first, second or ""))
        return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


class _Own(threading.local):
    """One bench a thread, since SQLite's connections stay with theirs."""

    def __init__(self) -> None:
        self.bench = Bench()


@lru_cache(maxsize=1)
def _own() -> _Own:
    return _Own()


def current_bench() -> Bench:
    """Return this thread's bench; making one costs more than most questions to it."""
    return _own().bench


class _Budget:
    """Stops a query that would run for ever (a recursive one without an end)."""

    def __init__(self) -> None:
        self._left = _CALLS_AT_MOST

    def spend(self) -> int:
        self._left -= 1
        return 1 if self._left < 0 else 0


def compare_versions(first: str, second: str) -> int:
    """Order two versions by their numbers and words, as osquery's ``version`` collation does."""
    left, right = _version_key(first), _version_key(second)
    return (left > right) - (left < right)


def _version_compare(first: str, second: str, _flavour: str = "") -> int:
    return compare_versions(first, second)


def _version_key(text: str) -> list[tuple[int, int, str]]:
    parts = _ORDER.findall(text)
    return [(1, int(p), "") if p.isdigit() else (0, 0, p.lower()) for p in parts]

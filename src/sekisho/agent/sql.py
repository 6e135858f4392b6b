"""The agent's SQL: osquery's tables over SQLite virtual tables, reading only, bounded.

Invariants:
- Only SELECT over tables that exist here; the authorizer denies everything else (sqlite3's
  ``sqlite3_set_authorizer``), and it is also what tells which columns a query reads.
- A table that cannot be read fails the whole query (status 1): unknown, never "nothing found".
- One statement, at most 5 seconds of SQLite's own work (``budget``; readers have their own
  limits), 5,000 rows and 8 MiB of answer.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import apsw

from sekisho.agent import functions
from sekisho.agent.budget import ENGINE_SECONDS, Budget
from sekisho.agent.builtin import Identity, builtin_tables
from sekisho.agent.table import Table, UnreadableError
from sekisho.agent.vtable import Module
from sekisho.wire.manifest import TableColumn

MAX_ROWS = 5_000
MAX_ANSWER_BYTES = 8 * 1024 * 1024
MAX_SQL_BYTES = 256 * 1024
MAX_VALUE_BYTES = 1024 * 1024

_PROGRESS_STEPS = 1_000
_JSON_TABLES = frozenset({"json_each", "json_tree"})
_ALLOWED = frozenset({apsw.SQLITE_SELECT, apsw.SQLITE_RECURSIVE})

ResultRow = dict[str, str]
Permission = Callable[[TableColumn], bool]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one query gave: ``status`` 0 with rows, or 1 with a message that says why not.

    Shapes as osquery's distributed/write: all values are texts, NULL is "". ``wall_time_ms`` is
    what the query took here.
    """

    rows: tuple[ResultRow, ...] = ()
    status: int = 0
    message: str = ""
    wall_time_ms: int = 0


class QueryError(Exception):
    """A query that gives no answer here: bad SQL, a limit, or something not permitted."""


@dataclass(slots=True)
class _Watch:
    """What the authorizer does at the moment: notes reads, and denies what is not permitted."""

    reads: set[TableColumn] = field(default_factory=set)
    permits: Permission | None = None
    denied: list[TableColumn] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    selects: bool = False


class Engine:
    """SQLite with this computer's tables; one engine serves one thread."""

    def __init__(
        self, tables: Mapping[str, Table], identity: Identity, budget: Budget | None = None
    ) -> None:
        self._tables = dict(tables) | builtin_tables(identity, lambda: self._tables)
        self._watch = _Watch()
        self._budget = budget or Budget()
        # No statement cache: a cached statement would not ask the authorizer again.
        self._database = apsw.Connection(":memory:", statementcachesize=0)
        self._prepare_database()

    def _prepare_database(self) -> None:
        # APSW's protocol also names methods that only writable or shadow tables need.
        module = cast("Any", Module(self._tables, self._note_use, self._budget))
        for name in self._tables:
            self._database.create_module(
                name, module, use_bestindex_object=True, eponymous_only=True, read_only=True
            )
        functions.register(self._database)
        self._database.limit(apsw.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
        self._database.limit(apsw.SQLITE_LIMIT_SQL_LENGTH, MAX_SQL_BYTES)
        self._database.set_authorizer(self._authorize)
        self._database.set_progress_handler(self._budget.is_spent, _PROGRESS_STEPS)

    def table_names(self) -> tuple[str, ...]:
        """Return the names of all tables here, sorted."""
        return tuple(sorted(self._tables))

    def compute_reads(self, sql: str) -> frozenset[TableColumn]:
        """Return which columns ``sql`` reads, without running it; raises ``QueryError``."""
        with self._watching(_Watch()) as watch:
            self._compile(sql)
        return frozenset(watch.reads)

    def run(self, sql: str, permits: Permission | None = None) -> Answer:
        """Answer one query; never raises. ``permits`` denies reads at the database itself."""
        started = time.monotonic()
        try:
            with self._watching(_Watch(permits=permits)):
                rows = tuple(self._read_rows(sql))
        except QueryError as error:
            return Answer((), 1, str(error), _elapsed_ms(started))
        return Answer(rows, 0, "", _elapsed_ms(started))

    @contextlib.contextmanager
    def _watching(self, watch: _Watch) -> Iterator[_Watch]:
        """Run a block under ``watch`` and turn what goes wrong into ``QueryError``."""
        self._watch = watch
        self._budget.start()
        try:
            yield watch
        except QueryError:
            raise
        except UnreadableError as error:
            raise QueryError(f"the table could not be read: {error}") from error
        except apsw.Error as error:
            raise QueryError(_explain(error, watch)) from error
        except Exception as error:
            # A reader's fault, whatever it is, is this one query's fault: unknown.
            raise QueryError(f"the table could not be read: {error!r}") from error

    def _compile(self, sql: str) -> None:
        cursor = self._database.cursor()
        cursor.exec_trace = lambda _cursor, _sql, _bindings: False
        with contextlib.suppress(apsw.ExecTraceAbort):
            cursor.execute(sql)

    def _read_rows(self, sql: str) -> Iterator[ResultRow]:
        cursor = self._database.cursor()
        cursor.exec_trace = _one_statement()
        size = 0
        for count, row in enumerate(cursor.execute(sql), 1):
            if cursor.is_explain:
                raise QueryError("EXPLAIN tells about the agent and not about this computer")
            if count > MAX_ROWS:
                raise QueryError(f"the answer has more than {MAX_ROWS} rows; narrow the query")
            names = (column[0] for column in cursor.get_description())
            texts = {name: as_text(value) for name, value in zip(names, row, strict=True)}
            size += sum(len(name) + len(text) for name, text in texts.items())
            if size > MAX_ANSWER_BYTES:
                raise QueryError(f"the answer is larger than {MAX_ANSWER_BYTES} bytes; narrow it")
            yield texts
        if not self._watch.selects:
            raise QueryError("the query is empty; one SELECT was expected")

    def _authorize(self, action: int, first: str | None, second: str | None, *_rest: object) -> int:
        self._watch.selects |= action == apsw.SQLITE_SELECT
        if action in _ALLOWED:
            return apsw.SQLITE_OK
        if action == apsw.SQLITE_FUNCTION:
            return apsw.SQLITE_DENY if second == "load_extension" else apsw.SQLITE_OK
        if action == apsw.SQLITE_READ:
            return self._authorize_read(first or "", second or "")
        return apsw.SQLITE_DENY

    def _authorize_read(self, table: str, column: str) -> int:
        if table in _JSON_TABLES:
            return apsw.SQLITE_OK
        known = table.lower() in self._tables
        if not known and column == "":
            # The name of a common table expression; what that one reads is asked for itself.
            return apsw.SQLITE_OK
        if not known:
            self._watch.unknown.append(table)
            return apsw.SQLITE_DENY
        return apsw.SQLITE_OK if self._note_read(table.lower(), column) else apsw.SQLITE_DENY

    def _note_read(self, table: str, column: str) -> bool:
        """Note a read and return whether it is permitted."""
        read = (table, column)
        self._watch.reads.add(read)
        if self._watch.permits is None or self._watch.permits(read):
            return True
        self._watch.denied.append(read)
        return False

    def _note_use(self, table: str, columns: Iterable[str]) -> None:
        """Note what a virtual table is about to be read for; refuses what is not permitted."""
        if not all(self._note_read(table, column) for column in columns):
            raise QueryError(_explain_denied(self._watch.denied[0]))


def as_text(value: object) -> str:
    """Write a value as osquery sends it: text, NULL as ""."""
    if value is None:
        return ""
    return value.hex() if isinstance(value, bytes) else str(value)


def _one_statement() -> Callable[[object, str, object], bool]:
    """Refuse the second statement of a text such as ``SELECT 1; SELECT name FROM users``."""
    seen: list[str] = []

    def trace(_cursor: object, sql: str, _bindings: object) -> bool:
        seen.append(sql)
        if len(seen) > 1:
            raise QueryError("the query has more than one statement; one SELECT was expected")
        return True

    return trace


def _explain(error: apsw.Error, watch: _Watch) -> str:
    if watch.denied:
        return _explain_denied(watch.denied[0])
    if watch.unknown:
        # osquery's own words, on which servers rely.
        return f"no such table: {watch.unknown[0]}"
    if isinstance(error, apsw.InterruptError):
        return f"the query took longer than {ENGINE_SECONDS:g} seconds and was stopped"
    if isinstance(error, apsw.AuthError):
        return f"not authorized: a query may only SELECT ({error})"
    return str(error)


def _explain_denied(read: TableColumn) -> str:
    table, column = read
    return f"not permitted by the approved manifest: {table}({column or 'number of rows'})"


def _elapsed_ms(started: float) -> int:
    return int((time.monotonic() - started) * 1000)

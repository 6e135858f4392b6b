"""The database: one unit of work at a time, the same on SQLite and on PostgreSQL.

- A write is one transaction; it commits as a whole when the ``with`` block ends, or not at all.
- There is one writer at a time: a lock inside the process keeps the queue fair, and another in the
  database (``BEGIN IMMEDIATE``, on PostgreSQL an advisory lock) keeps other processes out from the
  first statement on. So what a transaction read is still true when it writes: an answer of a
  device cannot be overwritten with what the worker concluded from the one before, and no two
  transactions wait for each other half way. It costs one round trip a write on PostgreSQL; devices'
  answers share their transactions (see devices/groupwriter.py).
- SQLite runs with WAL and synchronous=FULL: what is acknowledged is on the disk.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    DateTime,
    Dialect,
    Engine,
    Executable,
    MetaData,
    Row,
    Table,
    Text,
    TypeDecorator,
    create_engine,
    event,
    func,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import NullPool, QueuePool
from sqlalchemy.sql.functions import FunctionElement

from sekisho.kernel.clock import Clock
from sekisho.kernel.db_faults import translated
from sekisho.kernel.principal import Principal

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_BUSY_MILLISECONDS = 10_000
_WRITER_LOCK = 0x53454B4953484F  # "SEKISHO"; advisory locks are numbers, each database has its own
_SQLITE_PARAMETERS = 30_000  # below SQLITE_MAX_VARIABLE_NUMBER (32,766)
_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder().decode


class UTCDateTime(TypeDecorator[datetime]):
    """An instant: aware in Python, UTC in the database; a naive time is refused.

    SQLite keeps text (``2026-11-24 00:00:00.000000``, UTC). It is read and written here in one
    step each: a check-in reads some three hundred instants.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware time into UTC; SQLite keeps no zone, so it gets the bare UTC time."""
        if value is None:
            return None
        moved = _as_utc(value)
        return moved.replace(tzinfo=None) if dialect.name == "sqlite" else moved

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give every stored time back as aware UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    def bind_processor(self, dialect: Dialect) -> Any:
        """Return what turns an instant into what the driver takes."""
        return _write_instant if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """Return what turns the driver's value into an instant."""
        usual = super().result_processor
        return _read_instant if dialect.name == "sqlite" else usual(dialect, coltype)


def _as_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError(f"a naive time cannot be stored: {value!r}")
    return value.astimezone(UTC)


def _write_instant(value: datetime | None) -> str | None:
    if value is None:
        return None
    return _as_utc(value).replace(tzinfo=None).isoformat(" ", "microseconds")


@functools.lru_cache(maxsize=4096)  # the verdicts of a device share most of their instants
def _read_instant(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value).replace(tzinfo=UTC)


class JSONText(TypeDecorator[Any]):
    """Any JSON value, stored as text with sorted keys so that equal values are equal bytes."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Encode with msgspec (sorted keys)."""
        del dialect
        return None if value is None else _encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Decode with msgspec."""
        del dialect
        return _decode_some(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """Return what turns the driver's text into a value; both drivers give text as it is."""
        del dialect, coltype
        return _decode_some


def _decode_some(value: str | None) -> Any:
    return None if value is None else _decode(value)


@dataclass(slots=True)
class Transaction:
    """One unit of work: its connection, the instant it happens at and who asked for it.

    ``changed`` are the subjects noted by ``kernel.changes`` so far.
    """

    connection: Connection
    now: datetime
    principal: Principal
    committed: list[Callable[[], None]] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)

    @property
    def dialect(self) -> str:
        """Return ``sqlite`` or ``postgresql``."""
        return self.connection.dialect.name

    def execute(self, statement: Executable, params: Any = None) -> Any:
        """Run one statement; a list of parameters runs it for each."""
        return self.connection.execute(statement, params)

    def scalar(self, statement: Executable, params: Any = None) -> Any:
        """Return the first column of the first row, or None."""
        return self.connection.scalar(statement, params)

    def rows(self, statement: Executable, params: Any = None) -> Sequence[Row[Any]]:
        """Return all rows."""
        return self.connection.execute(statement, params).fetchall()

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` once this transaction has been committed (never if it was not)."""
        self.committed.append(callback)


class Database:
    """Opens units of work on one database.

    ``wakers`` are called after each commit that noted changes (``kernel.changes``).
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self.url = url
        self.clock = clock
        self.engine = _make_engine(url)
        self.dialect = self.engine.dialect.name
        self._writer = threading.Lock()
        self.wakers: list[Callable[[Collection[str]], None]] = []

    @contextlib.contextmanager
    def read(self, principal: Principal) -> Iterator[Transaction]:
        """Open a unit of work that only reads; it sees one state of the data throughout."""
        with translated(), self.engine.connect() as connection:
            if self.dialect == "sqlite":
                connection.exec_driver_sql("BEGIN")
            else:
                connection = connection.execution_options(  # noqa: PLW2901 - the same connection
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            yield Transaction(connection, self.clock.now(), principal)
            connection.rollback()

    @contextlib.contextmanager
    def write(self, principal: Principal) -> Iterator[Transaction]:
        """Open a unit of work that commits at the end of the block, or not at all."""
        with translated(), self._writer, self.engine.connect() as connection:
            _become_writer(connection)
            transaction = Transaction(connection, self.clock.now(), principal)
            yield transaction
            connection.commit()
        for callback in transaction.committed:
            callback()
        for wake in self.wakers if transaction.changed else ():
            wake(transaction.changed)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _become_writer(connection: Connection) -> None:
    """Wait until no other process writes; raise OperationalError after ``_BUSY_MILLISECONDS``."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        return
    connection.execute(select(func.set_config("lock_timeout", str(_BUSY_MILLISECONDS), True)))
    connection.execute(select(func.pg_advisory_xact_lock(_WRITER_LOCK)))


def _make_engine(url: str) -> Engine:
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=20)
    memory = make_url(url).database in (None, "", ":memory:")
    engine = create_engine(
        url,
        poolclass=NullPool if memory else QueuePool,
        connect_args={"timeout": _BUSY_MILLISECONDS / 1000, "check_same_thread": False},
        **({} if memory else {"pool_size": 8, "max_overflow": 32}),
    )
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Hand transactions over to us (the driver starts none) and make commits durable."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={_BUSY_MILLISECONDS}",
        "cache_size=-16000",
        "temp_store=MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def upsert(
    tx: Transaction,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    index: Sequence[str],
    update: Sequence[str],
) -> None:
    """Insert ``rows``; where ``index`` exists already, set the ``update`` columns instead.

    All rows must have the same keys. With an empty ``update`` existing rows stay as they are.
    """
    if rows:
        statement = _upsert_statement(tx.dialect, table, tuple(index), tuple(update))
        tx.execute(statement, [dict(row) for row in rows])


@functools.lru_cache(maxsize=256)
def _upsert_statement(
    dialect: str, table: Table, index: tuple[str, ...], update: tuple[str, ...]
) -> Executable:
    """Make the statement once: its ``excluded`` columns cost more than running it for a row."""
    insert = (sqlite if dialect == "sqlite" else postgresql).insert(table)
    if not update:
        nothing: Executable = insert.on_conflict_do_nothing(index_elements=list(index))
        return nothing
    excluded = insert.excluded
    changed: Executable = insert.on_conflict_do_update(
        index_elements=list(index), set_={name: excluded[name] for name in update}
    )
    return changed


class Listed(FunctionElement[str]):
    """A list of texts of any length as one parameter, to stand behind ``IN``; see ``among``."""

    name = "listed"
    inherit_cache = True


@compiles(Listed, "sqlite")
def _listed_sqlite(element: Listed, compiler: Any, **kw: Any) -> str:
    given = compiler.process(element.clauses, **kw)
    return f"(SELECT value FROM json_each({given}))"  # noqa: S608 - a parameter in its place


@compiles(Listed, "postgresql")
def _listed_postgresql(element: Listed, compiler: Any, **kw: Any) -> str:
    given = compiler.process(element.clauses, **kw)
    return f"(SELECT json_array_elements_text(CAST({given} AS json)))"


def among(column: ColumnElement[Any], values: Iterable[str]) -> ColumnElement[bool]:
    """Say that ``column`` is one of these texts, however many: SQLite takes 32,766 parameters."""
    return column.op("IN", is_comparison=True)(Listed(literal(_encode(list(values)).decode())))


def day_of(tx: Transaction, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the day (UTC) of an instant, to group by; ``read_day`` reads it."""
    if tx.dialect == "sqlite":  # stored as text of the UTC time, which begins with the day
        return func.substr(type_coerce(column, Text()), 1, 10)
    return func.date(func.timezone("UTC", column))


def read_day(value: date | str) -> date:
    """Read what ``day_of`` gave: SQLite gives text, PostgreSQL a date."""
    return date.fromisoformat(str(value))


class _Place(FunctionElement[int]):
    """Where one text begins in another, from 1; 0 for nowhere."""

    name = "place_of"
    inherit_cache = True


@compiles(_Place, "sqlite")
def _place_sqlite(element: _Place, compiler: Any, **kw: Any) -> str:
    return f"instr({compiler.process(element.clauses, **kw)})"


@compiles(_Place, "postgresql")
def _place_postgresql(element: _Place, compiler: Any, **kw: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **kw)})"


def contains(words: str, *columns: ColumnElement[str]) -> ColumnElement[bool]:
    """Say that one of these columns (none NULL) holds ``words``, whatever the case of its letters.

    One look at all columns together: ``LIKE`` on each took four times as long.
    """
    whole = columns[0]
    for column in columns[1:]:
        whole = whole + "\n" + column  # no search has a line break
    return _Place(func.lower(whole), func.lower(words)) > 0


def chunked(items: Sequence[Any], columns: int = 1) -> Iterator[Sequence[Any]]:
    """Cut ``items`` so that a statement with ``columns`` parameters each stays within limits."""
    size = max(1, _SQLITE_PARAMETERS // columns)
    for start in range(0, len(items), size):
        yield items[start : start + size]

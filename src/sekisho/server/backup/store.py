"""Every table as lines of JSON, the same for every database, and back again.

The schema is read from the database itself, not from the program, so that a backup holds what
was there and a backup of SQLite can be restored into PostgreSQL. Values that JSON lacks are
tagged: ``{"$t": …}`` an instant, ``{"$b": …}`` bytes (base64), ``{"$j": …}`` a JSON value.
"""

import base64
import contextlib
import warnings
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import (
    Connection,
    Integer,
    MetaData,
    Table,
    exc,
    func,
    insert,
    inspect,
    select,
    text,
)

from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import ConflictError, InvalidInputError
from sekisho.kernel.i18n import msg

REVISIONS = "alembic_version"
_ROWS_AT_ONCE = 1_000
_PART_BYTES = 4 * 1024 * 1024


def read_schema(connection: Connection) -> MetaData:
    """Return the tables that the database has, parents before children."""
    found = MetaData()
    with warnings.catch_warnings():  # rows are copied, and no index by an expression is needed
        warnings.filterwarnings("ignore", "Skipped unsupported reflection", exc.SAWarning)
        found.reflect(bind=connection)
    return found


def count_rows(tx: Transaction, schema: MetaData) -> dict[str, int]:
    """Return the number of rows of every table."""
    return {
        str(table.name): int(tx.scalar(select(func.count()).select_from(table)))
        for table in schema.sorted_tables
        if table.name != REVISIONS
    }


def read_revisions(tx: Transaction, schema: MetaData) -> list[str]:
    """Return where the schema's history stands."""
    table = schema.tables[REVISIONS]
    return sorted(row.version_num for row in tx.rows(select(table)))


def dump_table(tx: Transaction, table: Table) -> Iterator[tuple[int, bytes]]:
    """Yield (rows, lines) parts of a table; each part names its columns in its first line."""
    head = msgspec.json.encode([str(column.name) for column in table.columns])
    wanted = select(table).execution_options(yield_per=_ROWS_AT_ONCE)
    lines, size = [head], 0
    for row in tx.connection.execute(wanted):
        lines.append(msgspec.json.encode([_pack(value) for value in row]))
        size += len(lines[-1])
        if size >= _PART_BYTES:
            yield len(lines) - 1, b"\n".join(lines)
            lines, size = [head], 0
    if len(lines) > 1:
        yield len(lines) - 1, b"\n".join(lines)


def _pack(value: Any) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
            return {"$t": aware.isoformat()}
        case bytes() | memoryview():
            return {"$b": base64.b64encode(value).decode()}
        case dict() | list():
            return {"$j": value}
    raise TypeError(f"no form for {type(value).__name__} in a backup")


def _unpack(value: Any, *, aware: bool) -> Any:
    if not isinstance(value, dict):
        return value
    match next(iter(value.items()), ("", None)):
        case ("$t", str(said)):
            at = datetime.fromisoformat(said)
            return at if aware else at.astimezone(UTC).replace(tzinfo=None)
        case ("$b", str(said)):
            return base64.b64decode(said, validate=True)
        case ("$j", said):
            return said
    raise InvalidInputError(msg("The backup holds a value of an unknown kind."))


def refuse_filled(database: Database) -> None:
    """Return if the database has no tables; raise ConflictError otherwise."""
    names = inspect(database.engine).get_table_names()
    if names:
        raise ConflictError(
            msg("The database is not empty (%(n)s tables); restore needs an empty one.",
                n=len(names)),
            hint=msg("Name an empty database with --database URL."),
        )  # fmt: skip


@contextlib.contextmanager
def deferred_references(tx: Transaction, schema: MetaData) -> Iterator[None]:
    """Judge references between rows at the end of the block, on PostgreSQL.

    Rows come as they lay: a person may come before whoever leads them, a unit before the one above.
    SQLite is told so in ``empty_tables``.
    """
    if tx.dialect != "postgresql":
        yield
        return
    names = [
        f'ALTER TABLE "{table.name}" ALTER CONSTRAINT "{key.name}"'
        for table in schema.sorted_tables
        for key in table.foreign_key_constraints
    ]
    for name in names:
        tx.execute(text(f"{name} DEFERRABLE INITIALLY DEFERRED"))
    yield
    tx.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    for name in names:
        tx.execute(text(f"{name} NOT DEFERRABLE"))


def empty_tables(tx: Transaction, schema: MetaData) -> None:
    """Take out the rows that a new schema begins with."""
    if tx.dialect == "sqlite":
        tx.connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
    for table in reversed(schema.sorted_tables):
        if table.name != REVISIONS:
            tx.execute(table.delete())


def load_part(tx: Transaction, table: Table, part: bytes) -> int:
    """Insert the rows of one part and return how many."""
    head, *lines = part.split(b"\n")
    names = msgspec.json.decode(head, type=list[str])
    unknown = sorted(set(names) - set(table.columns.keys()))
    if unknown:
        raise InvalidInputError(
            msg("The backup has columns that its own schema lacks: %(names)s.",
                names=", ".join(f"{table.name}.{name}" for name in unknown))
        )  # fmt: skip
    aware = tx.dialect != "sqlite"
    rows = [_row(names, line, aware=aware) for line in lines]
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        tx.execute(insert(table), rows[start : start + _ROWS_AT_ONCE])
    return len(rows)


def _row(names: list[str], line: bytes, *, aware: bool) -> dict[str, Any]:
    values = msgspec.json.decode(line, type=list[Any])
    return {n: _unpack(value, aware=aware) for n, value in zip(names, values, strict=True)}


def move_sequences(tx: Transaction, tables: Iterable[Table]) -> None:
    """Let PostgreSQL's counters go on behind the rows that were loaded."""
    if tx.dialect != "postgresql":
        return
    for table in tables:
        for column in table.primary_key.columns:
            if isinstance(column.type, Integer) and column.server_default is not None:
                tx.execute(
                    text("SELECT setval(pg_get_serial_sequence(:t, :c), m) FROM "  # noqa: S608 - names from the schema
                         f'(SELECT max("{column.name}") AS m FROM "{table.name}") s '
                         "WHERE m IS NOT NULL"),
                    {"t": table.name, "c": column.name},
                )  # fmt: skip


def drop_everything(database: Database) -> None:
    """Take away what a failed restore left in a database that was empty before."""
    with database.engine.begin() as connection:
        read_schema(connection).drop_all(connection)


def compare_counts(wanted: Mapping[str, int], loaded: Mapping[str, int]) -> None:
    """Return if every row arrived; raise InvalidInputError naming the tables that differ."""
    differing = [n for n in wanted if wanted[n] != loaded.get(n, 0)]
    if differing or set(loaded) - set(wanted):
        raise InvalidInputError(
            msg("The backup is incomplete: %(names)s.", names=", ".join(differing) or "?"),
            hint=msg("Use another backup; nothing was restored."),
        )

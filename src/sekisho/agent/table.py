"""What a table of the agent is: named columns and a reader of rows.

The readers in ``agent.tables`` make these; ``agent.sql`` offers them to SQLite as virtual tables.
Column names and types follow osquery's published schema, so that one SQL works on both.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

Where = Mapping[str, tuple[str, ...]]
"""Equality constraints handed down: column -> wanted values (``=`` gives one, ``IN`` several).

A ``LIKE`` on a pushed column ``path`` arrives under the key ``path~`` with the patterns as they
stand in the SQL (``%`` and ``_`` are wildcards). A reader may ignore any of them: SQLite checks
every row again.
"""

Row = Mapping[str, object]
"""One row: column name -> value; a column left out, or ``None``, is NULL."""


class UnreadableError(Exception):
    """The table exists but could not be read: the query fails, and the verdict is unknown.

    "Nothing there" is no row at all; the two must never be mixed up.
    """


Unreadable = UnreadableError


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its osquery name and one of TEXT, INTEGER, BIGINT, DOUBLE."""

    name: str
    type: str = "TEXT"


@dataclass(frozen=True, slots=True)
class Table:
    """A table: ``rows(where)`` reads it afresh each time and raises ``Unreadable`` if it cannot.

    ``pushed`` names the columns whose constraints are handed to ``rows``.
    """

    name: str
    columns: tuple[Column, ...]
    rows: Callable[[Where], Iterable[Row]]
    pushed: frozenset[str] = field(default_factory=frozenset)

"""Small facts about the installation itself: cursors of the worker, names, when what last ran."""

from typing import Any

from sqlalchemy import Column, String, Table, bindparam, delete, select

from sekisho.kernel.db import JSONText, Transaction, UTCDateTime, metadata, upsert
from sekisho.kernel.prepared import Prepared

installation = Table(
    "installation",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("value", JSONText(), nullable=False),
    Column("changed_at", UTCDateTime(), nullable=False),
)
_FACT = Prepared(select(installation.c.value).where(installation.c.name == bindparam("fact")))


def get_fact(tx: Transaction, name: str, default: Any = None) -> Any:
    """Return the fact ``name`` (any JSON value), or ``default`` if it was never set."""
    found = _FACT.rows(tx, {"fact": name})
    return found[0].value if found else default


def set_fact(tx: Transaction, name: str, value: Any) -> None:
    """Remember ``value`` (any JSON value) under ``name``."""
    row = {"name": name, "value": value, "changed_at": tx.now}
    upsert(tx, installation, [row], index=["name"], update=["value", "changed_at"])


def forget_fact(tx: Transaction, name: str) -> None:
    """Forget the fact ``name`` if there is one."""
    tx.execute(delete(installation).where(installation.c.name == name))

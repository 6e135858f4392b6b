"""Uploads and fetched files that wait to be read, looked at and taken over."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from sekisho.detection.store.tables import STAGED
from sekisho.kernel.db import Transaction


class State(StrEnum):
    """How far an upload has come."""

    WAITING = "waiting"
    READY = "ready"
    APPROVED = "approved"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Staged:
    """An upload: for which source (``source_id`` empty: a new one named ``name``), and its plan."""

    id: str
    source_id: str
    name: str
    address: str
    automatic: bool
    state: State
    by: str
    at: datetime
    file_name: str
    etag: str
    said: dict[str, Any]


_COLUMNS = [STAGED.c[name] for name in Staged.__slots__]


def insert_staged(tx: Transaction, staged: Staged, content: bytes) -> None:
    """Add an upload with its bytes."""
    row = {name: getattr(staged, name) for name in Staged.__slots__}
    tx.execute(insert(STAGED), row | {"state": staged.state.value, "content": content})


def find_staged(tx: Transaction, staged_id: str) -> Staged | None:
    """Return an upload without its bytes, or None."""
    rows = tx.rows(select(*_COLUMNS).where(STAGED.c.id == staged_id))
    return _read(rows[0]) if rows else None


def list_staged(tx: Transaction, *states: State) -> list[Staged]:
    """List uploads that have come so far, the oldest first."""
    query = select(*_COLUMNS).order_by(STAGED.c.at, STAGED.c.id)
    if states:
        query = query.where(STAGED.c.state.in_([state.value for state in states]))
    return [_read(row) for row in tx.rows(query)]


def read_content(tx: Transaction, staged_id: str) -> bytes:
    """Return the bytes of an upload."""
    return bytes(tx.scalar(select(STAGED.c.content).where(STAGED.c.id == staged_id)))


def keep_content(
    tx: Transaction, staged_id: str, file_name: str, content: bytes, etag: str
) -> None:
    """Keep what an address gave, so that it is not fetched twice."""
    values = {"file_name": file_name[-200:], "content": content, "etag": etag[:200]}
    tx.execute(update(STAGED).where(STAGED.c.id == staged_id).values(**values))


def set_state(tx: Transaction, staged_id: str, state: State, said: dict[str, Any]) -> None:
    """Write how far an upload has come and what is known of it."""
    wanted = STAGED.c.id == staged_id
    tx.execute(update(STAGED).where(wanted).values(state=state.value, said=said))


def delete_staged(tx: Transaction, staged_id: str) -> None:
    """Forget an upload."""
    tx.execute(delete(STAGED).where(STAGED.c.id == staged_id))


def delete_older(tx: Transaction, before: datetime) -> int:
    """Forget uploads that nobody took over; return how many."""
    return int(tx.execute(delete(STAGED).where(STAGED.c.at < before)).rowcount)


def _read(row: Row[Any]) -> Staged:
    return Staged(
        row.id, row.source_id, row.name, row.address, row.automatic, State(row.state), row.by,
        row.at, row.file_name, row.etag, row.said or {},
    )  # fmt: skip

"""What changed, told to whoever must look again at once: the gate.

Whoever records an act notes its subject here (``evidence`` does it for every record), in the same
transaction. So a change and the news of it exist together or not at all. After the commit each
waker of the database is called: a nudge without content, which may be lost; readers keep a cursor
into the table and look by themselves every second.
"""

import contextlib
import socket
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Column, Index, Integer, String, Table, delete, func, insert, select

from sekisho.kernel.db import Transaction, UTCDateTime, metadata

CHANNEL = "sekisho_changes"
_LONGEST_SUBJECT = 300

changes = Table(
    "changes",
    metadata,
    Column("seq", Integer(), primary_key=True, autoincrement=True),
    Column("subject", String(_LONGEST_SUBJECT), nullable=False),
    Column("at", UTCDateTime(), nullable=False),
    Index("ix_changes_at", "at"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class Change:
    """Something that may be different now; ``subject`` is ``device:dev_…``, ``policy`` or so."""

    seq: int
    subject: str


def note_changes(tx: Transaction, subjects: Iterable[str]) -> None:
    """Note subjects that this transaction changes; each is written once."""
    fresh = [name for name in dict.fromkeys(subjects) if name not in tx.changed]
    if not fresh:
        return
    if tx.dialect == "postgresql" and not tx.changed:
        tx.execute(select(func.pg_notify(CHANNEL, "")))  # delivered by the commit, and only by it
    tx.changed.update(fresh)
    tx.execute(insert(changes), [{"subject": name, "at": tx.now} for name in fresh])


def list_changes(tx: Transaction, after: int, limit: int = 1_000) -> list[Change]:
    """List what changed behind ``after``, oldest first."""
    query = select(changes.c.seq, changes.c.subject).where(changes.c.seq > after)
    rows = tx.rows(query.order_by(changes.c.seq).limit(limit))
    return [Change(row.seq, row.subject) for row in rows]


def newest_change(tx: Transaction) -> int:
    """Return the cursor of a reader that has seen everything."""
    return int(tx.scalar(select(func.max(changes.c.seq))) or 0)


def forget_changes(tx: Transaction, before: datetime) -> None:
    """Delete what every reader has seen long ago (worker)."""
    tx.execute(delete(changes).where(changes.c.at < before))


class Nudge:
    """Wakes the reader that listens on a local datagram socket; nobody there is fine."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def __call__(self, subjects: Collection[str]) -> None:
        """Send one empty-handed nudge; a full or missing socket is no error (readers poll)."""
        if subjects:
            with contextlib.suppress(OSError):
                self._socket.sendto(b"!", self._path)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

"""Files that wait to be brought in."""

from datetime import datetime

from sqlalchemy import delete, select

from sekisho.kernel.db import Transaction
from sekisho.worklists.model import Listing
from sekisho.worklists.store.tables import SHEETS


def insert_sheet(
    tx: Transaction, sheet_id: str, listing: Listing, name: str, content: bytes, ends_at: datetime
) -> None:
    """Keep a file for a while."""
    tx.execute(SHEETS.insert(), {
        "id": sheet_id, "listing": listing.value, "name": name, "actor": tx.principal.reference,
        "content": content, "ends_at": ends_at,
    })  # fmt: skip


def find_sheet(tx: Transaction, sheet_id: str, actor: str) -> tuple[Listing, str, bytes] | None:
    """Return list, name and content of a file of this actor that still waits, or None."""
    where = (SHEETS.c.id == sheet_id, SHEETS.c.actor == actor, SHEETS.c.ends_at > tx.now)
    rows = tx.rows(select(SHEETS).where(*where))
    return (Listing(rows[0].listing), rows[0].name, rows[0].content) if rows else None


def delete_sheet(tx: Transaction, sheet_id: str) -> None:
    """Forget a file."""
    tx.execute(delete(SHEETS).where(SHEETS.c.id == sheet_id))


def forget_actor(tx: Transaction, actor: str) -> None:
    """Forget the files of somebody who left."""
    tx.execute(delete(SHEETS).where(SHEETS.c.actor == actor))


def delete_ended(tx: Transaction) -> None:
    """Forget the files that waited too long."""
    tx.execute(delete(SHEETS).where(SHEETS.c.ends_at <= tx.now))

"""Deletes what was kept for one person."""

from sqlalchemy import delete

from sekisho.kernel.db import Transaction
from sekisho.notices.store.tables import channels, deliveries, inbox, preferences


def forget_person(tx: Transaction, person_id: str) -> None:
    """Delete a person's inbox, what is on its way to them, their own channels and choices."""
    for table in (deliveries, inbox, channels, preferences):
        tx.execute(delete(table).where(table.c.person_id == person_id))

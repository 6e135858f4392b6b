"""Writes what ends when somebody leaves."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Table, and_, delete, update

from sekisho.identity.store.door_tables import subjects
from sekisho.identity.store.tables import (
    ceremonies,
    links,
    passkeys,
    people,
    recovery_codes,
    totp,
)
from sekisho.kernel.db import Transaction


def end_ways_in(tx: Transaction, person_id: str) -> Mapping[str, object]:
    """End all ways in of a person; return what there was.

    Passkeys stay as a record of what was registered but are found by nobody; secrets go.
    """
    mine = and_(passkeys.c.person_id == person_id, passkeys.c.ended_at.is_(None))
    ended = update(passkeys).where(mine).values(ended_at=tx.now).returning(passkeys.c.id)
    open_links = and_(links.c.person_id == person_id, links.c.used_at.is_(None))
    found = {
        "passkeys": [row.id for row in tx.rows(ended)],
        "links": int(tx.execute(delete(links).where(open_links)).rowcount),
        "totp": bool(_delete_of(tx, totp, person_id)),
        "recovery_codes": _delete_of(tx, recovery_codes, person_id),
        "accounts": _delete_of(tx, subjects, person_id),
    }
    _delete_of(tx, ceremonies, person_id)
    return found


def _delete_of(tx: Transaction, table: Table, person_id: str) -> int:
    columns: Any = table.c
    return int(tx.execute(delete(table).where(columns.person_id == person_id)).rowcount)


def end_leading(tx: Transaction, person_id: str) -> list[str]:
    """Let those whom a person led be led by nobody; return whom."""
    led = update(people).where(people.c.manager_id == person_id)
    values = {"manager_id": None, "version": people.c.version + 1, "changed_at": tx.now}
    return [row.id for row in tx.rows(led.values(values).returning(people.c.id))]

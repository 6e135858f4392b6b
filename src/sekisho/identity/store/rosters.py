"""Reads and writes rosters that wait to be brought in, and people many at a time."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from sekisho.identity.model import PersonState
from sekisho.identity.store.tables import people, rosters
from sekisho.kernel.db import Transaction


def insert_roster(
    tx: Transaction, roster_id: str, name: str, content: bytes, ends_at: datetime
) -> None:
    """Keep a file; files that have ended go."""
    delete_ended(tx)
    row = {"id": roster_id, "created_by": tx.principal.reference, "name": name,
           "content": content, "ends_at": ends_at}  # fmt: skip
    tx.execute(insert(rosters), row)


def find_roster(tx: Transaction, roster_id: str) -> tuple[str, str, bytes] | None:
    """Return who brought a file that still waits, its name and its bytes; None if there is none."""
    waits = (rosters.c.id == roster_id, rosters.c.ends_at > tx.now)
    found = tx.rows(select(rosters).where(*waits))
    return (found[0].created_by, found[0].name, bytes(found[0].content)) if found else None


def delete_roster(tx: Transaction, roster_id: str) -> bool:
    """Forget a file; False if it is gone already."""
    return bool(tx.execute(delete(rosters).where(rosters.c.id == roster_id)).rowcount)


def delete_ended(tx: Transaction) -> None:
    """Forget files that waited too long."""
    tx.execute(delete(rosters).where(rosters.c.ends_at <= tx.now))


def list_columns(tx: Transaction) -> Sequence[tuple[str, str, str, str, str, str, str, str]]:
    """List everybody who has not left: id, name, e-mail, unit, manager, language, number, state."""
    columns = (
        people.c.id, people.c.name, people.c.email, people.c.unit_id, people.c.manager_id,
        people.c.language, people.c.external_id, people.c.state,
    )  # fmt: skip
    query = select(*columns).where(people.c.state != PersonState.LEFT.value)
    rows: Sequence[Any] = tx.rows(query.order_by(people.c.name, people.c.id))
    return [
        (key, name, email, unit or "", lead or "", language, number, state)
        for key, name, email, unit, lead, language, number, state in rows
    ]


def update_many(tx: Transaction, rows: Iterable[Mapping[str, object]]) -> None:
    """Set name, e-mail, unit, language and number of people; ``key`` is whose."""
    given = [dict(row) for row in rows]
    if given:
        names = ("name", "email", "unit_id", "language", "external_id")
        changed: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
        changed |= {"version": people.c.version + 1, "changed_at": tx.now}
        tx.execute(update(people).where(people.c.id == bindparam("key")).values(changed), given)


def set_managers(tx: Transaction, leads: Mapping[str, str | None]) -> None:
    """Set who leads people: person id → id of who leads them, or None."""
    if leads:
        changed = update(people).where(people.c.id == bindparam("key"))
        rows = [{"key": key, "lead": lead} for key, lead in leads.items()]
        tx.execute(changed.values(manager_id=bindparam("lead")), rows)

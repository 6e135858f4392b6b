"""Reads and writes requests for temporary access, and orders to cut everything."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update

from sekisho.access.store.tables import ORDERS, REQUESTS
from sekisho.kernel.db import Transaction, chunked
from sekisho.kernel.prepared import Prepared, among_given

GRANTED = "granted"
WAITING = "waiting"
_GRANTED_NOW = Prepared(
    select(REQUESTS.c.person_id, REQUESTS.c.resource_id, REQUESTS.c.ends_at).where(
        among_given(REQUESTS.c.person_id, "people"),
        REQUESTS.c.state == GRANTED,
        REQUESTS.c.ends_at > bindparam("now"),
    )
)


@dataclass(frozen=True, slots=True)
class Ask:
    """Somebody asks to reach something for a time.

    ``state`` is waiting, granted, refused, withdrawn or ended.
    """

    id: str
    person_id: str
    resource_id: str
    reason: str
    minutes: int
    state: str
    created_at: datetime
    decider: str | None = None
    decided_at: datetime | None = None
    words: str = ""
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CutOrder:
    """Somebody asks to cut every session; another one must confirm."""

    id: str
    reason: str
    state: str
    asked_by: str
    asked_at: datetime
    decider: str | None = None
    decided_at: datetime | None = None
    count: int = 0


def insert_ask(tx: Transaction, ask: Ask) -> None:
    """Add a request."""
    tx.execute(insert(REQUESTS), {name: getattr(ask, name) for name in Ask.__slots__})


def update_ask(tx: Transaction, ask_id: str, **values: Any) -> None:
    """Set the named columns of a request."""
    tx.execute(update(REQUESTS).where(REQUESTS.c.id == ask_id).values(**values))


def find_ask(tx: Transaction, ask_id: str) -> Ask | None:
    """Return a request, or None."""
    rows = tx.rows(select(REQUESTS).where(REQUESTS.c.id == ask_id))
    return Ask(**rows[0]._asdict()) if rows else None


def list_asks(
    tx: Transaction, *, person_id: str = "", state: str = "", offset: int = 0, limit: int = 100
) -> list[Ask]:
    """List requests, the newest first."""
    query = select(REQUESTS)
    query = query.where(REQUESTS.c.person_id == person_id) if person_id else query
    query = query.where(REQUESTS.c.state == state) if state else query
    order = (REQUESTS.c.created_at.desc(), REQUESTS.c.id.desc())
    return [
        Ask(**row._asdict()) for row in tx.rows(query.order_by(*order).offset(offset).limit(limit))
    ]


def count_asks(tx: Transaction, state: str) -> int:
    """Count requests of a state."""
    query = select(func.count()).select_from(REQUESTS).where(REQUESTS.c.state == state)
    return int(tx.scalar(query))


def list_granted(tx: Transaction, people: Collection[str]) -> dict[tuple[str, str], datetime]:
    """Return (person, resource) → until when it is granted now."""
    found: dict[tuple[str, str], datetime] = {}
    for part in chunked(sorted(people)):
        for row in _GRANTED_NOW.rows(tx, {"people": part, "now": tx.now}):
            key = (row.person_id, row.resource_id)
            found[key] = max(row.ends_at, found.get(key, row.ends_at))
    return found


def list_over(tx: Transaction) -> list[Ask]:
    """List granted requests whose end has come."""
    query = select(REQUESTS).where(REQUESTS.c.state == GRANTED, REQUESTS.c.ends_at <= tx.now)
    return [Ask(**row._asdict()) for row in tx.rows(query)]


def insert_order(tx: Transaction, order: CutOrder) -> None:
    """Add an order."""
    tx.execute(insert(ORDERS), {name: getattr(order, name) for name in CutOrder.__slots__})


def update_order(tx: Transaction, order_id: str, **values: Any) -> None:
    """Set the named columns of an order."""
    tx.execute(update(ORDERS).where(ORDERS.c.id == order_id).values(**values))


def find_order(tx: Transaction, order_id: str) -> CutOrder | None:
    """Return an order, or None."""
    rows = tx.rows(select(ORDERS).where(ORDERS.c.id == order_id))
    return CutOrder(**rows[0]._asdict()) if rows else None


def list_orders(tx: Transaction, state: str = "", limit: int = 20) -> list[CutOrder]:
    """List orders, the newest first."""
    query = select(ORDERS).where(ORDERS.c.state == state) if state else select(ORDERS)
    rows = tx.rows(query.order_by(ORDERS.c.asked_at.desc()).limit(limit))
    return [CutOrder(**row._asdict()) for row in rows]

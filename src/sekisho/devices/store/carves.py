"""SQL about carves."""

from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import Select, func, or_, select, update

from sekisho.devices.model import Carve, CarveFilter, CarveState
from sekisho.devices.store.tables import CARVES, DEVICES
from sekisho.kernel.db import Transaction

_COLUMNS = [CARVES.c[item.name] for item in fields(Carve)]


def insert_carve(tx: Transaction, carve: Carve) -> None:
    """Store an order."""
    tx.execute(CARVES.insert(), asdict(carve))


def update_carve(tx: Transaction, carve_id: str, **values: object) -> None:
    """Set some columns of one order."""
    tx.execute(update(CARVES).where(CARVES.c.id == carve_id).values(**values))


def find_carve(tx: Transaction, **equal: str) -> Carve | None:
    """Return the latest order whose columns have these values, or None."""
    where = [CARVES.c[name] == value for name, value in equal.items()]
    rows = tx.rows(select(*_COLUMNS).where(*where).order_by(CARVES.c.id.desc()).limit(1))
    return _carve(rows[0]) if rows else None


def list_carves(
    tx: Transaction, device_id: str = "", state: CarveState | None = None
) -> list[Carve]:
    """Return orders, latest first, of one device and in one state if these are given."""
    query = select(*_COLUMNS).order_by(CARVES.c.id.desc())
    if device_id:
        query = query.where(CARVES.c.device_id == device_id)
    if state is not None:
        query = query.where(CARVES.c.state == state)
    return [_carve(row) for row in tx.rows(query.limit(1000))]


def page_carves(
    tx: Transaction, narrow: CarveFilter, *, sort: str, descending: bool, offset: int, limit: int
) -> tuple[list[Carve], int]:
    """Return a page of the orders that match, and how many match in all."""
    found = _narrowed(select(*_COLUMNS), narrow)
    column = CARVES.c[sort]
    order = (column.desc(), CARVES.c.id.desc()) if descending else (column, CARVES.c.id)
    rows = tx.rows(found.order_by(*order).offset(offset).limit(limit))
    total = tx.scalar(_narrowed(select(func.count(CARVES.c.id)), narrow))
    return [_carve(row) for row in rows], int(total)


def _narrowed(query: Select[Any], narrow: CarveFilter) -> Select[Any]:
    query = query.select_from(CARVES.join(DEVICES, DEVICES.c.id == CARVES.c.device_id))
    if narrow.device_id:
        query = query.where(CARVES.c.device_id == narrow.device_id)
    if narrow.states:
        query = query.where(CARVES.c.state.in_(narrow.states))
    if narrow.search:
        columns = (CARVES.c.path, CARVES.c.reason, DEVICES.c.label, DEVICES.c.hostname)
        hits = [column.icontains(narrow.search, autoescape=True) for column in columns]
        query = query.where(or_(*hits))
    return query


def _carve(row: Any) -> Carve:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name of a row's mapping
    values["state"] = CarveState(row.state)
    return Carve(**values)

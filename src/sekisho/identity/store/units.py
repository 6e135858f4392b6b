"""Reads and writes units and the roles that are held in them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, and_, delete, func, insert, select, update

from sekisho.identity.model import PersonState, Unit, UnitKind
from sekisho.identity.store.tables import people, unit_roles, units
from sekisho.kernel.db import Transaction, among
from sekisho.kernel.ids import PersonID, UnitID
from sekisho.kernel.prepared import Prepared

_ALL = Prepared(select(units))


def insert_unit(tx: Transaction, unit: Unit) -> None:
    """Add a unit."""
    row = {name: getattr(unit, name) for name in Unit.__slots__}
    tx.execute(insert(units), row | {"kind": unit.kind.value, "created_at": tx.now})


def update_unit(tx: Transaction, unit_id: str, version: int, **values: str | None) -> bool:
    """Set the named columns of a unit; False if it was changed since ``version`` was read."""
    wanted = and_(units.c.id == unit_id, units.c.version == version)
    changed = update(units).where(wanted).values(**values, version=version + 1)
    return bool(tx.execute(changed).rowcount == 1)


def delete_unit(tx: Transaction, unit_id: str) -> None:
    """Delete a unit that nobody and nothing belongs to; roles held in it end."""
    tx.execute(delete(units).where(units.c.id == unit_id))


def find_unit(tx: Transaction, unit_id: str) -> Unit | None:
    """Return the unit with this id, or None."""
    found = tx.rows(select(units).where(units.c.id == unit_id))
    return _unit(found[0]) if found else None


def list_units(tx: Transaction) -> list[Unit]:
    """List all units, in no order that means anything."""
    return [_unit(row) for row in _ALL.rows(tx)]


def name_units(tx: Transaction, ids: Sequence[str]) -> dict[str, str]:
    """Return id → name of these units."""
    query = select(units.c.id, units.c.name).where(among(units.c.id, ids))
    return {row.id: row.name for row in tx.rows(query)}


def read_parents(tx: Transaction) -> dict[str, str | None]:
    """Return unit → unit above it, for all units."""
    return {row.id: row.parent_id for row in tx.rows(select(units.c.id, units.c.parent_id))}


def lock_units(tx: Transaction) -> None:
    """Keep other writers off the tree until the transaction ends."""
    tx.rows(select(units.c.id).order_by(units.c.id).with_for_update())


def count_people(tx: Transaction) -> Mapping[str, int]:
    """Return unit → how many people belong to this very unit, without those who left."""
    here = and_(people.c.unit_id.is_not(None), people.c.state != PersonState.LEFT.value)
    query = select(people.c.unit_id, func.count()).where(here).group_by(people.c.unit_id)
    rows: Sequence[Any] = tx.rows(query)
    return {row[0]: row[1] for row in rows}


def has_people(tx: Transaction, unit_id: str) -> bool:
    """Tell whether anybody, also somebody who left, belongs to this very unit."""
    query = select(people.c.id).where(people.c.unit_id == unit_id).limit(1)
    return bool(tx.rows(query))


def move_people(tx: Transaction, source: str, target: str) -> int:
    """Put everybody of one unit into another; return how many."""
    moved = update(people).where(people.c.unit_id == source)
    values = {"unit_id": target, "version": people.c.version + 1, "changed_at": tx.now}
    return int(tx.execute(moved.values(values)).rowcount)


def move_children(tx: Transaction, source: str, target: str) -> int:
    """Put all units right below one unit under another; return how many."""
    moved = update(units).where(units.c.parent_id == source)
    values = {"parent_id": target, "version": units.c.version + 1}
    return int(tx.execute(moved.values(values)).rowcount)


def list_holders(tx: Transaction, unit_ids: Iterable[str]) -> list[tuple[PersonID, str, UnitID]]:
    """List person, role and unit of all roles held in these very units."""
    query = select(unit_roles).where(unit_roles.c.unit_id.in_(list(unit_ids)))
    ordered = query.order_by(unit_roles.c.person_id, unit_roles.c.role)
    return [(PersonID(r.person_id), r.role, UnitID(r.unit_id)) for r in tx.rows(ordered)]


def delete_holders(tx: Transaction, unit_id: str) -> None:
    """End all roles held in this very unit."""
    tx.execute(delete(unit_roles).where(unit_roles.c.unit_id == unit_id))


def _unit(row: Row[Any]) -> Unit:
    return Unit(
        id=UnitID(row.id),
        name=row.name,
        kind=UnitKind(row.kind),
        parent_id=UnitID(row.parent_id) if row.parent_id else None,
        country=row.country,
        time_zone=row.time_zone,
        language=row.language,
        external_id=row.external_id,
        version=row.version,
    )

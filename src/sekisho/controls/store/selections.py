"""Devices that were picked out of a list for one exception."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Select, delete, func, insert, or_, select

from sekisho.controls.exceptions import ExceptionState
from sekisho.controls.store.exception_tables import EXCEPTIONS, SELECTIONS
from sekisho.controls.store.tables import SUBJECTS
from sekisho.kernel.db import Transaction, chunked
from sekisho.kernel.ids import DeviceID
from sekisho.wire.kit import Ownership


def insert_selection(tx: Transaction, selection_id: str, devices: Iterable[str]) -> None:
    """Write down which devices a selection holds."""
    rows = [{"selection_id": selection_id, "device_id": device} for device in devices]
    if rows:
        tx.execute(insert(SELECTIONS), rows)


def list_devices(
    tx: Transaction, selection_id: str, ownership: Ownership | None = None
) -> list[DeviceID]:
    """Return the devices of a selection that are judged."""
    held = SELECTIONS.join(SUBJECTS, SUBJECTS.c.device_id == SELECTIONS.c.device_id)
    statement = select(SUBJECTS.c.device_id).select_from(held)
    statement = statement.where(SELECTIONS.c.selection_id == selection_id)
    if ownership is not None:
        statement = statement.where(SUBJECTS.c.ownership == ownership.value)
    return [row.device_id for row in tx.rows(statement.order_by(SUBJECTS.c.device_id))]


def list_people(tx: Transaction, selection_id: str) -> list[str | None]:
    """Return whose the devices of a selection are; None among them for those of nobody."""
    held = SELECTIONS.outerjoin(SUBJECTS, SUBJECTS.c.device_id == SELECTIONS.c.device_id)
    statement = select(SUBJECTS.c.person_id).select_from(held).distinct()
    rows = tx.rows(statement.where(SELECTIONS.c.selection_id == selection_id))
    return [row.person_id for row in rows]


def list_selections_of(tx: Transaction, device_id: str) -> list[str]:
    """Return the selections that hold a device."""
    rows = tx.rows(select(SELECTIONS.c.selection_id).where(SELECTIONS.c.device_id == device_id))
    return [row.selection_id for row in rows]


def forget_device(tx: Transaction, device_id: str) -> None:
    """Take a device out of every selection."""
    tx.execute(delete(SELECTIONS).where(SELECTIONS.c.device_id == device_id))


def count_devices(tx: Transaction, selection_id: str) -> int:
    """Return how many devices were picked."""
    of = SELECTIONS.c.selection_id == selection_id
    return int(tx.scalar(select(func.count()).select_from(SELECTIONS).where(of)))


def select_beyond(people: Select[Any]) -> Select[Any]:
    """Return the query for selections that hold a device of nobody, or not of these people."""
    held = SELECTIONS.outerjoin(SUBJECTS, SUBJECTS.c.device_id == SELECTIONS.c.device_id)
    owner = SUBJECTS.c.person_id
    beyond = or_(owner.is_(None), owner.not_in(people))
    return select(SELECTIONS.c.selection_id).select_from(held).where(beyond)


def find_asked(tx: Transaction, control_id: str, devices: Sequence[DeviceID]) -> set[DeviceID]:
    """Return the devices alone or in a selection for which somebody asks an exception now."""
    waiting = (
        EXCEPTIONS.c.control_id == control_id,
        EXCEPTIONS.c.state == ExceptionState.REQUESTED.value,
    )
    held = SELECTIONS.join(EXCEPTIONS, EXCEPTIONS.c.scope_id == SELECTIONS.c.selection_id)
    found: set[DeviceID] = set()
    for some in chunked(devices):
        picked = select(SELECTIONS.c.device_id).select_from(held)
        picked = picked.where(*waiting, SELECTIONS.c.device_id.in_(some))
        alone = select(EXCEPTIONS.c.scope_id).where(*waiting, EXCEPTIONS.c.scope_id.in_(some))
        found |= {DeviceID(row[0]) for query in (picked, alone) for row in tx.rows(query)}
    return found

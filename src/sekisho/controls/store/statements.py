"""Statements about devices: one a device, rule and kind of proof."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, bindparam, delete, select, update

from sekisho.controls.model import Proof, VerdictKind
from sekisho.controls.statements import Statement
from sekisho.controls.store.proof_tables import STATEMENTS
from sekisho.kernel.db import Transaction, chunked, upsert
from sekisho.kernel.ids import ControlID, DeviceID

_KEY = ("device_id", "control_id", "proof")
_CHANGING = tuple(column.name for column in STATEMENTS.c if column.name not in _KEY)
_PROOFS = {proof.value: proof for proof in Proof}
_KINDS = {kind.value: kind for kind in VerdictKind}
_OF_ONE = select(STATEMENTS).where(STATEMENTS.c.device_id == bindparam("of_device"))
_THIS = and_(
    STATEMENTS.c.device_id == bindparam("of_device"),
    STATEMENTS.c.control_id == bindparam("of_control"),
    STATEMENTS.c.proof == bindparam("of_proof"),
)
_MARK = update(STATEMENTS).where(_THIS).values(against_since=bindparam("new_since"))
_DELETE = delete(STATEMENTS).where(_THIS)


def find_statements(tx: Transaction, device_id: DeviceID) -> list[Statement]:
    """Return everything that is said about one device."""
    return [_statement(row) for row in tx.rows(_OF_ONE, {"of_device": device_id})]


def find_statements_of(
    tx: Transaction, device_ids: Sequence[DeviceID]
) -> Mapping[DeviceID, list[Statement]]:
    """Return everything that is said about many devices."""
    found: dict[DeviceID, list[Statement]] = {device_id: [] for device_id in device_ids}
    for some in chunked(device_ids):
        for row in tx.rows(select(STATEMENTS).where(STATEMENTS.c.device_id.in_(some))):
            found[row.device_id].append(_statement(row))
    return found


def list_devices_of_person(tx: Transaction, person_id: str, proof: Proof) -> list[DeviceID]:
    """Return the devices about which a person has said something in this way."""
    theirs = (STATEMENTS.c.person_id == person_id, STATEMENTS.c.proof == proof.value)
    return _list_devices(tx, *theirs)


def _list_devices(tx: Transaction, *conditions: ColumnElement[bool]) -> list[DeviceID]:
    query = select(STATEMENTS.c.device_id).distinct().where(*conditions)
    return [DeviceID(row.device_id) for row in tx.rows(query)]


def delete_of_person(tx: Transaction, person_id: str, proof: Proof) -> None:
    """Delete what a person has said in this way."""
    theirs = (STATEMENTS.c.person_id == person_id, STATEMENTS.c.proof == proof.value)
    tx.execute(delete(STATEMENTS).where(*theirs))


def save_statements(tx: Transaction, statements: Sequence[Statement]) -> None:
    """Store statements; an earlier one of the same kind of proof gives way."""
    upsert(tx, STATEMENTS, [_row(s) for s in statements], index=_KEY, update=_CHANGING)


def mark_statements(tx: Transaction, statements: Iterable[Statement]) -> None:
    """Store since when the machine says the contrary."""
    marks = [_name(s) | {"new_since": s.against_since} for s in statements]
    if marks:
        tx.execute(_MARK, marks)


def delete_statements(tx: Transaction, statements: Iterable[Statement]) -> None:
    """Delete statements, such as those taken back."""
    names = [_name(s) for s in statements]
    if names:
        tx.execute(_DELETE, names)


def delete_device(tx: Transaction, device_id: DeviceID) -> None:
    """Delete everything that is said about one device."""
    tx.execute(delete(STATEMENTS).where(STATEMENTS.c.device_id == device_id))


def _name(statement: Statement) -> dict[str, Any]:
    return {
        "of_device": statement.device_id,
        "of_control": statement.control_id,
        "of_proof": statement.proof.value,
    }


def _row(statement: Statement) -> dict[str, Any]:
    return {
        "device_id": statement.device_id,
        "control_id": statement.control_id,
        "proof": statement.proof.value,
        "control_version": statement.control_version,
        "said": statement.said.value,
        "source": statement.source,
        "stated_at": statement.stated_at,
        "received_at": statement.received_at,
        "valid_until": statement.valid_until,
        "person_id": statement.person_id,
        "against_since": statement.against_since,
    }


def _statement(row: Row[Any]) -> Statement:
    return Statement(
        device_id=DeviceID(row.device_id),
        control_id=ControlID(row.control_id),
        control_version=row.control_version,
        proof=_PROOFS[row.proof],
        said=_KINDS[row.said],
        source=row.source,
        stated_at=row.stated_at,
        received_at=row.received_at,
        valid_until=row.valid_until,
        person_id=row.person_id,
        against_since=row.against_since,
    )

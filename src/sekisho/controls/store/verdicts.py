"""Verdicts and the devices they are about."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, delete, exists, insert, select, update

from sekisho.controls.model import (
    Exemption,
    Platform,
    Proof,
    Subject,
    Verdict,
    VerdictChange,
    VerdictKind,
)
from sekisho.controls.store.proof_tables import STATEMENTS
from sekisho.controls.store.tables import CHANGES, EXEMPTIONS, SUBJECTS, VERDICTS
from sekisho.kernel.db import Transaction, chunked, upsert
from sekisho.kernel.i18n import pack_text, unpack_text
from sekisho.kernel.ids import ControlID, DeviceID, new_id
from sekisho.kernel.prepared import Prepared, Remembered, among_given
from sekisho.wire.kit import Ownership

_KINDS = {kind.value: kind for kind in VerdictKind}
_PROOFS = {proof.value: proof for proof in Proof}
_KEY = ("device_id", "control_id")
_CHANGING = tuple(column.name for column in VERDICTS.c if column.name not in _KEY)
_FIGURES = {
    VerdictKind.PASS: "passing",
    VerdictKind.FAIL: "failing",
    VerdictKind.UNKNOWN: "unknown",
    VerdictKind.EXEMPT: "exempt",
}
_OF_ONE = select(VERDICTS).where(VERDICTS.c.device_id == bindparam("of_device"))
_EXEMPTIONS_OF_MANY = Prepared(
    select(EXEMPTIONS).where(among_given(EXEMPTIONS.c.device_id, "devices"))
)
_EXEMPTIONS_OF_ONE = select(EXEMPTIONS).where(EXEMPTIONS.c.device_id == bindparam("of_device"))
_STANDING = select(
    VERDICTS,
    exists(EXEMPTIONS.c.device_id)
    .where(EXEMPTIONS.c.device_id == bindparam("of_device"))
    .label("is_excepted"),
    exists(STATEMENTS.c.device_id)
    .where(STATEMENTS.c.device_id == bindparam("of_device"))
    .label("is_stated"),
).where(VERDICTS.c.device_id == bindparam("of_device"))
_TOUCH = (
    update(VERDICTS)
    .where(
        VERDICTS.c.device_id == bindparam("of_device"),
        VERDICTS.c.control_id == bindparam("of_control"),
    )
    .values(
        checked_at=bindparam("new_checked"),
        received_at=bindparam("new_received"),
        expires_at=bindparam("new_expires"),
        machine_at=bindparam("new_machine"),
    )
)

Verdicts = dict[ControlID, Verdict]


def find_verdicts(tx: Transaction, device_id: DeviceID) -> Verdicts:
    """Return the stored verdicts of one device, as they stand there."""
    return {row.control_id: _verdict(row) for row in tx.rows(_OF_ONE, {"of_device": device_id})}


@dataclass(frozen=True, slots=True)
class Standing:
    """What is stored about one device, and whether exceptions or statements lie over it."""

    verdicts: Verdicts
    is_excepted: bool
    is_stated: bool


def find_standing(tx: Transaction, device_id: DeviceID) -> Standing:
    """Return the stored verdicts of one device; of one that is new here nothing else is known."""
    rows = tx.rows(_STANDING, {"of_device": device_id})
    found = {row.control_id: _verdict(row) for row in rows}
    first = rows[0] if rows else None
    return Standing(
        found,
        first is None or bool(first.is_excepted),
        first is None or bool(first.is_stated),
    )


def find_verdicts_of(tx: Transaction, device_ids: Sequence[DeviceID]) -> dict[DeviceID, Verdicts]:
    """Return the stored verdicts of many devices."""
    found: dict[str, list[Sequence[Any]]] = {device_id: [] for device_id in device_ids}
    for some in chunked(device_ids):
        for words in _OF_MANY.words(tx, {"devices": some}):
            found[words[_DEVICE]].append(words)
    return {DeviceID(device_id): dict(_MADE.of(tx, words)) for device_id, words in found.items()}


def find_verdicts_of_control(
    tx: Transaction, control_id: ControlID, device_ids: Sequence[DeviceID]
) -> dict[DeviceID, Verdict]:
    """Return the stored verdicts of one control on many devices."""
    found: dict[DeviceID, Verdict] = {}
    for some in chunked(device_ids):
        where = (VERDICTS.c.device_id.in_(some), VERDICTS.c.control_id == control_id)
        found |= {row.device_id: _verdict(row) for row in tx.rows(select(VERDICTS).where(*where))}
    return found


def find_exemptions(tx: Transaction, device_id: DeviceID) -> dict[ControlID, Exemption]:
    """Return the exceptions of one device, also those that have ended."""
    rows = tx.rows(_EXEMPTIONS_OF_ONE, {"of_device": device_id})
    return _longest(rows)


def find_exemptions_of(
    tx: Transaction, device_ids: Sequence[DeviceID]
) -> dict[DeviceID, dict[ControlID, Exemption]]:
    """Return the exceptions of many devices."""
    found: dict[DeviceID, list[Row[Any]]] = {d: [] for d in device_ids}
    for some in chunked(device_ids):
        for row in _EXEMPTIONS_OF_MANY.rows(tx, {"devices": some}):
            found[row.device_id].append(row)
    return {device_id: _longest(rows) for device_id, rows in found.items()}


def _longest(rows: Sequence[Row[Any]]) -> dict[ControlID, Exemption]:
    """Return by control the exception that ends last: two may lie over the same verdict."""
    found: dict[ControlID, Exemption] = {}
    for row in rows:
        before = found.get(row.control_id)
        if before is None or before.until < row.until:
            found[row.control_id] = Exemption(row.control_id, row.until, row.exception_id)
    return found


def find_subjects(tx: Transaction, device_ids: Sequence[DeviceID]) -> dict[DeviceID, Subject]:
    """Return who many devices' verdicts are about."""
    found: dict[DeviceID, Subject] = {}
    for some in chunked(device_ids):
        for row in tx.rows(select(SUBJECTS).where(SUBJECTS.c.device_id.in_(some))):
            found[row.device_id] = _subject(row)
    return found


def list_subject_ids(tx: Transaction) -> list[DeviceID]:
    """Return every device that has verdicts."""
    return [row.device_id for row in tx.rows(select(SUBJECTS.c.device_id))]


def list_overdue(tx: Transaction, now: datetime, limit: int) -> list[DeviceID]:
    """Return devices with a verdict that has changed by mere time, longest overdue first."""
    statement = (
        select(SUBJECTS.c.device_id)
        .where(SUBJECTS.c.next_expiry_at <= now)
        .order_by(SUBJECTS.c.next_expiry_at)
        .limit(limit)
    )
    return [row.device_id for row in tx.rows(statement)]


def save_verdicts(tx: Transaction, rows: Sequence[tuple[DeviceID, Verdict]]) -> None:
    """Insert or replace verdicts."""
    written = [_row(device_id, verdict) for device_id, verdict in rows]
    upsert(tx, VERDICTS, written, index=_KEY, update=_CHANGING)


def touch_verdicts(tx: Transaction, rows: Iterable[tuple[DeviceID, Verdict]]) -> None:
    """Move only the times of verdicts that said the same again."""
    touched = [
        {"of_device": device_id, "of_control": verdict.control_id,
         "new_checked": verdict.checked_at, "new_received": verdict.received_at,
         "new_expires": verdict.expires_at, "new_machine": verdict.machine_at}
        for device_id, verdict in rows
    ]  # fmt: skip
    if touched:
        tx.execute(_TOUCH, touched)


def save_subjects(
    tx: Transaction,
    rows: Sequence[tuple[Subject, Mapping[VerdictKind, int], str, datetime | None]],
) -> None:
    """Store who was judged, the number of verdicts of each kind, the access, the next change."""
    written = [
        {
            "device_id": subject.device_id,
            "ownership": subject.ownership.value,
            "platform": subject.platform.value,
            "person_id": subject.person_id,
            "access": access,
            "next_expiry_at": deadline,
            **{name: counts.get(kind, 0) for kind, name in _FIGURES.items()},
        }
        for subject, counts, access, deadline in rows
    ]
    names = [column.name for column in SUBJECTS.c if column.name != "device_id"]
    upsert(tx, SUBJECTS, written, index=["device_id"], update=names)


def save_changes(tx: Transaction, changes: Sequence[VerdictChange]) -> None:
    """Append to the history."""
    if changes:
        tx.execute(
            insert(CHANGES),
            [
                {
                    "id": new_id("vch"),
                    "device_id": change.device_id,
                    "control_id": change.control_id,
                    "at": tx.now,
                    "before": change.before.value if change.before is not None else None,
                    "after": change.after.kind.value,
                }
                for change in changes
            ],
        )


def list_changes(tx: Transaction, device_id: DeviceID, since: datetime) -> Sequence[Row[Any]]:
    """Return (at, control_id, before, after) of one device since a day, oldest first."""
    return tx.rows(
        select(CHANGES.c.at, CHANGES.c.control_id, CHANGES.c.before, CHANGES.c.after)
        .where(CHANGES.c.device_id == device_id, CHANGES.c.at >= since)
        .order_by(CHANGES.c.at, CHANGES.c.id)
    )


def delete_verdicts(tx: Transaction, device_id: DeviceID, control_ids: Sequence[ControlID]) -> None:
    """Delete some verdicts of one device."""
    if control_ids:
        tx.execute(
            delete(VERDICTS).where(
                VERDICTS.c.device_id == device_id, VERDICTS.c.control_id.in_(control_ids)
            )
        )


def delete_device(tx: Transaction, device_id: DeviceID) -> None:
    """Delete everything that is known about one device in this room."""
    for table in (VERDICTS, CHANGES, EXEMPTIONS, SUBJECTS):
        tx.execute(delete(table).where(table.c.device_id == device_id))


def _row(device_id: DeviceID, verdict: Verdict) -> dict[str, Any]:
    return {
        "device_id": device_id,
        "control_id": verdict.control_id,
        "control_version": verdict.control_version,
        "kind": verdict.kind.value,
        "judged": verdict.judged.value,
        "proof": verdict.proof.value,
        "since": verdict.since,
        "checked_at": verdict.checked_at,
        "received_at": verdict.received_at,
        "first_failed_at": verdict.first_failed_at,
        "expires_at": verdict.expires_at,
        "fix_by": verdict.fix_by,
        "exempt_until": verdict.exempt_until,
        "message": pack_text(verdict.message) if verdict.message is not None else None,
        "rows": [dict(row) for row in verdict.rows] or None,
        "machine_at": verdict.machine_at,
    }


def _verdict(row: Row[Any]) -> Verdict:
    return Verdict(
        control_id=ControlID(row.control_id),
        control_version=row.control_version,
        kind=_KINDS[row.kind],
        judged=_KINDS[row.judged],
        proof=_PROOFS[row.proof],
        since=row.since,
        checked_at=row.checked_at,
        received_at=row.received_at,
        first_failed_at=row.first_failed_at,
        expires_at=row.expires_at,
        fix_by=row.fix_by,
        message=unpack_text(row.message) if row.message is not None else None,
        rows=tuple(row.rows or ()),
        exempt_until=row.exempt_until,
        machine_at=row.machine_at,
    )


_OF_MANY = Prepared(select(VERDICTS).where(among_given(VERDICTS.c.device_id, "devices")))
_MADE: Remembered[Verdicts] = Remembered(
    _OF_MANY, lambda rows: {ControlID(r.control_id): _verdict(r) for r in rows}, most=256
)
_DEVICE = list(VERDICTS.c.keys()).index("device_id")


def _subject(row: Row[Any]) -> Subject:
    return Subject(
        DeviceID(row.device_id), Ownership(row.ownership), Platform(row.platform), row.person_id
    )

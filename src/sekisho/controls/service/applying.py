"""The worker's part of imports: rows become statements, a few hundred devices at a time.

What an export says of an enrolled device is a statement of a third party; a company device that
only the export knows becomes an imported device. That counts, and is never let in anywhere: it
has no key, no certificate, no session (docs/adr, "Devices that only an export knows").
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from sekisho.controls.exports.mapping import ColumnMapping, read_mapping
from sekisho.controls.exports.matching import Index, KnownDevice, MatchedBy, Outcome, Row
from sekisho.controls.exports.model import Import, ImportedDevice, ImportState
from sekisho.controls.model import Platform, Proof, Subject, VerdictKind
from sekisho.controls.reading import Source
from sekisho.controls.service.judging import catalogue_in_force, forget_device, settle_devices
from sekisho.controls.statements import Statement
from sekisho.controls.store import imports as store
from sekisho.controls.store import statements as statement_store
from sekisho.controls.store import verdicts
from sekisho.evidence import service as evidence
from sekisho.identity import service as identity
from sekisho.kernel.db import Transaction
from sekisho.kernel.ids import ControlID, DeviceID, new_id
from sekisho.wire.kit import Ownership

AT_ONCE = 400
FORGOTTEN_AFTER = timedelta(days=180)
_STRONG = frozenset({MatchedBy.SERIAL, MatchedBy.UUID})


def apply_imports(tx: Transaction, folder: Path, limit: int = AT_ONCE) -> int:
    """Bring in the next rows of the import under way; return how many there were."""
    made = store.find_applying(tx)
    if made is None:
        return 0
    mapping = read_mapping(made.yaml, Source(made.mapping_id))
    rows = store.list_waiting_rows(tx, made.id, limit) if mapping is not None else []
    if mapping is None or not rows:
        _finish(tx, made, folder)
        return 0
    matched = [row for row in rows if row.outcome is Outcome.MATCHED]
    _apply_matched(tx, made, mapping, matched)
    _apply_unmatched(tx, made, mapping, [r for r in rows if r.outcome is Outcome.UNMATCHED])
    store.set_applied(tx, made.id, [row.number for row in rows])
    return len(rows)


def _finish(tx: Transaction, made: Import, folder: Path) -> None:
    store.set_state(tx, made.id, ImportState.DONE)
    evidence.record(
        tx, kind="import.done", subject=f"import:{made.id}",
        detail={"mapping": made.mapping_id, "digest": made.digest, "counts": dict(made.counts)},
    )  # fmt: skip
    tx.after_commit(lambda: (folder / made.id).unlink(missing_ok=True))
    for older, mapping_id in store.list_with_rows(tx):
        if mapping_id == made.mapping_id and older != made.id:
            store.delete_rows(tx, older)


def _apply_matched(
    tx: Transaction, made: Import, mapping: ColumnMapping, rows: Sequence[Row]
) -> None:
    subjects = verdicts.find_subjects(tx, [DeviceID(r.device_id) for r in rows if r.device_id])
    said = {
        DeviceID(row.device_id): row
        for row in rows
        if row.device_id is not None and DeviceID(row.device_id) in subjects
    }
    _drop_imported(tx, made.mapping_id, rows)
    _state(tx, made, mapping, subjects, said)
    settle_devices(tx, subjects)


def _drop_imported(tx: Transaction, mapping_id: str, rows: Sequence[Row]) -> None:
    """Forget what was known of a device by export alone, now that it is enrolled."""
    for device in store.find_imported(tx, mapping_id, [r.key for r in rows if r.key]).values():
        forget_device(tx, DeviceID(device.id))
        store.delete_imported(tx, [device.id])


def _apply_unmatched(
    tx: Transaction, made: Import, mapping: ColumnMapping, rows: Sequence[Row]
) -> None:
    known = store.find_imported(tx, made.mapping_id, [row.key for row in rows])
    devices = [_imported(tx, made, row, known.get(row.key)) for row in rows]
    store.save_imported(tx, devices)
    subjects = {
        DeviceID(device.id): Subject(
            DeviceID(device.id), Ownership.COMPANY, Platform(device.platform), device.person_id
        )
        for device in devices
    }
    said = {DeviceID(d.id): row for d, row in zip(devices, rows, strict=True)}
    _state(tx, made, mapping, subjects, said)
    settle_devices(tx, subjects, start=True)


def _imported(
    tx: Transaction, made: Import, row: Row, known: ImportedDevice | None
) -> ImportedDevice:
    person = identity.find_person_by_email(tx, row.email) if row.email else None
    return ImportedDevice(
        id=known.id if known is not None else new_id("imp"), mapping_id=made.mapping_id,
        key=row.key, name=row.name, serial=row.serial, uuid=row.uuid, email=row.email,
        person_id=person.id if person is not None else None, platform=row.platform,
        seen_at=row.seen_at, import_id=made.id,
        created_at=known.created_at if known is not None else tx.now,
    )  # fmt: skip


def _state(
    tx: Transaction, made: Import, mapping: ColumnMapping,
    subjects: Mapping[DeviceID, Subject], said: Mapping[DeviceID, Row],
) -> None:  # fmt: skip
    """Store what rows say; what an export no longer says of a device is taken back.

    Something that was seen later, by this export's program or another one, stays.
    """
    held = {
        (device_id, found.control_id): found
        for device_id, all_of in statement_store.find_statements_of(tx, list(said)).items()
        for found in all_of
        if found.proof is Proof.THIRD_PARTY
    }
    saved: list[Statement] = []
    gone: list[Statement] = []
    for device_id, row in said.items():
        for control_id, word in row.facts.items():
            statement = _statement(made, mapping, subjects[device_id], ControlID(control_id), row)
            if statement is None or _is_newer(held.get((device_id, statement.control_id)), row):
                continue
            if word != VerdictKind.UNKNOWN:
                saved.append(statement)
            elif (device_id, statement.control_id) in held:
                gone.append(statement)
    statement_store.save_statements(tx, saved)
    statement_store.delete_statements(tx, gone)


def _is_newer(held: Statement | None, row: Row) -> bool:
    return held is not None and row.seen_at is not None and held.stated_at > row.seen_at


def _statement(
    made: Import, mapping: ColumnMapping, subject: Subject, control_id: ControlID, row: Row
) -> Statement | None:
    control = catalogue_in_force().controls.get(control_id)
    if control is None or not control.applies(subject.platform, subject.ownership):
        return None
    seen = row.seen_at or made.taken_at
    return Statement(
        device_id=subject.device_id, control_id=control_id, control_version=control.version,
        proof=Proof.THIRD_PARTY, said=VerdictKind(row.facts[control_id]),
        source=f"import:{mapping.id}", stated_at=seen, received_at=made.received_at,
        valid_until=seen + mapping.max_age, person_id=subject.person_id,
    )  # fmt: skip


def join_imported(tx: Transaction, known: Sequence[KnownDevice]) -> int:
    """Join imported devices with those enrolled since, and forget long unseen ones.

    What the export said goes over to the enrolled device. Only a serial number or a hardware UUID
    joins: nobody looks over this.
    """
    index = Index(known)
    joined = 0
    for device in store.list_imported(tx):
        row = index.match(_row_of(device))
        if row.outcome is Outcome.MATCHED and row.matched_by in _STRONG and row.device_id:
            _join(tx, device, DeviceID(row.device_id))
            joined += 1
        elif (device.seen_at or device.created_at) < tx.now - FORGOTTEN_AFTER:
            forget_device(tx, DeviceID(device.id))
            store.delete_imported(tx, [device.id])
    return joined


def _row_of(device: ImportedDevice) -> Row:
    return Row(
        number=0, name=device.name, serial=device.serial, uuid=device.uuid, email=device.email,
        platform=device.platform, ownership=Ownership.COMPANY.value, seen_at=device.seen_at,
        facts={},
    )  # fmt: skip


def _join(tx: Transaction, device: ImportedDevice, enrolled: DeviceID) -> None:
    subjects = verdicts.find_subjects(tx, [enrolled])
    said = statement_store.find_statements(tx, DeviceID(device.id))
    if subjects:
        statement_store.save_statements(tx, [replace(s, device_id=enrolled) for s in said])
    forget_device(tx, DeviceID(device.id))
    store.delete_imported(tx, [device.id])
    settle_devices(tx, subjects)
    evidence.record(
        tx, kind="import.device_joined", subject=f"device:{enrolled}",
        detail={"imported": device.id, "mapping": device.mapping_id},
    )  # fmt: skip


def remove_waiting_files(tx: Transaction, folder: Path, waits: timedelta) -> int:
    """Give up imports that nobody finished, and delete files that belong to none."""
    if not folder.is_dir():
        return 0
    removed = 0
    for path in folder.iterdir():
        made = store.find_import(tx, path.name)
        over = made is None or made.received_at < tx.now - waits
        if made is not None and over and made.state in (ImportState.DRAFT, ImportState.PREVIEW):
            store.set_state(tx, made.id, ImportState.CANCELLED)
            store.delete_rows(tx, made.id)
        if over and (made is None or made.state is not ImportState.APPLYING):
            path.unlink(missing_ok=True)
            removed += 1
    return removed

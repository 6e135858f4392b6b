"""Which controls are in force in this process, and how a new set takes over."""

import time
from dataclasses import dataclass
from pathlib import Path

from sekisho.controls.catalogue import load_catalogue
from sekisho.controls.faults import CatalogueError, Fault
from sekisho.controls.model import Catalogue, Control, Subject, Verdict
from sekisho.controls.service import judging
from sekisho.controls.store import figures, verdicts
from sekisho.evidence import service as evidence
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.ids import ControlID, DeviceID
from sekisho.kernel.principal import SYSTEM

_MOST_AT_ONCE = 200  # devices a transaction: 0.2 s of the only writer
_REST = 2.0  # the rest after each transaction, in times of its own duration
_Versions = dict[str, tuple[int, str]]


def replace_catalogue(database: Database, catalogue: Catalogue) -> bool:
    """Put a set of controls in force: in this process at once, for stored verdicts bit by bit.

    Verdicts of controls that are gone (or no longer apply) are closed; those of a changed version
    start again as unknown; new controls start as unknown. Returns whether anything was different.

    Some devices a transaction, so that check-ins go on meanwhile; a device that checks in before
    its turn is judged by the new set all the same. Killed half way, the next start begins anew.
    """
    after = _versions(catalogue)
    with database.read(SYSTEM) as tx:
        before, devices = figures.read_versions(tx), verdicts.list_subject_ids(tx)
    judging.put_in_force(catalogue)
    if before == after:
        return False
    for start in range(0, len(devices), _MOST_AT_ONCE):
        began = time.monotonic()
        with database.write(SYSTEM) as tx:
            _restart(tx, catalogue, devices[start : start + _MOST_AT_ONCE])
        # SQLite's queue of writers is not fair: without a rest the other process never comes in.
        time.sleep(_REST * (time.monotonic() - began))
    with database.write(SYSTEM) as tx:
        figures.write_versions(tx, after)
        _record(tx, catalogue, before, after)
    return True


def _record(tx: Transaction, catalogue: Catalogue, before: _Versions, after: _Versions) -> None:
    evidence.record(
        tx,
        kind="control.catalogue_replaced",
        subject="controls:catalogue",
        detail={
            "digest": catalogue.digest,
            "removed": sorted(set(before) - set(after)),
            "added": sorted(set(after) - set(before)),
            "changed": sorted(k for k in set(before) & set(after) if before[k] != after[k]),
        },
    )


def reload_catalogue(path: Path | None, current: Catalogue) -> tuple[Catalogue, tuple[Fault, ...]]:
    """Read the controls again; with any mistake the ``current`` set stays, with all faults told."""
    try:
        return load_catalogue(path), ()
    except CatalogueError as error:
        return current, error.faults


@dataclass(slots=True)
class _Disk:
    """What this process knows of the controls on disk beside those in force."""

    faults: tuple[Fault, ...] = ()


_disk = _Disk()


def note_faults(faults: tuple[Fault, ...]) -> None:
    """Remember why the controls on disk are not those in force; () once they are."""
    _disk.faults = faults


def known_faults() -> tuple[Fault, ...]:
    """Return the mistakes that keep the controls on disk from being in force."""
    return _disk.faults


def _versions(catalogue: Catalogue) -> _Versions:
    return {c.id: (c.version, _applies(c)) for c in catalogue.controls.values()}


def _applies(control: Control) -> str:
    """Say for which devices a control is, so that a narrowed one is noticed."""
    platforms = ",".join(sorted(control.checks)) or "all"
    return f"{platforms}/{','.join(sorted(control.ownership))}"


def _restart(tx: Transaction, catalogue: Catalogue, devices: list[DeviceID]) -> None:
    subjects = verdicts.find_subjects(tx, devices)
    stored = verdicts.find_verdicts_of(tx, devices)
    batch = judging.Batch(tx, catalogue)
    for device_id, subject in subjects.items():
        _restart_device(batch, catalogue, subject, stored[device_id])
    batch.write()


def _restart_device(
    batch: judging.Batch,
    catalogue: Catalogue,
    subject: Subject,
    stored: dict[ControlID, Verdict],
) -> None:
    after = judging.complete(catalogue, subject, stored, batch.tx.now)
    batch.replace(subject, stored, after)

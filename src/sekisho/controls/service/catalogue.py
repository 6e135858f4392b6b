"""Which controls are in force in this process, and how a new set takes over."""

from dataclasses import dataclass
from pathlib import Path

from sekisho.controls import engine
from sekisho.controls.catalogue import load_catalogue
from sekisho.controls.faults import CatalogueError, Fault
from sekisho.controls.model import Catalogue, Control, Subject, Verdict
from sekisho.controls.service import judging
from sekisho.controls.store import figures, verdicts
from sekisho.evidence import service as evidence
from sekisho.kernel.db import Transaction
from sekisho.kernel.ids import ControlID, DeviceID

_MOST_AT_ONCE = 500


def replace_catalogue(tx: Transaction, catalogue: Catalogue) -> bool:
    """Put a set of controls in force, here at once, for stored verdicts in this transaction.

    Verdicts of controls that are gone (or no longer apply) are closed; those of a changed version
    start again as unknown; new controls start as unknown. Returns whether anything was different.
    """
    before, after = figures.read_versions(tx), _versions(catalogue)
    tx.after_commit(lambda: judging.put_in_force(catalogue))
    if before == after:
        return False
    devices = verdicts.list_subject_ids(tx)
    for start in range(0, len(devices), _MOST_AT_ONCE):
        _restart(tx, catalogue, devices[start : start + _MOST_AT_ONCE])
    figures.write_versions(tx, after)
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
    return True


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


def _versions(catalogue: Catalogue) -> dict[str, tuple[int, str]]:
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
    now = batch.tx.now
    after: dict[ControlID, Verdict] = {}
    for control in catalogue.applying(subject.platform, subject.ownership):
        old = stored.get(control.id)
        after[control.id] = (
            engine.start_verdict(control, now) if old is None else engine.restart(old, control, now)
        )
    batch.replace(subject, stored, after)

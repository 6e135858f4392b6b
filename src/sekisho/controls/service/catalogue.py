"""Which controls are in force in this process, and how a new set takes over."""

from dataclasses import dataclass
from pathlib import Path

from sekisho.controls.catalogue import load_catalogue
from sekisho.controls.faults import CatalogueError, Fault
from sekisho.controls.model import Catalogue, Control
from sekisho.controls.service import judging
from sekisho.controls.store import figures, verdicts
from sekisho.evidence import service as evidence
from sekisho.kernel.db import Transaction
from sekisho.kernel.ids import DeviceID

_MOST_AT_ONCE = 100  # devices a transaction: a tenth of a second of the only writer
_Versions = dict[str, tuple[int, str]]


@dataclass(slots=True)
class Takeover:
    """A changed set of controls on its way into the stored verdicts, some devices at a time.

    Verdicts of controls that are gone (or no longer apply) are closed; those of a changed version
    start again as unknown; new controls start as unknown. Check-ins go on meanwhile: a device
    that comes before its turn is judged by the new set all the same. After a transaction that
    failed, begin with a new one (``find_takeover``); it finds less to do.
    """

    catalogue: Catalogue
    before: _Versions
    devices: list[DeviceID]

    def step(self, tx: Transaction) -> bool:
        """Take the next devices; after the last ones record it. Returns whether all is done."""
        some, self.devices = self.devices[:_MOST_AT_ONCE], self.devices[_MOST_AT_ONCE:]
        _restart(tx, self.catalogue, some)
        if not self.devices:
            _finish(tx, self.before, self.catalogue)
        return not self.devices


def find_takeover(tx: Transaction) -> Takeover | None:
    """Return what is to be done until stored verdicts follow the controls in force, if anything."""
    catalogue, before = judging.catalogue_in_force(), figures.read_versions(tx)
    if before == _versions(catalogue):
        return None
    return Takeover(catalogue, before, verdicts.list_subject_ids(tx))


def _finish(tx: Transaction, before: _Versions, catalogue: Catalogue) -> None:
    after = _versions(catalogue)
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
        before = stored[device_id]
        batch.replace(subject, before, judging.complete(catalogue, subject, before, tx.now))
    batch.write()

"""Looks at devices, and what the owner of a device is shown of them; consent and state to show."""

from dataclasses import dataclass
from datetime import timedelta

from sekisho.devices.consent import CONSENT_VERSION
from sekisho.devices.model import Device, DeviceState, Look
from sekisho.devices.service.lifecycle import is_itself, is_owner, require_device
from sekisho.devices.store import privacy as store
from sekisho.evidence import service as evidence
from sekisho.kernel.db import Transaction

SAME_LOOK = timedelta(minutes=15)  # a page that refreshes itself is one look
KEEP_LOOKS = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Notice:
    """What a device shows its user: where it stands and which consent text is in force."""

    state: DeviceState
    consent_version: str
    consent_needed: bool
    looks: int


def record_look(tx: Transaction, device_id: str, what: str, purpose: str = "") -> bool:
    """Record that the caller looks at a person's device; tell whether this was a new look.

    ``what`` is such as ``verdicts``. The owner and the device itself may look unrecorded, and a
    device that belongs to nobody has nobody to tell. Every page and API answer that shows a
    device calls this in a writing transaction. Needs ``devices.read``, or to be the owner.
    """
    device = require_device(tx, device_id, "devices.read")
    looker = tx.principal
    if device.owner_id is None or is_owner(looker, device) or is_itself(tx, device):
        return False
    if store.has_look(tx, device_id, looker.reference, what, tx.now - SAME_LOOK):
        return False
    look = Look(tx.now, looker.reference, looker.name, what[:200], purpose[:1000])
    store.insert_look(tx, device_id, look)
    evidence.record(
        tx,
        kind="device.looked_at",
        subject=f"device:{device_id}",
        detail={"what": look.what, "purpose": look.purpose},
        person=device.owner_id,
    )
    return True


def list_looks(tx: Transaction, device_id: str, limit: int = 200) -> list[Look]:
    """Return who looked at a device, latest first: to its owner, itself, or ``devices.read``."""
    require_device(tx, device_id, "devices.read")
    return store.list_looks(tx, device_id, limit)


def read_notice(tx: Transaction, device: Device) -> Notice:
    """Return what a device shall show its user."""
    return Notice(
        state=device.state,
        consent_version=CONSENT_VERSION,
        consent_needed=device.state is DeviceState.CONSENT,
        looks=len(store.list_looks(tx, device.id, 200)),
    )


def forget_old_looks(tx: Transaction) -> int:
    """Delete looks older than a year (worker, once a day); return how many."""
    return store.delete_looks_before(tx, tx.now - KEEP_LOOKS)

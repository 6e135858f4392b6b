"""What becomes of a person's devices when the person leaves.

A private PC is withdrawn: what was learned from it goes, as if its owner had withdrawn. A company
device is handed back: it belongs to nobody, is turned away until it is enrolled anew, and keeps
its past.
"""

from collections.abc import Mapping
from dataclasses import replace

from sekisho.controls import service as controls
from sekisho.controls.access import Bar
from sekisho.devices.model import Device, DeviceState, Ownership
from sekisho.devices.service import lifecycle
from sekisho.devices.store import devices as store
from sekisho.devices.store import kits as kit_store
from sekisho.devices.store import privacy as privacy_store
from sekisho.devices.store.devices import DeviceFilter
from sekisho.evidence import service as evidence
from sekisho.identity import service as identity
from sekisho.kernel.db import Transaction
from sekisho.kernel.principal import SYSTEM

_EVERY = 10_000


def hand_back_devices(tx: Transaction, person_id: str) -> Mapping[str, object]:
    """End what a person has of devices; return which were withdrawn, handed back, and the kits.

    Needs ``identity.write`` in the person's unit: it is part of ending their time here.
    """
    tx.principal.require("identity.write", identity.unit_of(tx, person_id))
    owned, _ = store.list_page(
        tx, DeviceFilter(owner_id=person_id), "label", descending=False, offset=0, limit=_EVERY
    )
    private = [device for device in owned if device.ownership is Ownership.PRIVATE]
    company = [device for device in owned if device.ownership is not Ownership.PRIVATE]
    own = replace(tx, principal=SYSTEM)  # owed to the person, whatever the caller may of devices
    for device in private:
        lifecycle.withdraw_device(own, device.id)
    for device in company:
        _hand_back(tx, device)
    return {
        "devices_withdrawn": [device.id for device in private],
        "devices_handed_back": [device.id for device in company],
        "kits": _end_kits(tx, person_id),
    }


def _hand_back(tx: Transaction, device: Device) -> None:
    """Let a company device belong to nobody and wait for approval before it counts again."""
    revoked = privacy_store.revoke_certificates(tx, device.id)
    store.update_device(tx, device.id, owner_id=None, state=DeviceState.PENDING)
    controls.set_device_bar(tx, device.id, Bar.PAUSED)
    controls.move_devices(tx, [device.id], None)
    evidence.record(
        tx,
        kind="device.handed_back",
        subject=f"device:{device.id}",
        detail={"before": device.state.value, "owner": device.owner_id, "certificates": revoked},
        person=device.owner_id,
    )


def _end_kits(tx: Transaction, person_id: str) -> list[str]:
    kits = kit_store.list_open_kits_of(tx, person_id)
    for kit in kits:
        kit_store.update_kit(tx, kit.id, revoked_at=tx.now)
        evidence.record(
            tx, kind="device.kit_revoked", subject=f"kit:{kit.id}",
            detail={"why": "its person left"}, person=person_id,
        )  # fmt: skip
    return [kit.id for kit in kits]

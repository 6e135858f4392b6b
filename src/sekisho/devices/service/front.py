"""Devices in front of the gate: what each is, and whether the certificate it showed is good.

Asked by the room of access for a decision and shown to nobody, so no right is asked and no look
is recorded.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sekisho.devices.model import Device
from sekisho.devices.store import devices, privacy
from sekisho.devices.store.devices import DeviceFilter
from sekisho.kernel.db import Transaction

_MOST_OWNED = 200


@dataclass(frozen=True, slots=True)
class Front:
    """A device and whether the certificate shown is its own, not revoked and not past its end."""

    device: Device
    certified: bool


def find_fronts(
    tx: Transaction, shown: Collection[tuple[str, str]]
) -> dict[tuple[str, str], Front]:
    """Return (device, serial) → what stands there; an unknown device is not in it."""
    found = devices.find_devices(tx, sorted({device_id for device_id, _ in shown}))
    holders = privacy.list_good_certificates(tx, sorted({s for _, s in shown if s}), tx.now)
    return {
        (device_id, serial): Front(found[device_id], holders.get(serial) == device_id)
        for device_id, serial in shown
        if device_id in found
    }


def list_serials(tx: Transaction, device_ids: Collection[str]) -> dict[str, str]:
    """Return device → the serial of its newest good certificate; who has none is not in it."""
    return privacy.list_newest_good(tx, sorted(set(device_ids)), tx.now)


def list_owned(tx: Transaction, person_id: str) -> Sequence[Device]:
    """Return a person's devices, by label."""
    narrow = DeviceFilter(owner_id=person_id)
    found, _ = devices.list_page(tx, narrow, "label", descending=False, offset=0, limit=_MOST_OWNED)
    return found


def find_devices(tx: Transaction, device_ids: Collection[str]) -> dict[str, Device]:
    """Return devices by id, those there are."""
    return devices.find_devices(tx, sorted(set(device_ids)))


def list_all(tx: Transaction) -> Sequence[Device]:
    """Return every device that was not withdrawn, for a count over all of them."""
    ids = [entry.id for entry in devices.list_roster(tx)]
    return list(devices.find_devices(tx, ids).values())

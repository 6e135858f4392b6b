"""Where the inventory and the verdicts meet: lists narrowed by verdict, verdicts of one device."""

from collections.abc import Sequence
from dataclasses import dataclass

from sekisho.controls import service as controls
from sekisho.controls.model import Verdict
from sekisho.controls.statements import is_confided, veil
from sekisho.devices import engine
from sekisho.devices.configuration import DISTRIBUTED_SECONDS
from sekisho.devices.model import Device, DeviceState, Ownership, Platform
from sekisho.devices.service import inventory
from sekisho.devices.service.inventory import DeviceFilter, DevicePage
from sekisho.devices.service.lifecycle import has_right, is_itself, is_owner, require_device
from sekisho.identity import service as identity
from sekisho.kernel.db import Transaction

MOST_OWNERS = 200


@dataclass(frozen=True, slots=True)
class ListWish:
    """What a list of devices shall show; empty fields do not narrow it.

    ``search`` also finds devices by the name of their owner. ``verdict`` keeps devices with at
    least one such verdict (fail, unknown, exempt), or with nothing but passes (pass).
    """

    search: str = ""
    ownership: Ownership | None = None
    platform: Platform | None = None
    state: DeviceState | None = None
    verdict: str = ""
    silent: bool = False
    flagged: bool = False


def search_devices(
    tx: Transaction,
    wish: ListWish,
    *,
    sort: str = "label",
    descending: bool = False,
    offset: int = 0,
    limit: int = 50,
) -> DevicePage:
    """Return one page of the devices that ``wish`` describes and ``devices.read`` reaches."""
    tx.principal.require_reach("devices.read")
    narrow = DeviceFilter(
        search=wish.search,
        ownership=wish.ownership,
        platform=wish.platform,
        state=wish.state,
        silent_before=engine.silent_before(tx.now, DISTRIBUTED_SECONDS) if wish.silent else None,
        flagged=wish.flagged,
        owner_ids=_owners(tx, wish.search),
        only=controls.list_devices_with(tx, wish.verdict) if wish.verdict else None,
    )
    return inventory.list_devices(
        tx, narrow, sort=sort, descending=descending, offset=offset, limit=limit
    )


def list_device_verdicts(tx: Transaction, device_id: str) -> Sequence[Verdict]:
    """Return one device's verdicts: to its owner, itself, or ``devices.read``.

    A "yes" of a self-check is told to the owner and to who reads single answers
    (``selfchecks.write``); to others it is what the machine itself says (docs/adr/0021).
    """
    device = require_device(tx, device_id, "devices.read")
    found = controls.list_verdicts(tx, device.id)
    if hears_words(tx, device):
        return found
    known = controls.catalogue_in_force().controls
    return [
        veil(known[v.control_id], v, device.enrolled_at) if v.control_id in known else v
        for v in found
    ]


def hears_words(tx: Transaction, device: Device) -> bool:
    """Return whether what somebody said of this device is meant for the caller, too."""
    return (
        is_owner(tx.principal, device)
        or is_itself(tx, device)
        or has_right(tx, device, "selfchecks.write")
    )


def list_device_changes(tx: Transaction, device: Device, days: int) -> list[controls.Change]:
    """Return a device's history as far as ``list_device_verdicts`` would tell it."""
    changes = controls.list_changes(tx, device.id, days)
    if hears_words(tx, device):
        return changes
    known = controls.catalogue_in_force().controls
    confided = {
        v.control_id
        for v in controls.list_verdicts(tx, device.id)
        if v.control_id in known and is_confided(known[v.control_id], v)
    }
    return [change for change in changes if change.control_id not in confided]


def _owners(tx: Transaction, search: str) -> Sequence[str]:
    if not search or not tx.principal.holds("identity.read"):
        return ()
    return [person.id for person in identity.list_people(tx, search=search, limit=MOST_OWNERS)]

"""The inventory: lists, counts and one device, for people and for other rooms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sekisho.devices import engine
from sekisho.devices.configuration import DISTRIBUTED_SECONDS
from sekisho.devices.model import Device, Ownership, Platform
from sekisho.devices.service.lifecycle import require_device
from sekisho.devices.store import devices as store
from sekisho.devices.store.devices import SORTS, DeviceFilter
from sekisho.identity import service as identity
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import msg

MOST_PER_PAGE = 500

__all__ = ["SORTS", "DeviceCounts", "DeviceFilter", "DevicePage"]


@dataclass(frozen=True, slots=True)
class DevicePage:
    """One page of a list: its devices, how many match in all, and where the page begins."""

    devices: tuple[Device, ...]
    total: int
    offset: int
    limit: int


@dataclass(frozen=True, slots=True)
class DeviceCounts:
    """How many devices there are by state, ownership and platform, and how many are silent."""

    total: int
    by_state: dict[str, int]
    by_ownership: dict[str, int]
    by_platform: dict[str, int]
    silent: int


def list_devices(
    tx: Transaction,
    narrow: DeviceFilter | None = None,
    *,
    sort: str = "label",
    descending: bool = False,
    offset: int = 0,
    limit: int = 50,
) -> DevicePage:
    """Return one page of the devices that the caller's ``devices.read`` reaches.

    Withdrawn devices are listed only if their state is asked for. Raises InvalidInputError for a
    sort that is not known or a page that cannot be.
    """
    seen = replace(narrow or DeviceFilter(), owned_by=within_reach(tx))
    if sort not in SORTS:
        raise InvalidInputError(
            msg("The order %(got)s is not known; one of %(known)s is expected.",
                got=sort[:40], known=", ".join(SORTS))
        )  # fmt: skip
    if offset < 0 or not 1 <= limit <= MOST_PER_PAGE:
        raise InvalidInputError(
            msg("A page has 1 to %(most)s devices and begins at 0 or later.", most=MOST_PER_PAGE)
        )
    found, total = store.list_page(
        tx, seen, sort, descending=descending, offset=offset, limit=limit
    )
    return DevicePage(tuple(found), total, offset, limit)


def list_device_ids(
    tx: Transaction, narrow: DeviceFilter | None = None, *, limit: int | None = None
) -> list[str]:
    """Return the ids of the devices that ``list_devices`` lists, in no order; at most ``limit``."""
    seen = replace(narrow or DeviceFilter(), owned_by=within_reach(tx))
    return store.list_ids(tx, seen, limit)


def within_reach(tx: Transaction) -> Any:
    """Return the query for the owners whose devices the caller may see; None for all devices.

    A device belongs where its owner does; one without an owner is seen only by those who see all.
    Raises NotPermittedError for a caller who has ``devices.read`` nowhere.
    """
    reach = tx.principal.require_reach("devices.read")
    return None if reach is None else identity.select_people_in(reach)


def list_own_devices(tx: Transaction) -> Sequence[Device]:
    """Return the devices of the person who asks. Needs ``self.read``."""
    tx.principal.require("self.read")
    found, _ = store.list_page(
        tx, DeviceFilter(owner_id=tx.principal.id), "label", descending=False, offset=0,
        limit=MOST_PER_PAGE,
    )  # fmt: skip
    return found


def get_device(tx: Transaction, device_id: str) -> Device:
    """Return one device: to its owner, itself, or ``devices.read``; raise NotFoundError."""
    return require_device(tx, device_id, "devices.read")


def count_platforms(tx: Transaction) -> Mapping[str, int]:
    """Count by platform the devices that ``devices.read`` reaches and that are not withdrawn."""
    found: dict[str, int] = {}
    for state, _, platform, count in store.count_states(tx, within_reach(tx)):
        if state != "withdrawn":
            found[platform] = found.get(platform, 0) + count
    return found


def count_pending(tx: Transaction) -> tuple[int, int]:
    """Count the devices that ``devices.read`` reaches and that are not withdrawn; those waiting."""
    states = store.count_states(tx, within_reach(tx))
    total = sum(count for state, _, _, count in states if state != "withdrawn")
    return total, sum(count for state, _, _, count in states if state == "pending")


def count_devices(tx: Transaction) -> DeviceCounts:
    """Count the devices that ``devices.read`` reaches and that are not withdrawn."""
    owned_by = within_reach(tx)
    by_state: dict[str, int] = {}
    by_ownership = dict.fromkeys(map(str, Ownership), 0)
    by_platform = dict.fromkeys(map(str, Platform), 0)
    for state, ownership, platform, count in store.count_states(tx, owned_by):
        by_state[state] = by_state.get(state, 0) + count
        if state != "withdrawn":
            by_ownership[ownership] += count
            by_platform[platform] += count
    before = engine.silent_before(tx.now, DISTRIBUTED_SECONDS)
    silent = store.count_silent(tx, before, owned_by)
    return DeviceCounts(sum(by_ownership.values()), by_state, by_ownership, by_platform, silent)

"""The list of devices as people search it: by words, verdict, access, tag, unit, last answer."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sekisho.controls import service as controls
from sekisho.controls.access import AccessKind
from sekisho.devices.model import Ownership, Platform
from sekisho.devices.service import inventory
from sekisho.devices.service.inventory import DeviceFilter
from sekisho.identity import service as identity
from sekisho.identity.service import standing
from sekisho.kernel.db import Transaction

MOST_FOUND_PEOPLE = 100
SILENT_AFTER = timedelta(days=1)
# What a column is called in the address, and by what the inventory sorts it.
SORTS = {"name": "label", "seen": "seen_at", "enrolled": "enrolled_at"}


@dataclass(frozen=True, slots=True)
class DeviceSearch:
    """What the address of the list asks for; "" does not narrow it."""

    q: str = ""
    verdict: str = ""
    ownership: str = ""
    platform: str = ""
    seen: str = ""
    access: str = ""
    tag: str = ""
    unit: str = ""
    sort: str = "name"

    @property
    def kept(self) -> list[tuple[str, str]]:
        """Return what a new search keeps."""
        names = (
            "verdict", "ownership", "platform", "seen", "access", "tag", "unit", "sort",
        )  # fmt: skip
        return [(name, getattr(self, name)) for name in names if getattr(self, name)]


def find_devices(
    tx: Transaction, search: DeviceSearch, *, offset: int, limit: int
) -> inventory.DevicePage:
    """Return a page of devices; an unknown filter value does not narrow the list."""
    name = search.sort.removeprefix("-")
    return inventory.list_devices(
        tx, make_filter(tx, search), sort=SORTS.get(name, "label"),
        descending=search.sort.startswith("-"), offset=offset, limit=limit,
    )  # fmt: skip


def make_filter(tx: Transaction, search: DeviceSearch) -> DeviceFilter:
    """Turn the address into what the inventory understands; people are found by name first."""
    owners: tuple[str, ...] = ()
    if search.q and tx.principal.holds("identity.read"):
        people = identity.list_people(tx, search=search.q, limit=MOST_FOUND_PEOPLE)
        owners = tuple(person.id for person in people)
    units = standing.units_below(tx, [search.unit]) if search.unit else None
    return DeviceFilter(
        search=search.q,
        ownership=Ownership(search.ownership) if search.ownership in set(Ownership) else None,
        platform=Platform(search.platform) if search.platform in set(Platform) else None,
        silent_before=tx.now - SILENT_AFTER if search.seen == "silent" else None,
        owner_ids=owners,
        standing=_standing(tx, search),
        tag=search.tag[:40],
        owner_units=None if units is None else standing.select_people_in(units),
    )


def _standing(tx: Transaction, search: DeviceSearch) -> list[Any]:
    """Return the queries for devices that stand as asked by verdict and by access."""
    found = []
    if search.verdict in {"fail", "unknown", "pass"}:
        found.append(controls.select_devices_standing(tx, search.verdict))
    if search.access in set(AccessKind):
        found.append(controls.select_devices_by_access(tx, AccessKind(search.access)))
    return found

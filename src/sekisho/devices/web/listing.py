"""The list of devices: search, filters and order in the address, pages, CSV."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.types import ControllerRouterHandler

from sekisho.controls import service as controls
from sekisho.controls.access import AccessKind
from sekisho.devices.model import Device, DeviceState, Ownership, Platform
from sekisho.devices.service import inventory
from sekisho.devices.service.inventory import DeviceFilter
from sekisho.devices.web.people import name_owners
from sekisho.identity import service as identity
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.ids import DeviceID
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal

PER_PAGE = 50
MOST_FOUND_PEOPLE = 100
SILENT_AFTER = timedelta(days=1)
# What a column is called in the address, and by what the inventory sorts it.
SORTS = {"name": "label", "seen": "seen_at", "enrolled": "enrolled_at"}
STATE_WORDS: Mapping[DeviceState, Text] = {
    DeviceState.PENDING: msg("Waits for approval"),
    DeviceState.CONSENT: msg("Waits for consent"),
    DeviceState.ACTIVE: msg("Active"),
    DeviceState.PAUSED: msg("Paused by its owner"),
    DeviceState.WITHDRAWN: msg("Withdrawn"),
}
# Cells that begin so are formulas to a spreadsheet (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address of the list asks for; "" does not narrow it."""

    q: str = ""
    verdict: str = ""
    ownership: str = ""
    platform: str = ""
    seen: str = ""
    access: str = ""
    sort: str = "name"

    @property
    def kept(self) -> list[tuple[str, str]]:
        """Return what a new search keeps."""
        names = ("verdict", "ownership", "platform", "seen", "access", "sort")
        return [(name, getattr(self, name)) for name in names if getattr(self, name)]


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One device as a line; ``failing`` and ``unknown`` count rules."""

    id: str
    title: str
    owner: str
    ownership: str
    platform: str
    os: str
    state: str
    state_word: Text
    standing: str
    failing: int
    unknown: int
    seen: datetime | None
    silent: bool
    flagged: bool
    access: str = ""


@get("/devices", sync_to_thread=True)
def show_devices(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    *,
    q: FromQuery[str] = "",
    verdict: FromQuery[str] = "",
    ownership: FromQuery[str] = "",
    platform: FromQuery[str] = "",
    seen: FromQuery[str] = "",
    access: FromQuery[str] = "",
    sort: FromQuery[str] = "name",
    page: FromQuery[int] = 1,
) -> Page:
    """Show one page of the devices that match. Needs ``devices.read``."""
    filters = Filters(q, verdict, ownership, platform, seen, access, sort)
    page = max(1, page)
    with database.read(principal) as tx:
        found = find_devices(tx, filters, offset=(page - 1) * PER_PAGE, limit=PER_PAGE)
        rows = make_rows(tx, found.devices)
        counts = inventory.count_devices(tx)
        totals = count_standings(tx)
    return Page("devices/list.html", {
        "rows": rows, "filters": filters, "totals": totals, "any_device": counts.total > 0,
        "pending": counts.by_state.get(DeviceState.PENDING, 0),
        "may_enrol": principal.allows("devices.write"), "page": page, "total": found.total,
        "pages": -(-found.total // PER_PAGE), "first": (page - 1) * PER_PAGE + 1,
        "last": (page - 1) * PER_PAGE + len(rows),
    })  # fmt: skip


@get("/devices.csv", sync_to_thread=True)
def export_devices(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    *,
    q: FromQuery[str] = "",
    verdict: FromQuery[str] = "",
    ownership: FromQuery[str] = "",
    platform: FromQuery[str] = "",
    seen: FromQuery[str] = "",
    access: FromQuery[str] = "",
    sort: FromQuery[str] = "name",
) -> Response[str]:
    """Give every device that matches as CSV (RFC 4180, UTF-8 with a mark for spreadsheets)."""
    filters = Filters(q, verdict, ownership, platform, seen, access, sort)
    with database.read(principal) as tx:
        text = write_csv(_all_rows(tx, filters))
    return Response(
        text, media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="devices.csv"'},
    )  # fmt: skip


def count_standings(tx: Transaction) -> dict[str, int]:
    """Count devices by their worst verdict; whoever sees some devices only, these."""
    if tx.principal.allows("devices.read"):
        return controls.count_standings(tx)
    counts = {}
    for kind in ("fail", "unknown", "pass"):
        narrow = DeviceFilter(only=controls.list_devices_standing(tx, kind))
        counts[kind] = inventory.list_devices(tx, narrow, limit=1).total
    return counts


def find_devices(
    tx: Transaction, filters: Filters, *, offset: int, limit: int
) -> inventory.DevicePage:
    """Return a page of devices; an unknown filter value does not narrow the list."""
    name = filters.sort.removeprefix("-")
    return inventory.list_devices(
        tx, make_filter(tx, filters), sort=SORTS.get(name, "label"),
        descending=filters.sort.startswith("-"), offset=offset, limit=limit,
    )  # fmt: skip


def make_filter(tx: Transaction, filters: Filters) -> DeviceFilter:
    """Turn the address into what the inventory understands; people are found by name first."""
    owners: tuple[str, ...] = ()
    if filters.q and tx.principal.holds("identity.read"):
        people = identity.list_people(tx, search=filters.q, limit=MOST_FOUND_PEOPLE)
        owners = tuple(person.id for person in people)
    return DeviceFilter(
        search=filters.q,
        ownership=Ownership(filters.ownership) if filters.ownership in set(Ownership) else None,
        platform=Platform(filters.platform) if filters.platform in set(Platform) else None,
        silent_before=tx.now - SILENT_AFTER if filters.seen == "silent" else None,
        owner_ids=owners,
        only=_only(tx, filters),
    )


def _only(tx: Transaction, filters: Filters) -> list[DeviceID] | None:
    """Return the devices that stand as asked by verdict and by access; None does not narrow."""
    found: list[list[DeviceID]] = []
    if filters.verdict in {"fail", "unknown", "pass"}:
        found.append(controls.list_devices_standing(tx, filters.verdict))
    if filters.access in set(AccessKind):
        found.append(controls.list_devices_by_access(tx, AccessKind(filters.access)))
    return sorted(set(found[0]).intersection(*found[1:])) if found else None


def make_rows(tx: Transaction, devices: Sequence[Device]) -> list[DeviceRow]:
    """Make the lines of a page: devices, their owners' names and how they stand."""
    names = name_owners(tx, devices)
    ids = [device.id for device in devices]
    standings, access = controls.list_standings(tx, ids), controls.list_access_kinds(tx, ids)
    return [
        replace(
            _row(device, names.get(device.owner_id or "", ""), standings.get(device.id), tx.now),
            access=access[device.id],
        )
        for device in devices
    ]


def _row(
    device: Device, owner: str, standing: controls.Standing | None, now: datetime
) -> DeviceRow:
    failing, unknown = (standing.failing, standing.unknown) if standing else (0, 0)
    last = device.seen_at or device.enrolled_at
    return DeviceRow(
        id=device.id, title=device.title, owner=owner, ownership=device.ownership.value,
        platform=device.platform.value, os=f"{device.os_name} {device.os_version}".strip(),
        state=device.state.value, state_word=STATE_WORDS[device.state],
        standing=standing.worst if standing else "unknown",
        failing=failing, unknown=unknown, seen=device.seen_at,
        silent=device.state is DeviceState.ACTIVE and now - last > SILENT_AFTER,
        flagged=bool(device.flagged),
    )  # fmt: skip


def _all_rows(tx: Transaction, filters: Filters) -> Iterator[DeviceRow]:
    offset, step = 0, inventory.MOST_PER_PAGE
    while True:
        found = find_devices(tx, filters, offset=offset, limit=step)
        yield from make_rows(tx, found.devices)
        offset += step
        if offset >= found.total:
            return


def write_csv(rows: Iterator[DeviceRow]) -> str:
    """Write lines as CSV with ISO times; a cell that a spreadsheet would run gets a quote."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([
        "id", "name", "person", "ownership", "platform", "os", "state", "verdict",
        "failing_rules", "unknown_rules", "last_answer", "access",
    ])  # fmt: skip
    for row in rows:
        seen = row.seen.isoformat() if row.seen else ""
        cells = (
            row.id, row.title, row.owner, row.ownership, row.platform, row.os, row.state,
            row.standing, row.failing, row.unknown, seen, row.access,
        )  # fmt: skip
        writer.writerow([_harmless(cell) for cell in cells])
    return "\ufeff" + out.getvalue()


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


HANDLERS: list[ControllerRouterHandler] = [show_devices, export_devices]

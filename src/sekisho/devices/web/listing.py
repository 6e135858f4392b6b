"""The list of devices: search, filters, order and columns in the address, pages, CSV."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from sekisho.controls import service as controls
from sekisho.devices import engine
from sekisho.devices.model import Device, DeviceState
from sekisho.devices.service import inventory, many
from sekisho.devices.service.searching import SILENT_AFTER, DeviceSearch, find_devices
from sekisho.identity import service as identity
from sekisho.identity.service import units
from sekisho.kernel import sheets
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal

PER_PAGE = 50
COLUMNS: Mapping[str, Text] = {
    "verdict": msg("Verdict"),
    "access": msg("Access"),
    "person": msg("Person"),
    "unit": msg("Unit"),
    "kind": msg("Kind"),
    "system": msg("System"),
    "tags": msg("Tags"),
    "note": msg("Note"),
    "enrolled": msg("Enrolled"),
    "seen": msg("Last answer"),
}
USUAL_COLUMNS = ("verdict", "access", "person", "kind", "system", "tags", "seen")
STATE_WORDS: Mapping[DeviceState, Text] = {
    DeviceState.PENDING: msg("Waits for approval"),
    DeviceState.CONSENT: msg("Waits for consent"),
    DeviceState.ACTIVE: msg("Active"),
    DeviceState.PAUSED: msg("Paused by its owner"),
    DeviceState.WITHDRAWN: msg("Withdrawn"),
}


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
    enrolled: datetime | None = None
    access: str = ""
    tags: Sequence[str] = ()
    unit: str = ""
    email: str = ""
    note: str = ""
    stamp: str = ""


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
    tag: FromQuery[str] = "",
    unit: FromQuery[str] = "",
    sort: FromQuery[str] = "name",
    c: FromQuery[list[str] | None] = None,
    page: FromQuery[int] = 1,
) -> Page:
    """Show one page of the devices that match. Needs ``devices.read``."""
    filters = DeviceSearch(q, verdict, ownership, platform, seen, access, tag, unit, sort)
    page = max(1, page)
    with database.read(principal) as tx:
        found = find_devices(tx, filters, offset=(page - 1) * PER_PAGE, limit=PER_PAGE)
        columns = pick_columns(c)
        rows = make_rows(tx, found.devices)
        tags, units = many.list_tags(tx), list_units(tx)
        enrolled, pending = inventory.count_pending(tx)
        totals = count_standings(tx)
    return Page("devices/list.html", {
        "rows": rows, "filters": filters, "totals": totals, "any_device": enrolled > 0,
        "columns": columns, "column_words": COLUMNS, "tags": tags, "units": units,
        "may_act": principal.holds("devices.write"),
        "pending": pending,
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
    tag: FromQuery[str] = "",
    unit: FromQuery[str] = "",
    sort: FromQuery[str] = "name",
) -> Stream:
    """Give every device that matches as CSV (RFC 4180, UTF-8 with a mark for spreadsheets)."""
    filters = DeviceSearch(q, verdict, ownership, platform, seen, access, tag, unit, sort)
    principal.require_reach("devices.read")
    return Stream(
        write_csv(_all_rows(database, principal, filters)), media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="devices.csv"'},
    )  # fmt: skip


def pick_columns(wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Return the columns that are shown; those that are not there any more are left out."""
    picked = tuple(name for name in COLUMNS if name in set(wanted or ()))
    return picked or USUAL_COLUMNS


def list_units(tx: Transaction) -> Sequence[tuple[str, str, int]]:
    """Return id, name and depth of the units by which whoever may see people narrows the list."""
    if not tx.principal.holds("identity.read"):
        return []
    return [(unit.id, unit.name, depth) for unit, depth in units.list_tree(tx)]


def count_standings(tx: Transaction) -> dict[str, int]:
    """Count devices by their worst verdict; whoever sees some devices only, these."""
    return controls.count_standings(tx, inventory.within_reach(tx), imported=False)


def make_rows(tx: Transaction, devices: Sequence[Device]) -> list[DeviceRow]:
    """Make the lines of a page: devices, their owners' names and how they stand."""
    owners = identity.find_people(tx, [d.owner_id for d in devices if d.owner_id])
    places = units.name_units(tx, [owner.unit_id for owner in owners.values()])
    ids = [device.id for device in devices]
    standings, access = controls.list_standings(tx, ids), controls.list_access_kinds(tx, ids)
    tags = many.find_tags(tx, ids)
    found = []
    for device in devices:
        owner = owners.get(device.owner_id or "")
        held = tags.get(device.id, ())
        found.append(replace(
            _row(device, owner.name if owner else "", standings.get(device.id), tx.now),
            access=access[device.id], tags=held, email=owner.email if owner else "",
            unit=places.get((owner.unit_id if owner else None) or "", ""), note=device.note,
            stamp=engine.stamp_device(device, held),
        ))  # fmt: skip
    return found


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
        flagged=bool(device.flagged), enrolled=device.enrolled_at,
    )  # fmt: skip


def _all_rows(
    database: Database, principal: Principal, filters: DeviceSearch
) -> Iterator[DeviceRow]:
    offset, step = 0, inventory.MOST_PER_PAGE
    with database.read(principal) as tx:
        while True:
            found = find_devices(tx, filters, offset=offset, limit=step)
            yield from make_rows(tx, found.devices)
            offset += step
            if offset >= found.total:
                return


def write_csv(rows: Iterable[DeviceRow]) -> Iterator[str]:
    """Write lines as CSV with ISO times; what is changed in tags, owner_email and note comes back.

    ``version`` tells later whether somebody else changed the device meanwhile.
    """
    yield sheets.start([
        "id", "name", "person", "ownership", "platform", "os", "state", "verdict",
        "failing_rules", "unknown_rules", "last_answer", "access", "owner_email", "unit", "tags",
        "note", "version",
    ])  # fmt: skip
    for row in rows:
        seen = row.seen.isoformat() if row.seen else ""
        yield sheets.line([
            row.id, row.title, row.owner, row.ownership, row.platform, row.os, row.state,
            row.standing, row.failing, row.unknown, seen, row.access, row.email, row.unit,
            "; ".join(row.tags), row.note, row.stamp,
        ])  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [show_devices, export_devices]

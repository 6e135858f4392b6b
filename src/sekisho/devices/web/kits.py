"""Enrolment kits as pages: the list and what waits for approval, a form, the kit shown once."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from litestar import get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery, QueryParameter
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.controls.manifest import manifest_for
from sekisho.controls.model import Catalogue
from sekisho.devices.desk import Desk
from sekisho.devices.kitfiles import (
    KitSite,
    install_command,
    pack_archive,
    write_agent_kit,
    write_flags,
    write_instructions,
)
from sekisho.devices.model import Device, DeviceState, Kit, KitKind, Ownership, Platform
from sekisho.devices.service import inventory, lifecycle
from sekisho.devices.service import kits as service
from sekisho.devices.service.inventory import DeviceFilter
from sekisho.devices.service.sites import describe_site
from sekisho.devices.web.people import name_actors, say_actor
from sekisho.identity import service as identity
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import InvalidInputError, SekishoError
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.ids import PersonID
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Settings

MOST_PENDING = 100
PER_PAGE = 50
STATES: Mapping[str, Text] = {
    "open": msg("Can be used"), "used": msg("Used up"), "ended": msg("Ran out"),
    "revoked": msg("Revoked"),
}  # fmt: skip
MOST_PEOPLE = 500
EMPTY_FORM: Mapping[str, object] = {
    "ownership": "company", "kind": "device", "label": "", "owner": "", "max_devices": 10,
    "days": 7,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class KitRow:
    """A kit as a line of the list."""

    id: str
    label: str
    ownership: str
    kind: str
    used: int
    limit: int
    ends: datetime
    revoked: bool
    made_by: Text | str


@dataclass(frozen=True, slots=True)
class PendingRow:
    """A device that waits for approval."""

    id: str
    title: str
    ownership: str
    os: str
    platform: str
    kit: str
    asked: datetime


@dataclass(frozen=True, slots=True)
class Way:
    """How a kit is used on one system; ``archive`` is the ZIP as a data: address.

    The archive travels inside the page, so that the secret is never kept for a download.
    """

    platform: str
    name: str
    archive: str
    command: str
    flags: str


@get("/devices/kits", sync_to_thread=True)
def show_kits(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    q: FromQuery[str] = "",
    wanted: Annotated[str, QueryParameter(name="state")] = "",
    sort: FromQuery[str] = "-made",
    page: FromQuery[int] = 1,
) -> Page:
    """List the kits, and the devices that wait for approval above them."""
    waiting, offset = DeviceFilter(state=DeviceState.PENDING), (max(1, page) - 1) * PER_PAGE
    with database.read(principal) as tx:
        found = service.page_kits(tx, q, wanted, limit=PER_PAGE, offset=offset, sort=sort)
        pending = inventory.list_devices(tx, waiting, sort="enrolled_at", limit=MOST_PENDING)
        makers = name_actors(tx, {kit.created_by for kit in found.kits})
        labels = service.label_kits(tx, {d.kit_id for d in pending.devices if d.kit_id})
    return Page("devices/kits.html", {
        "kits": [_kit_row(kit, makers) for kit in found.kits],
        "pending": [_pending_row(device, labels) for device in pending.devices],
        "filters": {"q": q, "state": wanted, "sort": sort},
        "counts": found.counts, "states": STATES,
        "page": max(1, page), "pages": -(-found.total // PER_PAGE), "total": found.total,
        "first": offset + 1, "last": offset + len(found.kits),
    })  # fmt: skip


def _kit_row(kit: Kit, makers: Mapping[str, str]) -> KitRow:
    return KitRow(
        kit.id, kit.label or f"…{kit.id[-6:]}", kit.ownership.value, kit.kind.value,
        kit.used_devices, kit.max_devices, kit.ends_at, kit.revoked_at is not None,
        say_actor(kit.created_by, makers),
    )  # fmt: skip


def _pending_row(device: Device, labels: Mapping[str, str]) -> PendingRow:
    kit = labels.get(device.kit_id, "") if device.kit_id else ""
    return PendingRow(
        device.id, device.title, device.ownership.value,
        f"{device.os_name} {device.os_version}".strip(), device.platform.value, kit or "—",
        device.enrolled_at,
    )  # fmt: skip


@get("/devices/kits/new", sync_to_thread=True)
def show_form(principal: NamedDependency[Principal], database: NamedDependency[Database]) -> Page:
    """Show the form for a new kit. Needs ``devices.write``."""
    principal.require("devices.write")
    with database.read(principal) as tx:
        return _form(tx, EMPTY_FORM, None)


def _form(tx: Transaction, form: Mapping[str, object], fault: SekishoError | None) -> Page:
    may_name = tx.principal.allows("identity.read")
    people = identity.list_people(tx, limit=MOST_PEOPLE) if may_name else []
    status = fault.status if fault else 200
    return Page(
        "devices/kit_new.html", {"form": form, "people": people, "fault": fault}, status=status
    )


@post("/devices/kits", status_code=200, sync_to_thread=True)
def make_kit(
    data: Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    *,
    settings: NamedDependency[Settings],
    box: NamedDependency[SecretBox],
    catalogue: NamedDependency[Catalogue],
    state: State,
    language: NamedDependency[str],
) -> Page:
    """Make a kit and show it this once; a mistake brings the form back with what was typed."""
    form = {**EMPTY_FORM, **data}
    desk: Desk = state["desk"]
    try:
        order = read_order(form)
        with database.write(principal) as tx:
            made = service.create_kit(tx, order)
            site = describe_site(tx, box, settings, desk.files.authority)
    except InvalidInputError as fault:
        with database.read(principal) as tx:
            return _form(tx, form, fault)
    secret = made.secret.reveal()
    return Page(
        "devices/kit_made.html",
        {
            "kit": _made(made.kit),
            "secret": secret,
            "server": site.server_url,
            "ways": make_ways(site, made.kit, secret, catalogue, language),
        },
    )


def read_order(form: Mapping[str, object]) -> service.KitOrder:
    """Read the form of a kit; raise InvalidInputError that says what is wrong with it."""
    kinds, owners = {k.value for k in KitKind}, {o.value for o in Ownership}
    if form["kind"] not in kinds or form["ownership"] not in owners:
        raise InvalidInputError(
            msg("Choose whose computer it is and how many the kit is for."),
            hint=msg("Send the form of this page."),
        )
    return service.KitOrder(
        kind=KitKind(str(form["kind"])),
        ownership=Ownership(str(form["ownership"])),
        label=str(form["label"]),
        owner_id=PersonID(str(form["owner"])) if form["owner"] else None,
        max_devices=_whole(form["max_devices"], msg_name="max_devices"),
        life=timedelta(days=_whole(form["days"], msg_name="days")),
    )


def _whole(value: object, *, msg_name: str) -> int:
    text = str(value).strip()
    if not text.isascii() or not text.isdecimal() or len(text) > 6:  # noqa: PLR2004 - digits
        raise InvalidInputError(
            msg("“%(got)s” is not a whole number (%(field)s).", got=text[:40], field=msg_name),
            hint=msg("Write digits only, for example 7."),
        )
    return int(text)


def _made(kit: Kit) -> Mapping[str, object]:
    return {
        "label": kit.label or f"…{kit.id[-6:]}", "ownership": kit.ownership.value,
        "limit": kit.max_devices, "ends": kit.ends_at, "needs_approval": kit.needs_approval,
    }  # fmt: skip


def make_ways(
    site: KitSite, kit: Kit, secret: str, catalogue: Catalogue, language: str
) -> Sequence[Way]:
    """Make the archive and the command for every system."""
    order = (Platform.WINDOWS, Platform.DARWIN, Platform.LINUX)
    return [_way(site, kit, secret, catalogue, platform, language) for platform in order]


def _way(
    site: KitSite, kit: Kit, secret: str, catalogue: Catalogue, platform: Platform, language: str
) -> Way:
    tables = _tables(catalogue, platform, kit.ownership)
    flags = write_flags(site, kit.ownership, platform, tables, carve=False)
    archive = pack_archive({
        "sekisho-kit.json": write_agent_kit(site, kit, secret),
        "osquery.flags": flags, "sekisho.secret": secret,
        "sekisho.pem": site.osquery_pem or site.ca_pem,
        "README.md": write_instructions(site, kit.ownership, platform, kit.ends_at, language),
    })  # fmt: skip
    packed = base64.b64encode(archive).decode("ascii")
    return Way(
        platform.value, f"sekisho-kit-{platform.value}.zip",
        f"data:application/zip;base64,{packed}", install_command(platform, kit.ownership), flags,
    )  # fmt: skip


def _tables(catalogue: Catalogue, platform: Platform, ownership: Ownership) -> Iterable[str]:
    reads = manifest_for(catalogue, platform, ownership, sekisho_agent=False)
    return {table for table, _ in reads}


@post("/devices/kits/{kit_id:str}/revoke", sync_to_thread=True)
def revoke_kit(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    kit_id: FromPath[str],
) -> Redirect:
    """End a kit at once; devices that are enrolled stay."""
    with database.write(principal) as tx:
        service.revoke_kit(tx, kit_id)
    return Redirect("/devices/kits", status_code=303)


@post("/devices/{device_id:str}/approve", sync_to_thread=True)
def approve_device(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    device_id: FromPath[str],
) -> Redirect:
    """Let a waiting device in."""
    with database.write(principal) as tx:
        lifecycle.approve_device(tx, device_id)
    return Redirect("/devices/kits", status_code=303)


@post("/devices/{device_id:str}/refuse", sync_to_thread=True)
def refuse_device(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    device_id: FromPath[str],
) -> Redirect:
    """Turn a waiting device away and forget what it told."""
    with database.write(principal) as tx:
        tx.principal.require("devices.approve")
        lifecycle.withdraw_device(tx, device_id)
    return Redirect("/devices/kits", status_code=303)


HANDLERS: list[ControllerRouterHandler] = [
    show_kits, show_form, make_kit, revoke_kit, approve_device, refuse_device,
]  # fmt: skip

"""The JSON API for people and scripts: the inventory, kits, approval, consent, pause, withdrawal.

Handlers are thin: they open a unit of work, call the service, and shape the answer. Looking at a
person's device is recorded before it is answered.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated

from litestar import delete, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from sekisho.devices.api import shapes
from sekisho.devices.api.shapes import (
    CarveOrder,
    CarveShape,
    CertificateShape,
    ConsentGiven,
    DeviceChange,
    DeviceDetail,
    DevicePageShape,
    DeviceShape,
    KitMade,
    KitRequest,
    KitShape,
    LookShape,
    VerdictShape,
)
from sekisho.devices.desk import Desk
from sekisho.devices.model import Device, DeviceState, KitKind, Ownership, Platform
from sekisho.devices.service import (
    carves,
    certificates,
    inventory,
    kits,
    lifecycle,
    privacy,
    sites,
    verdicts,
)
from sekisho.devices.service.kits import KitOrder
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.ids import PersonID
from sekisho.kernel.principal import Principal
from sekisho.kernel.settings import Settings

Change = Callable[[Transaction, str], Device]


@get("/api/devices", sync_to_thread=True)
def list_devices(  # noqa: PLR0917 - the query parameters, by name
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    search: Annotated[str, QueryParameter(max_length=200)] = "",
    ownership: FromQuery[Ownership | None] = None,
    platform: FromQuery[Platform | None] = None,
    device_state: Annotated[DeviceState | None, QueryParameter(name="state")] = None,
    verdict: FromQuery[str] = "",
    silent: FromQuery[bool] = False,
    flagged: FromQuery[bool] = False,
    sort: FromQuery[str] = "label",
    descending: FromQuery[bool] = False,
    offset: FromQuery[int] = 0,
    limit: FromQuery[int] = 50,
) -> DevicePageShape:
    """List devices: search, filters, order, page. Withdrawn ones only where asked for."""
    wanted = verdicts.ListWish(
        search=search,
        ownership=ownership,
        platform=platform,
        state=device_state,
        verdict=verdict,
        silent=silent,
        flagged=flagged,
    )
    with database.read(principal) as tx:
        page = verdicts.search_devices(
            tx, wanted, sort=sort, descending=descending, offset=offset, limit=limit
        )
        return shapes.shape_page(page)


@get("/api/devices/counts", sync_to_thread=True)
def count_devices(
    principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> inventory.DeviceCounts:
    """Count devices by state, ownership and platform, and those that are silent."""
    with database.read(principal) as tx:
        return inventory.count_devices(tx)


@get("/api/devices/{device_id:str}", sync_to_thread=True)
def show_device(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    device_id: FromPath[str],
) -> DeviceDetail:
    """Show one device with its certificates; a look at somebody's device is recorded."""
    with database.write(principal) as tx:
        device = inventory.get_device(tx, device_id)
        privacy.record_look(tx, device_id, "device")
        found = certificates.list_certificates(tx, device_id)
    return shapes.shape_detail(device, found)


@get("/api/devices/{device_id:str}/verdicts", sync_to_thread=True)
def show_verdicts(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    device_id: FromPath[str],
) -> list[VerdictShape]:
    """Show what is proven about one device; a look at somebody's device is recorded."""
    with database.write(principal) as tx:
        inventory.get_device(tx, device_id)
        privacy.record_look(tx, device_id, "verdicts")
        found = verdicts.list_device_verdicts(tx, device_id)
    return [shapes.shape_verdict(verdict) for verdict in found]


@get("/api/devices/{device_id:str}/looks", sync_to_thread=True)
def show_looks(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    device_id: FromPath[str],
) -> list[LookShape]:
    """Show who looked at a device, latest first."""
    with database.read(principal) as tx:
        return [shapes.shape_look(look) for look in privacy.list_looks(tx, device_id)]


@post("/api/devices/{device_id:str}/check-now", status_code=200, sync_to_thread=True)
def check_now(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    state: State,
    device_id: FromPath[str],
) -> DeviceShape:
    """Ask the device everything again at its next word."""
    return _change(principal, database, state, device_id, lifecycle.check_now)


@post("/api/devices/{device_id:str}/approve", status_code=200, sync_to_thread=True)
def approve(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    state: State,
    device_id: FromPath[str],
) -> DeviceShape:
    """Let in a device that was enrolled with a group secret."""
    return _change(principal, database, state, device_id, lifecycle.approve_device)


@post("/api/devices/{device_id:str}/pause", status_code=200, sync_to_thread=True)
def pause(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    state: State,
    device_id: FromPath[str],
) -> DeviceShape:
    """Stop asking a device; its answers grow old."""
    return _change(principal, database, state, device_id, lifecycle.pause_device)


@post("/api/devices/{device_id:str}/resume", status_code=200, sync_to_thread=True)
def resume(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    state: State,
    device_id: FromPath[str],
) -> DeviceShape:
    """Go on after a pause."""
    return _change(principal, database, state, device_id, lifecycle.resume_device)


@post("/api/devices/{device_id:str}/withdraw", status_code=200, sync_to_thread=True)
def withdraw(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    state: State,
    device_id: FromPath[str],
) -> DeviceShape:
    """End an enrolment and delete what was learned from the device."""
    return _change(principal, database, state, device_id, lifecycle.withdraw_device)


@post("/api/devices/{device_id:str}/consent", status_code=200, sync_to_thread=True)
def consent(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    state: State,
    device_id: FromPath[str],
    data: JSONBody[ConsentGiven],
) -> DeviceShape:
    """Take the owner's consent to the check of their private PC."""
    return _change(
        principal, database, state, device_id,
        lambda tx, name: lifecycle.give_consent(tx, name, data.version),
    )  # fmt: skip


@post("/api/devices/{device_id:str}/change", status_code=200, sync_to_thread=True)
def change(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    state: State,
    device_id: FromPath[str],
    data: JSONBody[DeviceChange],
) -> DeviceShape:
    """Give a device a label and an owner."""
    return _change(
        principal, database, state, device_id,
        lambda tx, name: lifecycle.rename_device(tx, name, data.label, data.owner_id),
    )  # fmt: skip


@get("/api/devices/kits", sync_to_thread=True)
def list_kits(
    principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> list[KitShape]:
    """List enrolment kits, the newest first; secrets are never shown again."""
    with database.read(principal) as tx:
        return [shapes.shape_kit(kit, tx.now) for kit in kits.list_kits(tx)]


@post("/api/devices/kits", status_code=201, sync_to_thread=True)
def create_kit(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    state: State,
    data: JSONBody[KitRequest],
) -> KitMade:
    """Make an enrolment kit; this answer is the only place where its secret is shown."""
    order = KitOrder(
        kind=KitKind(data.kind),
        ownership=Ownership(data.ownership),
        label=data.label,
        owner_id=PersonID(data.owner_id) if data.owner_id else None,
        max_devices=data.max_devices,
        life=timedelta(seconds=data.life_seconds),
        approval=data.approval,
        consent_version=data.consent_version,
    )
    desk: Desk = state["desk"]
    with database.write(principal) as tx:
        made = kits.create_kit(tx, order)
        site = sites.describe_site(tx, desk.files.box, settings, desk.files.authority)
        plans = {each: desk.plan(each, order.ownership, agent=False) for each in Platform}
        contents = sites.write_kit_files(site, made, plans)
        return shapes.shape_made(made, contents, tx.now)


@delete("/api/devices/kits/{kit_id:str}", status_code=204, sync_to_thread=True)
def revoke_kit(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    kit_id: FromPath[str],
) -> None:
    """End a kit at once; devices that are enrolled stay."""
    with database.write(principal) as tx:
        kits.revoke_kit(tx, kit_id)


@get("/api/devices/{device_id:str}/certificates", sync_to_thread=True)
def list_certificates(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    device_id: FromPath[str],
) -> list[CertificateShape]:
    """List the certificates that were issued to a device."""
    with database.read(principal) as tx:
        found = certificates.list_certificates(tx, device_id)
    return [shapes.shape_certificate(each) for each in found]


@delete("/api/devices/{device_id:str}/certificates", status_code=204, sync_to_thread=True)
def revoke_certificates(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    device_id: FromPath[str],
) -> None:
    """Revoke all certificates of a device."""
    with database.write(principal) as tx:
        certificates.revoke_certificates(tx, device_id, "asked through the API")


@get("/api/devices/{device_id:str}/carves", sync_to_thread=True)
def list_carves(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    device_id: FromPath[str],
) -> list[CarveShape]:
    """List the orders for files of a company device."""
    with database.read(principal) as tx:
        return [shapes.shape_carve(carve) for carve in carves.list_carves(tx, device_id)]


@post("/api/devices/{device_id:str}/carves", status_code=201, sync_to_thread=True)
def request_carve(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    device_id: FromPath[str],
    data: JSONBody[CarveOrder],
) -> CarveShape:
    """Order files of a company device; another person has to approve."""
    with database.write(principal) as tx:
        made = carves.request_carve(tx, device_id, data.path, data.reason, data.max_bytes)
    return shapes.shape_carve(made)


@post("/api/devices/carves/{carve_id:str}/approve", status_code=200, sync_to_thread=True)
def approve_carve(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    state: State,
    carve_id: FromPath[str],
) -> CarveShape:
    """Approve somebody else's order; the device is asked at its next word."""
    desk: Desk = state["desk"]
    with database.write(principal) as tx:
        carve = carves.approve_carve(tx, carve_id)
        question = carves.carve_question(carve)
        tx.after_commit(lambda: desk.ask_once(carve.device_id, *question))
    return shapes.shape_carve(carve)


def _change(
    principal: Principal, database: Database, state: State, device_id: str, act: Change
) -> DeviceShape:
    """Run one act on a device and tell the desk of it as soon as it is committed."""
    desk: Desk = state["desk"]
    with database.write(principal) as tx:
        device = act(tx, device_id)
        desk.follow(tx, device_id)
    return shapes.shape_device(device)


HANDLERS = [
    list_devices, count_devices, show_device, show_verdicts, show_looks, check_now, approve,
    pause, resume, withdraw, consent, change, list_kits, create_kit, revoke_kit,
    list_certificates, revoke_certificates, list_carves, request_carve, approve_carve,
]  # fmt: skip

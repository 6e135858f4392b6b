"""Files of company devices as pages: an order with its reason, another person's yes, the file.

What came in is an artefact of the evidence; opening it is recorded there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from litestar import Response, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.devices.desk import Desk
from sekisho.devices.model import (
    Carve,
    CarveFilter,
    CarveState,
    Device,
    DeviceState,
    Ownership,
)
from sekisho.devices.service import carves, inventory
from sekisho.devices.service.sites import describe_site, write_incident_flags
from sekisho.devices.web.people import name_actors
from sekisho.evidence import service as evidence
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotPermittedError,
    SekishoError,
)
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Settings

Form = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]
STATE_WORDS: Mapping[CarveState, Text] = {
    CarveState.REQUESTED: msg("waits for another person"),
    CarveState.APPROVED: msg("waits for the device"),
    CarveState.RECEIVING: msg("coming in"),
    CarveState.DONE: msg("here"),
    CarveState.REFUSED: msg("ended without files"),
}
_MEGABYTE = 1 << 20
_MOST_MEGABYTES = carves.LARGEST_CARVE // _MEGABYTE
_MOST_DIGITS = 3
_OPEN = frozenset({CarveState.REQUESTED, CarveState.APPROVED, CarveState.RECEIVING})
PER_PAGE = 50
# What the address calls a column, and the states it stands for.
_SORTS = {"asked": "requested_at", "path": "path", "status": "state"}
_STATES: Mapping[str, frozenset[CarveState]] = {
    "waiting": frozenset({CarveState.REQUESTED}),
    "coming": frozenset({CarveState.APPROVED, CarveState.RECEIVING}),
    "here": frozenset({CarveState.DONE}),
    "ended": frozenset({CarveState.REFUSED}),
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What the address of the list asks for; what is not known does not narrow it."""

    q: str = ""
    status: str = ""
    sort: str = "-asked"
    page: int = 1

    @property
    def kept(self) -> list[tuple[str, str]]:
        """Return what a new search keeps."""
        return [(n, v) for n, v in (("status", self.status), ("sort", self.sort)) if v]


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order for files as a line."""

    id: str
    device: str
    path: str
    reason: str
    asked_by: str
    asked_at: datetime
    approved_by: str
    state: Text
    note: str
    limit: int
    came: bool
    may_approve: bool
    may_end: bool
    own: bool


@get("/devices/files", sync_to_thread=True)
def show_all_files(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    *,
    q: FromQuery[str] = "",
    status: FromQuery[str] = "",
    sort: FromQuery[str] = "-asked",
    page: FromQuery[int] = 1,
) -> Page:
    """List the orders for files of all devices, the newest first. Needs ``devices.read``."""
    wish = Wish(q, status, sort, max(1, page))
    with database.read(principal) as tx:
        listed = list_orders(tx, wish)
        titles = {row.device: inventory.get_device(tx, row.device).title for row in listed["rows"]}
    return Page("devices/files.html", {
        **listed, "device": None, "titles": titles, "form": {}, "fault": None, "may_ask": False,
    })  # fmt: skip


def list_orders(tx: Transaction, wish: Wish, device_id: str = "") -> dict[str, Any]:
    """Return one page of orders as the template shows it."""
    narrow = CarveFilter(wish.q.strip(), device_id, _STATES.get(wish.status, frozenset()))
    found = carves.page_carves(
        tx, narrow, sort=_SORTS.get(wish.sort.removeprefix("-"), "requested_at"),
        descending=wish.sort.startswith("-"), offset=(wish.page - 1) * PER_PAGE, limit=PER_PAGE,
    )  # fmt: skip
    first = (wish.page - 1) * PER_PAGE + 1
    return {
        "rows": read_orders(tx, found.carves), "wish": wish, "total": found.total,
        "narrowed": bool(wish.q.strip() or wish.status), "page": wish.page, "first": first,
        "last": first + len(found.carves) - 1, "pages": -(-found.total // PER_PAGE),
    }  # fmt: skip


@get("/devices/{device_id:str}/files", sync_to_thread=True)
def show_files(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    device_id: FromPath[str],
    *,
    q: FromQuery[str] = "",
    status: FromQuery[str] = "",
    sort: FromQuery[str] = "-asked",
    page: FromQuery[int] = 1,
) -> Page:
    """List the orders for files of one company device. Needs ``devices.read``."""
    with database.read(principal) as tx:
        return _page(tx, device_id, {}, None, Wish(q, status, sort, max(1, page)))


def _page(
    tx: Transaction,
    device_id: str,
    form: Mapping[str, str],
    fault: SekishoError | None,
    wish: Wish | None = None,
) -> Page:
    device = _company_device(tx, device_id)
    may_ask = tx.principal.allows("devices.write") and device.state is DeviceState.ACTIVE
    return Page(
        "devices/files.html",
        {**list_orders(tx, wish or Wish(), device_id), "titles": {}, "form": form, "fault": fault,
         "device": {"id": device.id, "title": device.title}, "may_ask": may_ask},
        status=fault.status if fault else 200,
    )  # fmt: skip


def _company_device(tx: Transaction, device_id: str) -> Device:
    tx.principal.require("devices.read")
    device = inventory.get_device(tx, device_id)
    if device.ownership is not Ownership.COMPANY:
        raise NotPermittedError(msg("No files are ever fetched from a private PC."))
    return device


def read_orders(tx: Transaction, orders: Sequence[Carve]) -> list[OrderRow]:
    """Return orders as lines, with what the caller may do about each."""
    actors = {order.requested_by for order in orders}
    names = name_actors(tx, actors | {order.approved_by or "" for order in orders})
    return [_row(tx, order, names) for order in orders]


def _row(tx: Transaction, order: Carve, names: Mapping[str, str]) -> OrderRow:
    own = carves.is_own(tx, order)
    approves = tx.principal.allows("devices.approve")
    waits = order.state is CarveState.REQUESTED and tx.now <= order.requested_at + carves.ORDER_LIFE
    opens = tx.principal.allows("devices.write") and tx.principal.allows("evidence.read")
    return OrderRow(
        id=order.id,
        device=order.device_id,
        path=order.path,
        reason=order.reason,
        asked_by=names.get(order.requested_by, order.requested_by),
        asked_at=order.requested_at,
        approved_by=names.get(order.approved_by or "", order.approved_by or ""),
        state=STATE_WORDS[order.state],
        note=order.note,
        limit=order.max_bytes // _MEGABYTE,
        came=order.state is CarveState.DONE and opens,
        may_approve=waits and approves and not own,
        may_end=order.state in _OPEN and (approves or own),
        own=own,
    )


@post("/devices/{device_id:str}/files", status_code=200, sync_to_thread=True)
def order_files(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    device_id: FromPath[str],
    data: Form,
) -> Page | Redirect:
    """Order files of a company device; a mistake brings the form back with what was typed."""
    path, reason = data.get("path", "").strip(), data.get("reason", "").strip()
    try:
        limit = _megabytes(data.get("limit", ""))
        with database.write(principal) as tx:
            carves.request_carve(tx, device_id, path, reason, limit)
    except (InvalidInputError, ConflictError) as fault:
        with database.read(principal) as tx:
            return _page(tx, device_id, data, fault)
    return Redirect(f"/devices/{device_id}/files", status_code=303)


def _megabytes(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
        raise InvalidInputError(
            msg("“%(got)s” is not a number of megabytes.", got=text[:40]),
            hint=msg("Write digits only, at most %(most)s.", most=_MOST_MEGABYTES),
        )
    return int(text) * _MEGABYTE


@post("/devices/files/{order_id:str}/approve", sync_to_thread=True)
def approve_files(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    state: State,
    order_id: FromPath[str],
) -> Redirect:
    """Approve somebody else's order; the device is asked at its next word."""
    desk: Desk = state["desk"]
    with database.write(principal) as tx:
        order = carves.approve_carve(tx, order_id)
        question = carves.carve_question(order)
        tx.after_commit(lambda: desk.ask_once(order.device_id, *question))
    return Redirect(f"/devices/{order.device_id}/files", status_code=303)


@post("/devices/files/{order_id:str}/end", sync_to_thread=True)
def end_files(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    order_id: FromPath[str],
) -> Redirect:
    """Refuse somebody's order, or take back one's own."""
    with database.write(principal) as tx:
        order = carves.end_carve(tx, order_id)
    return Redirect(f"/devices/{order.device_id}/files", status_code=303)


@get("/devices/files/{order_id:str}/content", sync_to_thread=True)
def open_files(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    state: State,
    order_id: FromPath[str],
) -> Response[bytes]:
    """Hand out what came in, and record who took it and under which order."""
    desk: Desk = state["desk"]
    principal.require("devices.write")
    with database.write(principal) as tx:
        order = carves.get_carve(tx, order_id)
        if order.artifact is None:
            raise ConflictError(msg("Nothing has come in under this order."))
        artifact, content = evidence.open_artifact(
            tx, shelf=desk.files.shelf, digest=order.artifact, purpose=order.reason
        )
    return _download(content, artifact.name)


@get("/devices/{device_id:str}/files/flags", sync_to_thread=True)
def download_flags(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    state: State,
    *,
    box: NamedDependency[SecretBox],
    settings: NamedDependency[Settings],
    device_id: FromPath[str],
) -> Response[bytes]:
    """Hand out osqueryd's flag file for an incident: with it a device can send files at all."""
    desk: Desk = state["desk"]
    principal.require("devices.write")
    with database.write(principal) as tx:
        device = _company_device(tx, device_id)
        site = describe_site(tx, box, settings, desk.files.authority)
    return _download(write_incident_flags(site, device.platform).encode(), "osquery.flags")


def _download(content: bytes, name: str) -> Response[bytes]:
    return Response(
        content, media_type="application/octet-stream",
        headers={"Content-Disposition": f'attachment; filename="{name}"',
                 "Cache-Control": "no-store"},
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [
    show_all_files, show_files, order_files, approve_files, end_files, open_files, download_flags,
]  # fmt: skip

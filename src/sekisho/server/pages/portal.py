"""A person's own devices: am I all right, what do I do now, what does the company see.

Served on the public listener too. Everything here needs only that the device is the caller's own;
the services check that. Looking at one's own device is not a look.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from litestar import get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler
from markupsafe import Markup

from sekisho.controls import service as controls
from sekisho.controls.access import AccessKind
from sekisho.controls.model import Catalogue
from sekisho.devices.consent import CONSENT_VERSION, consent_text
from sekisho.devices.model import Device, DeviceState, Ownership
from sekisho.devices.service import inventory, lifecycle
from sekisho.devices.web import device as pages
from sekisho.devices.web.verdicts import VerdictRow
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import NotFoundError
from sekisho.kernel.i18n import Text, msg, translate
from sekisho.kernel.ids import DeviceID
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal
from sekisho.kernel.settings import Settings
from sekisho.server.pages.standing import (
    OwnLife,
    Situation,
    find_end,
    read_life,
    say_comfort,
    say_headline,
)
from sekisho.ui import charts

BOXES = 14  # the longest period of grace that is drawn day by day

SEEN_ALWAYS = (
    msg("The system, its version and how up to date it is"),
    msg("Whether the rules are kept: yes, no or unknown"),
    msg("When this computer last answered"),
)
SEEN_OF_COMPANY = (
    msg("The computer's name, model and serial number"),
    msg("What exactly made a rule fail, such as a setting's value"),
)
NEVER_SEEN = (
    msg("What is in your files and mail"),
    msg("Web pages you visited"),
    msg("Screen, camera, microphone, keystrokes"),
    msg("Where you are"),
)
NOT_SEEN_OF_PRIVATE = (msg("Your apps, your computer's name and its serial number"),)


# Of the others, the headline says all there is to say about access.
_JUDGED = frozenset({DeviceState.ACTIVE})


@dataclass(frozen=True, slots=True)
class Access:
    """Whether a device may come in, and when that ends if nothing is fixed."""

    kind: AccessKind
    ends: datetime | None


@dataclass(frozen=True, slots=True)
class OtherDevice:
    """Another device of the same person: its mood as a verdict mark, and how it stands in words."""

    id: str
    title: str
    mood: str
    words: Text


@dataclass(frozen=True, slots=True)
class OwnView:
    """Everything the owner's page of one device shows."""

    id: str
    mood: str
    headline: Text
    comfort: Text
    due: datetime | None
    access: str
    meter: Markup | str
    progress: pages.Progress | None
    state: str
    ownership: str
    system: str
    consent: Sequence[tuple[str, str]]
    consented_at: datetime | None
    failing: Sequence[VerdictRow]
    unproven: Sequence[VerdictRow]
    passing: Sequence[VerdictRow]
    sees: Sequence[Text]
    hidden: Sequence[Text]
    manifest: Sequence[tuple[str, Sequence[str]]]
    facts: Sequence[tuple[Text, Text | str]]
    seen: datetime | None
    others: Sequence[OtherDevice]
    looks: Sequence[pages.LookRow]
    life: OwnLife


@get("/my", sync_to_thread=True)
def show_own(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    catalogue: NamedDependency[Catalogue],
    settings: NamedDependency[Settings],
    language: NamedDependency[str],
    *,
    withdrawn: FromQuery[bool] = False,
) -> Page:
    """Show the caller's own device, the one in most need first. Needs ``self.read``.

    ``withdrawn``: one of theirs has just been; what became of it is said once.
    """
    with database.read(principal) as tx:
        devices = _own_devices(tx)
        if not devices:
            return Page("pages/my_none.html", {"life": read_life(tx), "withdrawn": withdrawn})
        rows = {d.id: pages.read_rows(tx, catalogue, d, language) for d in devices}
        worst = min(devices, key=lambda d: _need(d, rows[d.id]))
        return _page(tx, catalogue, settings, worst, language, withdrawn=withdrawn)


@get("/my/devices/{device_id:str}", sync_to_thread=True)
def show_own_device(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    catalogue: NamedDependency[Catalogue],
    settings: NamedDependency[Settings],
    language: NamedDependency[str],
    device_id: FromPath[str],
) -> Page:
    """Show one of the caller's own devices; anybody else's is not there."""
    with database.read(principal) as tx:
        return _page(tx, catalogue, settings, _own(tx, device_id), language)


def _own_devices(tx: Transaction) -> list[Device]:
    listed = inventory.list_own_devices(tx)
    return [device for device in listed if device.state is not DeviceState.WITHDRAWN]


def _own(tx: Transaction, device_id: str) -> Device:
    """Return the caller's device; NotFoundError for everything else, whatever their rights."""
    device = inventory.get_device(tx, device_id)
    if not lifecycle.is_owner(tx.principal, device) or device.state is DeviceState.WITHDRAWN:
        raise NotFoundError(
            msg("There is no device %(id)s.", id=device_id),
            hint=msg("Your own devices are at /my."),
        )
    return device


def _need(device: Device, rows: Sequence[VerdictRow]) -> int:
    order = {"fail": 0, "unknown": 1, "pass": 2}
    return order[judge_mood(device.state, rows)]


def judge_mood(state: DeviceState, rows: Sequence[VerdictRow]) -> str:
    """Return the verdict mark of a whole device; without proof it is unknown, never fine."""
    if state is not DeviceState.ACTIVE or not rows:
        return "unknown"
    outcomes = {row.outcome for row in rows}
    return next((mood for mood in ("fail", "unknown") if mood in outcomes), "pass")


def _page(
    tx: Transaction, catalogue: Catalogue, settings: Settings, device: Device, language: str,
    *, withdrawn: bool = False,
) -> Page:  # fmt: skip
    rows = pages.read_rows(tx, catalogue, device, language)
    state = controls.access_state(tx, DeviceID(device.id))
    view = make_view(tx.now, device, rows, Access(state.kind, find_end(state, catalogue)), language)
    others = [
        _other(d, pages.read_rows(tx, catalogue, d, language))
        for d in _own_devices(tx)
        if d.id != device.id
    ]
    return Page("pages/my.html", {"view": OwnView(
        **view, others=others, looks=pages.read_looks(tx, device.id),
        manifest=pages.read_manifest(catalogue, device),
        consent=_consent_lines(device, settings, language), life=read_life(tx),
    ), "withdrawn": withdrawn})  # fmt: skip


def _other(device: Device, rows: Sequence[VerdictRow]) -> OtherDevice:
    words = say_headline(device.state, rows)
    return OtherDevice(device.id, device.title, judge_mood(device.state, rows), words)


def make_view(
    now: datetime, device: Device, rows: Sequence[VerdictRow], access: Access, language: str
) -> dict[str, Any]:
    """Say how a device stands in its owner's words. Pure."""
    failing = [row for row in rows if row.outcome == "fail"]
    due = access.ends or min(
        (row.due for row in failing if row.due and row.due > now), default=None
    )
    private = device.ownership is Ownership.PRIVATE
    system = f"{device.os_name} {device.os_version}".strip()
    return {
        "id": device.id, "mood": judge_mood(device.state, rows),
        "headline": say_headline(device.state, rows),
        "comfort": say_comfort(Situation(device.state, access.kind, access.ends, due, rows)),
        "due": due, "access": access.kind.value if device.state in _JUDGED else "",
        "meter": _meter(now, failing, due, language),
        "progress": pages.read_progress(device, rows, now), "state": device.state.value,
        "ownership": device.ownership.value, "system": system,
        "consented_at": device.consented_at, "failing": failing,
        "unproven": [row for row in rows if row.outcome in {"unknown", "exempt"}],
        "passing": [row for row in rows if row.outcome == "pass"],
        "sees": SEEN_ALWAYS + (() if private else SEEN_OF_COMPANY),
        "hidden": NEVER_SEEN + (NOT_SEEN_OF_PRIVATE if private else ()),
        "facts": [
            (msg("Name"), device.title),
            (msg("Kind"), msg("Private") if private else msg("Company")),
            (msg("System"), system),
        ],
        "seen": device.seen_at,
    }  # fmt: skip


def _meter(
    now: datetime, failing: Sequence[VerdictRow], due: datetime | None, language: str
) -> Markup | str:
    if due is None:
        return ""
    first = min((row.first_failed for row in failing if row.due == due and row.first_failed),
                default=now)  # fmt: skip
    total = min(BOXES, max(1, round((due - first).total_seconds() / 86400)))
    left = min(total, max(1, -int(-(due - now).total_seconds() // 86400)))
    label = translate(msg("%(left)s of %(total)s days of grace are left", left=left, total=total),
                      language)  # fmt: skip
    return charts.draw_meter(total, left, label)


def _consent_lines(device: Device, settings: Settings, language: str) -> Sequence[tuple[str, str]]:
    """Return the paragraphs of the text, each with its own heading (empty: none)."""
    if device.state is not DeviceState.CONSENT:
        return ()
    text = consent_text(language, settings.organisation)
    paragraphs = [part.strip() for part in text.split("\n\n")]
    return [_parted(part) for part in paragraphs if part and not part.startswith("#")]


def _parted(paragraph: str) -> tuple[str, str]:
    _, marked, rest = paragraph.partition("**")
    head, _, words = rest.partition("**")
    return (head.rstrip("."), words.strip()) if marked else ("", paragraph)


@post("/my/devices/{device_id:str}/{act:str}", sync_to_thread=True)
def act_on_own(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    state: State,
    device_id: FromPath[str],
    act: FromPath[str],
) -> Redirect:
    """Check, pause, resume, consent or withdraw one's own device: one click each."""
    acts = {
        "check": lifecycle.check_now, "pause": lifecycle.pause_device,
        "resume": lifecycle.resume_device, "withdraw": lifecycle.withdraw_device,
        "consent": _consent,
    }  # fmt: skip
    if act not in acts:
        raise NotFoundError(
            msg("A device cannot “%(got)s”.", got=act[:20]),
            hint=msg("Choose one of: %(known)s", known=", ".join(sorted(acts))),
        )
    with database.write(principal) as tx:
        own = _own(tx, device_id)
        acts[act](tx, own.id)
        state["desk"].follow(tx, own.id)
    if act != "withdraw":
        return Redirect(f"/my/devices/{device_id}", status_code=303)
    private = own.ownership is Ownership.PRIVATE
    return Redirect("/my?withdrawn=true" if private else "/my", status_code=303)


def _consent(tx: Transaction, device_id: str) -> Device:
    return lifecycle.give_consent(tx, device_id, CONSENT_VERSION)


HANDLERS: list[ControllerRouterHandler] = [show_own, show_own_device, act_on_own]

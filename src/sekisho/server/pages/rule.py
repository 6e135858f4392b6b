"""One rule as a page: what it asks for, how it stands, which devices do not pass, how it is asked.

Here and not in the room of controls, because it names devices and their people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from markupsafe import Markup

from sekisho.controls import service as controls
from sekisho.controls.manifest import read_by
from sekisho.controls.model import Catalogue, Control, Localized, VerdictKind
from sekisho.controls.pictures import draw_picture
from sekisho.controls.web import LOOKS, find_control, say_days
from sekisho.devices.model import Device
from sekisho.devices.service import inventory
from sekisho.devices.service.inventory import DeviceFilter
from sekisho.devices.web.device import group_reads
from sekisho.devices.web.people import name_owners
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.i18n import Text, msg, translate
from sekisho.kernel.pages import Page, say_percent
from sekisho.kernel.principal import Principal
from sekisho.server.pages.overview import TrendDay, draw_trend, read_trend
from sekisho.ui import charts
from sekisho.ui.charts import Part

MOST_DEVICES = 20


@dataclass(frozen=True, slots=True)
class FailingDevice:
    """A device that does not pass this rule."""

    id: str
    title: str
    owner: str
    outcome: str
    since: datetime
    due: datetime | None


@dataclass(frozen=True, slots=True)
class SystemView:
    """How one system is asked, and how it is fixed there."""

    name: str
    sql: str
    ready: str
    fix: Sequence[str]
    picture: Markup


@dataclass(frozen=True, slots=True)
class RuleView:
    """Everything the page shows."""

    id: str
    version: int
    title: Localized
    severity: str
    statement: Localized
    why: Localized
    facts: Sequence[tuple[Text, Localized | Text | str]]
    counts: dict[str, int]
    total: int
    bar: Markup | str
    trend: Sequence[TrendDay]
    trend_chart: Markup | str
    failing: Sequence[FailingDevice]
    failing_more: int
    systems: Sequence[SystemView]
    manifest: Sequence[tuple[str, Sequence[str]]]
    fix: Sequence[str]
    picture: Markup


@get("/controls/{control_id:str}", sync_to_thread=True)
def show_rule(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    catalogue: NamedDependency[Catalogue],
    language: NamedDependency[str],
    control_id: FromPath[str],
) -> Page:
    """Show one rule. Needs ``controls.read``."""
    principal.require("controls.read")
    control = find_control(catalogue, control_id)
    with database.read(principal) as tx:
        view = read_rule(tx, control, language)
    return Page("controls/control.html", {"view": view})


def read_rule(tx: Transaction, control: Control, language: str) -> RuleView:
    """Gather the page of one rule."""
    counts = _counts(tx, control)
    failing = read_failing(tx, control.id) if tx.principal.allows("devices.read") else []
    trend = read_trend(tx, control.id)
    not_passing = sum(counts.values()) - counts["pass"]
    return RuleView(
        id=control.id, version=control.version, title=control.title,
        severity=control.severity.value, statement=control.statement, why=control.why,
        facts=describe(control), counts=counts, total=sum(counts.values()),
        bar=_bar(counts, language), trend=trend, trend_chart=draw_trend(trend, language),
        failing=failing, failing_more=max(0, not_passing - len(failing)),
        systems=read_systems(control, language),
        manifest=group_reads({pair for reads in read_by(control).values() for pair in reads}),
        fix=control.fix_steps("all", language),
        picture=draw_picture(control.fix_picture("all"), language),
    )  # fmt: skip


def _counts(tx: Transaction, control: Control) -> dict[str, int]:
    statuses = {status.control_id: status for status in controls.list_controls_status(tx)}
    found = statuses.get(control.id)
    return dict(found.counts) if found else {kind.value: 0 for kind in VerdictKind}


def _bar(counts: dict[str, int], language: str) -> Markup:
    words = {"pass": msg("Pass"), "fail": msg("Fail"), "unknown": msg("Unknown"),
             "exempt": msg("Exempt")}  # fmt: skip
    whole = sum(counts.values())
    joint = "、" if language == "ja" else ", "
    label = joint.join(
        f"{translate(words[kind], language)} {say_percent(counts[kind], whole)}" for kind in words
    )
    return charts.draw_shares([Part(LOOKS[kind], counts[kind]) for kind in words], label)


def describe(control: Control) -> list[tuple[Text, Localized | Text | str]]:
    """Return the facts of a rule for the head of its page."""
    proofs = {"machine": msg("Machine"), "document": msg("Document"),
              "third_party": msg("Third party"), "self": msg("Self-report")}  # fmt: skip
    both = len(control.ownership) > 1
    only = msg("Private") if "private" in control.ownership else msg("Company")
    return [
        (msg("Guideline class"), control.guideline),
        (msg("Applies to"), msg("Company and private") if both else only),
        (msg("Grace"), say_days(control.grace)),
        (msg("Evidence is good for"), say_days(control.max_age)),
        (msg("Proven by"), proofs[control.proof.value]),
    ]


def read_failing(tx: Transaction, control_id: str) -> list[FailingDevice]:
    """Return the devices that do not pass, failing ones first, the longest first."""
    listed = [
        (kind, verdict)
        for kind in (VerdictKind.FAIL, VerdictKind.UNKNOWN)
        for verdict in controls.list_control_devices(tx, control_id, kind, limit=MOST_DEVICES)
    ][:MOST_DEVICES]
    ids = [verdict.device_id for _, verdict in listed]
    found = inventory.list_devices(tx, DeviceFilter(only=ids), limit=MOST_DEVICES).devices
    devices = {device.id: device for device in found}
    names = name_owners(tx, found)
    return [
        _failing(devices[verdict.device_id], kind, verdict, names)
        for kind, verdict in listed
        if verdict.device_id in devices
    ]


def _failing(
    device: Device, kind: VerdictKind, verdict: controls.DeviceVerdict, names: Mapping[str, str]
) -> FailingDevice:
    due = verdict.fix_by if kind is VerdictKind.FAIL else None
    owner = names.get(device.owner_id or "", "")
    return FailingDevice(device.id, device.title, owner, kind.value, verdict.since, due)


def read_systems(control: Control, language: str) -> list[SystemView]:
    """Return how each system is asked; a fallback for plain osquery stands behind the question."""
    return [
        SystemView(
            platform.value, check.probe.sql.strip(), check.probe.precondition.strip(),
            control.fix_steps(platform, language),
            draw_picture(control.fix_picture(platform), language),
        )
        for platform, check in sorted(control.checks.items())
    ]  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [show_rule]

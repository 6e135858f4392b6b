"""One rule as a page: what it asks for, how it stands, which devices do not pass, how it is asked.

Here and not in the room of controls, because it names devices and their people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
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

PER_PAGE = 20
NOT_PASSING = (VerdictKind.FAIL, VerdictKind.UNKNOWN, VerdictKind.EXEMPT)


@dataclass(frozen=True, slots=True)
class FailingDevice:
    """A device that does not pass this rule; without a title where an export alone knows it."""

    id: str
    title: str
    owner: str
    outcome: str
    since: datetime
    due: datetime | None


@dataclass(frozen=True, slots=True)
class Listed:
    """Which page of the devices is shown, of one verdict or of all that are no pass."""

    kind: str
    page: int
    total: int

    @property
    def skipped(self) -> int:
        """Return how many devices stand on the pages before."""
        return (self.page - 1) * PER_PAGE

    @property
    def pager(self) -> dict[str, int]:
        """Return what the pager needs."""
        first, last = self.skipped + 1, self.skipped + PER_PAGE
        return {"page": self.page, "pages": -(-self.total // PER_PAGE), "total": self.total,
                "first": min(first, self.total), "last": min(last, self.total)}  # fmt: skip


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
    listed: Listed
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
    *,
    kind: FromQuery[str] = "",
    page: FromQuery[int] = 1,
) -> Page:
    """Show one rule. Needs ``controls.read``."""
    principal.require("controls.read")
    control = find_control(catalogue, control_id)
    with database.read(principal) as tx:
        view = read_rule(tx, control, language, kind, max(1, page))
    return Page("controls/control.html", {"view": view})


def read_rule(
    tx: Transaction, control: Control, language: str, kind: str = "", page: int = 1
) -> RuleView:
    """Gather the page of one rule, with one page of the devices that do not pass."""
    counts = _counts(tx, control)
    kinds = [each for each in NOT_PASSING if kind in {"", each.value}] or list(NOT_PASSING)
    shown = {each: counts[each.value] for each in kinds}
    listed = Listed(kind if len(kinds) == 1 else "", page, sum(shown.values()))
    may_look = tx.principal.allows("devices.read")
    failing = read_failing(tx, control.id, shown, listed.skipped) if may_look else []
    trend = read_trend(tx, control.id)
    return RuleView(
        id=control.id, version=control.version, title=control.title,
        severity=control.severity.value, statement=control.statement, why=control.why,
        facts=describe(control), counts=counts, total=sum(counts.values()),
        bar=_bar(counts, language), trend=trend, trend_chart=draw_trend(trend, language),
        failing=failing, listed=listed,
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


def read_failing(
    tx: Transaction, control_id: str, counts: Mapping[VerdictKind, int], skipped: int = 0
) -> list[FailingDevice]:
    """Return the devices of one page, kind after kind as ``counts`` names them, longest first."""
    listed: list[tuple[VerdictKind, controls.DeviceVerdict]] = []
    for kind, number in counts.items():
        room = PER_PAGE - len(listed)
        if room and skipped < number:
            found = controls.list_control_devices(tx, control_id, kind, limit=room, offset=skipped)
            listed += [(kind, verdict) for verdict in found]
        skipped = max(0, skipped - number)
    ids = [verdict.device_id for _, verdict in listed]
    known = inventory.list_devices(tx, DeviceFilter(only=ids), limit=PER_PAGE).devices
    devices = {device.id: device for device in known}
    names = name_owners(tx, known)
    return [_failing(devices.get(v.device_id), kind, v, names) for kind, v in listed]


def _failing(
    device: Device | None, kind: VerdictKind, verdict: controls.DeviceVerdict,
    names: Mapping[str, str],
) -> FailingDevice:  # fmt: skip
    due = verdict.fix_by if kind is VerdictKind.FAIL else None
    owner = names.get(device.owner_id or "", "") if device else ""
    title = device.title if device else ""
    return FailingDevice(verdict.device_id, title, owner, kind.value, verdict.since, due)


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

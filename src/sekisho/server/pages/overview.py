"""The home of the security person: what needs me today, how we know, and where it is going."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from litestar import get
from litestar.di import NamedDependency
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler
from markupsafe import Markup

from sekisho.controls import service as controls
from sekisho.controls.dated import list_dated
from sekisho.controls.exports.model import IMPORTED_PREFIX
from sekisho.controls.model import Catalogue, Localized
from sekisho.controls.service import imports
from sekisho.controls.service.reading import DayFigures, read_day
from sekisho.devices.service import inventory
from sekisho.devices.service.inventory import DeviceFilter
from sekisho.devices.service.searching import SILENT_AFTER
from sekisho.devices.web.people import name_owners, name_people
from sekisho.findings import service as findings
from sekisho.findings.model import Finding, FindingKind
from sekisho.kernel.clock import Clock
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.i18n import Text, msg, translate
from sekisho.kernel.pages import Page, say_number, say_percent
from sekisho.kernel.principal import Principal
from sekisho.ui import charts
from sekisho.ui.charts import Part

MOST_TASKS = 7
READ_FINDINGS = 200  # enough to gather the seven worst groups
NAMED = 3  # devices named in a task before it says "and n more"
WORST_RULES = 5
SILENT_ROWS = 5
DAYS = 30
WEEK = 7

# IPA, "10 Major Security Threats 2023" (organisations, rank 5), survey of fiscal 2021, shares of
# IT user companies: not checking whether telework rules are kept; of those that check, by
# self-check alone.
NOT_CHECKED = 35.5
SELF_ONLY = 49.5
SCALE = SELF_ONLY / 0.94  # the longest bar nearly fills the width, on one scale for all four

PROOFS: Sequence[tuple[str, str, Text]] = (
    ("machine", "f-machine", msg("Machine")),
    ("document", "f-document", msg("Document")),
    ("third_party", "f-third", msg("Third party")),
    ("self", "f-self", msg("Self-report")),
    ("unknown", "f-unknown", msg("Unknown")),
)


@dataclass(frozen=True, slots=True)
class Task:
    """One thing that needs somebody: what, how long, whose, until when, and the next step."""

    severity: str
    title: Localized
    detail: Text
    since: datetime
    owner: str
    due: datetime | None
    address: str
    action: Text


@dataclass(frozen=True, slots=True)
class Comparison:
    """Our share beside the nation's, on one scale."""

    title: Text
    ours: Markup
    ours_share: str
    nation: Markup
    nation_share: str


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule that fails, and how it changed within a week (``+3``, ``−1``, ``±0``)."""

    id: str
    title: Localized
    failing: int
    unknown: int
    change: str
    bar: Markup


@dataclass(frozen=True, slots=True)
class SilentRow:
    """A device that has not answered."""

    id: str
    title: str
    owner: str
    ownership: str
    seen: datetime | None


@dataclass(frozen=True, slots=True)
class TrendDay:
    """Devices not passing on one day."""

    date: str
    label: str
    fail: int
    unknown: int
    exempt: int
    off: bool


def gather_tasks(
    found: Sequence[Finding], titles: Mapping[str, str], names: Mapping[str, str]
) -> list[Task]:
    """Join findings of the same rule into one task each, worst first, at most seven. Pure.

    ``titles`` maps a device's id to its title; ``names`` a person's id, and a subject, to the
    name of whoever has it: a finding that nobody took is with the person who uses the device.
    The order of ``found`` (worst first) is kept.
    """
    groups: dict[str, list[Finding]] = {}
    for finding in found:
        groups.setdefault(group_key(finding), []).append(finding)
    return [_task(group, titles, names) for group in list(groups.values())[:MOST_TASKS]]


def group_key(finding: Finding) -> str:
    """Return what findings are joined by: the control for compliance, else the finding itself."""
    parts = finding.key.split(":")
    same = finding.kind is FindingKind.COMPLIANCE and len(parts) == 3  # noqa: PLR2004 - compliance:device:control
    return f"{finding.severity}:{parts[2]}" if same else finding.key


def _task(group: Sequence[Finding], titles: Mapping[str, str], names: Mapping[str, str]) -> Task:
    first = group[0]
    owners = {names.get(f.owner or "") or names.get(f.subject, "") for f in group}
    address, action = _next_step(group)
    return Task(
        severity=first.severity.value, title=first.title, detail=_detail(group, titles),
        since=min(finding.first_seen_at for finding in group),
        owner=owners.pop() if len(owners) == 1 else "",
        due=min((f.due_at for f in group if f.due_at), default=None),
        address=address, action=action,
    )  # fmt: skip


def _detail(group: Sequence[Finding], titles: Mapping[str, str]) -> Text:
    ids = [finding.subject.removeprefix("device:") for finding in group]
    known = [titles.get(device, f"…{device[-6:]}") for device in ids]
    shown, more = ", ".join(known[:NAMED]), len(known) - NAMED
    if more > 0:
        return msg("%(names)s and %(n)s more", names=shown, n=say_number(more))
    return msg("On %(names)s", names=shown)


def _next_step(group: Sequence[Finding]) -> tuple[str, Text]:
    first = group[0]
    kind, _, device = first.subject.partition(":")
    control = first.key.rsplit(":", 1)[-1] if first.kind is FindingKind.COMPLIANCE else ""
    if len(group) > 1 and control:
        return f"/controls/{control}", msg("See the devices")
    if device.startswith(IMPORTED_PREFIX):
        return "/imports/devices", msg("See the device")
    if kind == "device" and control:
        return f"/devices/{device}?open={control}", msg("See how to fix it")
    if kind == "device":
        return f"/devices/{device}", msg("See the device")
    return "/devices", msg("See the devices")


def count_proofs(counts: controls.VerdictCounts) -> dict[str, int]:
    """Count verdicts by how they were proven; unknown is a share of its own, never a proof.

    A verdict whose proof the page does not know is counted as unknown.
    """
    shares = {name: counts.by_proof.get(name, 0) for name, _, _ in PROOFS}
    shares["unknown"] = counts.total - sum(shares.values())
    return shares


def compare(shares: Mapping[str, int]) -> list[Comparison]:
    """Set our shares beside the survey's two figures."""
    whole = sum(shares.values())
    checked = whole - shares["unknown"]
    return [
        _comparison(msg("Not checked at all"), "f-unknown", shares["unknown"], whole, NOT_CHECKED),
        _comparison(
            msg("Of what is checked, self-check only"), "f-self", shares["self"], checked, SELF_ONLY
        ),
    ]


def _comparison(title: Text, look: str, part: int, whole: int, nation: float) -> Comparison:
    ours = 100 * part / whole if whole else 0.0
    return Comparison(
        title, charts.draw_bar([Part(look, min(ours, SCALE))], SCALE), say_percent(part, whole),
        charts.draw_bar([Part("f-nation", nation)], SCALE), f"{nation}%",
    )  # fmt: skip


def say_change(now: int, before: int | None) -> str:
    """Say a change with its sign; a dash where nothing is known of before."""
    return "—" if before is None else _sign(now - before)


def _sign(change: float, digits: int = 0) -> str:
    written = f"{abs(change):,.{digits}f}"
    if not float(written.replace(",", "")):
        return "±0"
    return f"{'+' if change > 0 else '−'}{written}"


def say_changes(now: Mapping[str, int], before: Mapping[str, int] | None) -> dict[str, str]:
    """Say how each figure changed; nothing where nothing is known of before."""
    return {name: say_change(now[name], before.get(name, 0)) for name in now} if before else {}


def say_shift(now: Mapping[str, int], before: Mapping[str, int] | None) -> dict[str, str]:
    """Say by how many percentage points each share shifted; nothing without a before."""
    whole, earlier = sum(now.values()), sum(before.values()) if before else 0
    if not (before and whole and earlier):
        return {}
    return {name: _sign(100 * now[name] / whole - 100 * before[name] / earlier, 1) for name in now}


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything the page shows."""

    device_total: int
    platforms: frozenset[str]
    device_counts: Mapping[str, int]
    device_changes: Mapping[str, str]
    device_rest: int
    tasks: Sequence[Task]
    tasks_more: int
    verdict_total: int
    proofs: Sequence[tuple[str, Text, int, str]]
    proof_bar: Markup
    comparisons: Sequence[Comparison]
    not_passing: int
    not_passing_change: str
    trend: Sequence[TrendDay]
    trend_chart: Markup | str
    worst: Sequence[RuleRow]
    control_total: int
    silent: Sequence[SilentRow]
    silent_total: int


@get("/", sync_to_thread=True)
def show_overview(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    catalogue: NamedDependency[Catalogue],
    clock: NamedDependency[Clock],
    language: NamedDependency[str],
) -> Page | Redirect:
    """Show what needs the security person; anybody else is led to their own page."""
    if not principal.allows("devices.read"):
        principal.require("self.read")
        return Redirect("/my", status_code=303)
    with database.read(principal) as tx:
        view = read_overview(tx, catalogue, language)
    dated = [d for d in list_dated(catalogue, clock.now()) if d.platforms & view.platforms]
    return Page("pages/overview.html", {"view": view, "dated": dated})


def read_overview(tx: Transaction, catalogue: Catalogue, language: str) -> Overview:
    """Gather the page; a handful of queries, whatever the number of devices."""
    platforms = inventory.count_platforms(tx)
    total = sum(platforms.values()) + imports.count_imported(tx)
    standings = controls.count_standings(tx)
    tasks, more = read_tasks(tx) if tx.principal.allows("findings.read") else ([], 0)
    counts = controls.count_verdicts(tx)
    shares = count_proofs(counts)
    week = read_day(tx, WEEK)
    shift = say_shift(shares, count_proofs(week.verdicts) if week else None)
    trend = read_trend(tx)
    silent, silent_total = read_silent(tx)
    return Overview(
        device_total=total, platforms=frozenset(platforms), device_counts=standings,
        device_changes=say_changes(standings, week.devices if week else None),
        device_rest=max(0, total - sum(standings.values())), tasks=tasks, tasks_more=more,
        verdict_total=sum(shares.values()),
        proofs=[(look, words, shares[name], shift.get(name, "")) for name, look, words in PROOFS],
        proof_bar=draw_proofs(shares, language), comparisons=compare(shares),
        not_passing=_not_passing(counts),
        not_passing_change=say_change(_not_passing(counts), _not_passing(week.verdicts))
        if week else "",
        trend=trend, trend_chart=draw_trend(trend, language),
        worst=read_worst(tx, catalogue, week), control_total=len(catalogue.controls),
        silent=silent, silent_total=silent_total,
    )  # fmt: skip


def _not_passing(counts: controls.VerdictCounts) -> int:
    return counts.total - counts.by_kind["pass"]


def read_tasks(tx: Transaction) -> tuple[list[Task], int]:
    """Return the worst seven tasks and how many findings they leave out."""
    page = findings.list_findings(tx, page_size=READ_FINDINGS)
    devices = {f.subject.removeprefix("device:") for f in page.findings}
    known = inventory.list_devices(tx, DeviceFilter(only=sorted(devices)), limit=READ_FINDINGS)
    titles: dict[str, str] = {device.id: device.title for device in known.devices}
    titles |= imports.name_imported(tx, sorted(devices))
    names = name_people(tx, (finding.owner for finding in page.findings))
    owners = name_owners(tx, known.devices)
    names |= {f"device:{d.id}": owners.get(d.owner_id or "", "") for d in known.devices}
    tasks = gather_tasks(page.findings, titles, names)
    shown = list(dict.fromkeys(map(group_key, page.findings)))[:MOST_TASKS]
    covered = sum(group_key(finding) in shown for finding in page.findings)
    return tasks, page.total - covered


def draw_proofs(shares: Mapping[str, int], language: str) -> Markup:
    """Draw how verdicts were proven, with the same in words."""
    whole = sum(shares.values())
    joint = "、" if language == "ja" else ", "
    label = joint.join(
        f"{translate(words, language)} {say_percent(shares[name], whole)}"
        for name, _, words in PROOFS
    )
    return charts.draw_shares([Part(look, shares[name]) for name, look, _ in PROOFS], label)


def read_trend(tx: Transaction, control_id: str = "") -> list[TrendDay]:
    """Return the days of the trend, oldest first; Saturdays and Sundays count as days off.

    A day without figures (the server stood still) keeps its place and is empty, so that the
    days stay days.
    """
    known = {day.day: day.by_kind for day in controls.list_trend(tx, DAYS, control_id)}
    if not known:
        return []
    first, last = date.fromisoformat(min(known)), tx.now.date()
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [_trend_day(day, known.get(day.isoformat(), {})) for day in days]


def _trend_day(day: date, kinds: Mapping[str, int]) -> TrendDay:
    return TrendDay(
        day.isoformat(), f"{day.month}/{day.day}", kinds.get("fail", 0), kinds.get("unknown", 0),
        kinds.get("exempt", 0), off=day.weekday() >= 5,  # noqa: PLR2004 - Saturday
    )  # fmt: skip


def draw_trend(trend: Sequence[TrendDay], language: str) -> Markup | str:
    """Draw the trend, with its first and last day in words."""
    if not trend:
        return ""
    label = translate(
        msg("Failing: %(first)s, now %(last)s; unknown: %(unknown)s. The table says the same.",
            first=trend[0].fail, last=trend[-1].fail, unknown=trend[-1].unknown),
        language,
    )  # fmt: skip
    days = [charts.Day(d.label, d.fail, d.unknown, d.exempt, d.off) for d in trend]
    return charts.draw_trend(days, label)


def read_worst(tx: Transaction, catalogue: Catalogue, week: DayFigures | None) -> list[RuleRow]:
    """Return the rules that stand worst: failing devices times severity, then unknown ones."""
    statuses = [s for s in controls.list_controls_status(tx) if s.control_id in catalogue.controls]
    shown = [s for s in statuses if s.counts["fail"] or s.counts["unknown"]][:WORST_RULES]
    scale = max([s.counts["fail"] + s.counts["unknown"] for s in shown], default=0)
    return [_rule_row(catalogue, status, scale, week) for status in shown]


def _rule_row(
    catalogue: Catalogue, status: controls.ControlStatus, scale: int, week: DayFigures | None
) -> RuleRow:
    fail, unknown = status.counts["fail"], status.counts["unknown"]
    bar = charts.draw_bar([Part("f-fail", fail), Part("f-unknown", unknown)], scale)
    before = week.by_control.get(status.control_id) if week else None
    return RuleRow(
        status.control_id, catalogue.controls[status.control_id].title, fail, unknown,
        say_change(fail, before["fail"] if before else None), bar,
    )  # fmt: skip


def read_silent(tx: Transaction) -> tuple[list[SilentRow], int]:
    """Return the devices that have been silent for a day, the longest silence first."""
    narrow = DeviceFilter(silent_before=tx.now - SILENT_AFTER)
    found = inventory.list_devices(tx, narrow, sort="seen_at", limit=SILENT_ROWS)
    names = name_owners(tx, found.devices)
    rows = [
        SilentRow(d.id, d.title, names.get(d.owner_id or "", ""), d.ownership.value, d.seen_at)
        for d in found.devices
    ]
    return rows, found.total


HANDLERS: list[ControllerRouterHandler] = [show_overview]

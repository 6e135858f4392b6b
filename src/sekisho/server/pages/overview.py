"""The home of the security person: what needs me today, how we know, and where it is going."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from litestar import get
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler
from markupsafe import Markup

from sekisho.controls import service as controls
from sekisho.controls.model import Catalogue, Localized, VerdictKind
from sekisho.devices.model import DeviceState
from sekisho.devices.service import inventory
from sekisho.devices.service.inventory import DeviceFilter
from sekisho.devices.web.listing import SILENT_AFTER
from sekisho.devices.web.people import name_owners, name_people
from sekisho.findings import service as findings
from sekisho.findings.model import Finding, FindingKind
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

    ``titles`` maps a device's id to its title and ``names`` a person's id to their name. The
    order of ``found`` (worst first) is kept.
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
    owners = {finding.owner for finding in group}
    owner = owners.pop() if len(owners) == 1 else None
    address, action = _next_step(group)
    return Task(
        severity=first.severity.value, title=first.title, detail=_detail(group, titles),
        since=min(finding.first_seen_at for finding in group),
        owner=names.get(owner, owner) if owner else "",
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
    if kind == "device":
        return f"/devices/{device}" + (f"?open={control}" if control else ""), msg("See the device")
    return "/devices", msg("See the devices")


def count_proofs(counts: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """Count verdicts by how they were proven; unknown is a share of its own, never a proof.

    ``counts`` is (verdict, proof) → number.
    """
    shares = {name: 0 for name, _, _ in PROOFS}
    for (kind, proof), number in counts.items():
        shares["unknown" if kind == VerdictKind.UNKNOWN else proof] += number
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
    if before is None:
        return "—"
    change = now - before
    return f"+{change}" if change > 0 else f"−{-change}" if change else "±0"

"""The rules as a page: the list with how each stands. One rule is in ``server/pages/rule.py``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.types import ControllerRouterHandler
from markupsafe import Markup

from sekisho.controls import service
from sekisho.controls.dated import list_dated
from sekisho.controls.model import Catalogue, Control, Localized, Severity, VerdictKind
from sekisho.controls.pages import lists, own_checks, schedules, selfchecks
from sekisho.controls.service import renewing
from sekisho.kernel.clock import Clock
from sekisho.kernel.db import Database
from sekisho.kernel.errors import NotFoundError
from sekisho.kernel.i18n import Text, localized, msg
from sekisho.kernel.ids import ControlID
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal
from sekisho.kernel.settings import Settings
from sekisho.ui import charts
from sekisho.ui.charts import Part

LOOKS: Mapping[str, str] = {
    "pass": "h-pass-k", "fail": "f-fail", "unknown": "f-unknown", "exempt": "f-exempt",
}  # fmt: skip
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class RuleFilters:
    """What the address of the list asks for; "" does not narrow it."""

    q: str = ""
    verdict: str = ""
    severity: str = ""
    ownership: str = ""
    sort: str = ""

    @property
    def kept(self) -> list[tuple[str, str]]:
        """Return what a new search keeps."""
        names = ("verdict", "severity", "ownership", "sort")
        return [(name, getattr(self, name)) for name in names if getattr(self, name)]


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One rule as a line, with the devices it counts by verdict."""

    id: str
    title: Localized
    severity: str
    counts: Mapping[str, int]
    bar: Markup


@get("/controls", sync_to_thread=True)
def show_rules(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    catalogue: NamedDependency[Catalogue],
    clock: NamedDependency[Clock],
    settings: NamedDependency[Settings],
    language: NamedDependency[str],
    *,
    q: FromQuery[str] = "",
    verdict: FromQuery[str] = "",
    severity: FromQuery[str] = "",
    ownership: FromQuery[str] = "",
    sort: FromQuery[str] = "",
    taken: FromQuery[int] = 0,
) -> Page:
    """List the rules in force that match; most failing first, unless sorted otherwise.

    Needs ``controls.read``.
    """
    principal.require("controls.read")
    filters = RuleFilters(q, verdict, severity, ownership, sort)
    with database.read(principal) as tx:
        counts = {s.control_id: s.counts for s in service.list_controls_status(tx)}
        renewal = renewing.find_renewal(tx)
    lines = [
        make_line(control, counts.get(control.id, dict.fromkeys(map(str, VerdictKind), 0)))
        for control in catalogue.controls.values()
    ]
    found = arrange_lines([line for line in lines if matches(catalogue, line, filters)])
    rows = sort_lines(found, sort, language)
    return Page("controls/list.html", {
        "rows": rows, "filters": filters, "digest": catalogue.digest[:10],
        "faults": service.known_faults(), "dated": list_dated(catalogue, clock.now()),
        "may_write": principal.allows("controls.write"), "taken": bool(taken),
        "lists_from": settings.lists_from, "renewal": renewal,
    })  # fmt: skip


def make_line(control: Control, counts: Mapping[str, int]) -> RuleLine:
    """Make the line of one rule."""
    parts = [Part(look, counts[kind]) for kind, look in LOOKS.items()]
    bar = charts.draw_bar(parts, sum(counts.values()))
    return RuleLine(control.id, control.title, control.severity.value, counts, bar)


def matches(catalogue: Catalogue, line: RuleLine, filters: RuleFilters) -> bool:
    """Tell whether a rule is wanted: words in either language or its id, and every filter."""
    control = catalogue.controls[ControlID(line.id)]
    words = " ".join([line.id, *control.title.values(), *control.statement.values()]).lower()
    return (
        filters.q.lower() in words
        and filters.severity in {"", line.severity}
        and (not filters.ownership or filters.ownership in control.ownership)
        and (not filters.verdict or line.counts.get(filters.verdict, 0) > 0)
    )


def arrange_lines(lines: Sequence[RuleLine]) -> list[RuleLine]:
    """Sort rules: most failing, most unknown, those that are asked of nobody last."""
    rank = {severity.value: place for place, severity in enumerate(Severity)}
    return sorted(
        lines,
        key=lambda r: (
            -r.counts["fail"],
            -r.counts["unknown"],
            not any(r.counts.values()),
            rank[r.severity],
            r.id,
        ),
    )


def sort_lines(lines: Sequence[RuleLine], sort: str, language: str) -> list[RuleLine]:
    """Sort rules by title, severity or the number of a verdict ("-" downwards), else leave them."""
    name = sort.removeprefix("-")
    rank = {severity.value: place for place, severity in enumerate(reversed(Severity))}
    keys: dict[str, Callable[[RuleLine], Any]] = {
        "title": lambda line: localized(line.title, language).casefold(),
        "severity": lambda line: rank[line.severity],
        **{kind.value: _count_of(kind) for kind in VerdictKind},
    }
    key = keys.get(name)
    return list(lines) if key is None else sorted(lines, key=key, reverse=sort.startswith("-"))


def _count_of(kind: VerdictKind) -> Callable[[RuleLine], int]:
    return lambda line: line.counts[kind.value]


def find_control(catalogue: Catalogue, control_id: str) -> Control:
    """Return a rule in force; raise NotFoundError."""
    found = catalogue.controls.get(ControlID(control_id))
    if found is None:
        raise NotFoundError(
            msg("There is no rule “%(id)s” in the catalogue.", id=control_id[:60]),
            hint=msg("Look for it in the list of rules."),
        )
    return found


def say_days(span: timedelta) -> Text:
    """Say a period in days, or in hours if it is shorter than two days."""
    if span >= 2 * _DAY:
        return msg("%(n)s days", n=span // _DAY)
    return msg("%(n)s hours", n=span // _HOUR) if span else msg("none")


HANDLERS: list[ControllerRouterHandler] = [
    show_rules,
    *lists.HANDLERS,
    *own_checks.HANDLERS,
    *schedules.HANDLERS,
    *selfchecks.HANDLERS,
]

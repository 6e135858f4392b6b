"""Controls as JSON: the catalogue, one control, and the lint of a YAML text."""

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.types import ControllerRouterHandler

from sekisho.controls import service
from sekisho.controls.catalogue import check_control
from sekisho.controls.manifest import compute_manifest
from sekisho.controls.model import Catalogue, Check, Control
from sekisho.controls.reading import MAX_CHARACTERS
from sekisho.kernel.db import Database
from sekisho.kernel.errors import NotFoundError, TooLargeError
from sekisho.kernel.i18n import LANGUAGES, msg, translate
from sekisho.kernel.ids import ControlID
from sekisho.kernel.principal import Principal


class ControlSummary(msgspec.Struct):
    """One control in the list, with how many devices stand how."""

    id: str
    version: int
    title: dict[str, str]
    theme: str
    severity: str
    proof: str
    ownership: list[str]
    platforms: list[str]
    counts: dict[str, int]


class ProbeView(msgspec.Struct):
    """One check: its SQL and exactly which (table, column) pairs it reads."""

    platform: str
    sql: str
    precondition: str
    detail: str
    run_as: str
    interval_seconds: int
    needs_agent: bool
    reads: list[tuple[str, str]]


class ControlView(msgspec.Struct):
    """One control with its texts, checks and fixes."""

    summary: ControlSummary
    statement: dict[str, str]
    why: dict[str, str]
    guideline: dict[str, str]
    grace_days: int
    max_age_seconds: int
    fix: dict[str, dict[str, list[str]]]
    checks: list[ProbeView]


class FaultView(msgspec.Struct):
    """One mistake in a YAML text; lines count from 1."""

    line: int
    message: dict[str, str]


class LintRequest(msgspec.Struct):
    """The YAML of one control."""

    yaml: str


class LintReport(msgspec.Struct):
    """All mistakes found; none means the control can be used."""

    faults: list[FaultView]


@get("/api/controls", sync_to_thread=True, tags=["controls"])
def list_controls(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    catalogue: NamedDependency[Catalogue],
) -> list[ControlSummary]:
    """List the controls in force, the worst first."""
    principal.require("controls.read")
    with database.read(principal) as tx:
        statuses = service.list_controls_status(tx)
    return [
        _summary(catalogue.controls[status.control_id], dict(status.counts))
        for status in statuses
        if status.control_id in catalogue.controls
    ]


@get("/api/controls/{control_id:str}", sync_to_thread=True, tags=["controls"])
def get_control(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    catalogue: NamedDependency[Catalogue],
    control_id: FromPath[str],
) -> ControlView:
    """Show one control."""
    principal.require("controls.read")
    control = catalogue.controls.get(ControlID(control_id))
    if control is None:
        raise NotFoundError(msg("There is no control %(id)s.", id=control_id))
    with database.read(principal) as tx:
        statuses = {s.control_id: dict(s.counts) for s in service.list_controls_status(tx)}
    return ControlView(
        summary=_summary(control, statuses.get(control.id, {})),
        statement=dict(control.statement),
        why=dict(control.why),
        guideline=dict(control.guideline),
        grace_days=control.grace.days,
        max_age_seconds=int(control.max_age.total_seconds()),
        fix={p: {lang: list(steps) for lang, steps in by.items()} for p, by in control.fix.items()},
        checks=[_check(check) for check in control.checks.values()],
    )


@post("/api/controls/lint", sync_to_thread=True, status_code=200, tags=["controls"])
def lint_control(principal: NamedDependency[Principal], data: JSONBody[LintRequest]) -> LintReport:
    """Hold the YAML of one control against every rule, tests included; nothing is stored."""
    principal.require("controls.read")
    if len(data.yaml) > MAX_CHARACTERS:
        raise TooLargeError(
            msg("The YAML has %(got)s characters; at most %(most)s are read.",
                got=len(data.yaml), most=MAX_CHARACTERS)
        )  # fmt: skip
    return LintReport(
        [
            FaultView(fault.line, {each: translate(fault.message, each) for each in LANGUAGES})
            for fault in check_control(data.yaml)
        ]
    )


def _summary(control: Control, counts: dict[str, int]) -> ControlSummary:
    return ControlSummary(
        id=control.id,
        version=control.version,
        title=dict(control.title),
        theme=control.theme,
        severity=control.severity.value,
        proof=control.proof.value,
        ownership=sorted(control.ownership),
        platforms=sorted(control.checks),
        counts=counts,
    )


def _check(check: Check) -> ProbeView:
    probe = check.probe
    reads = compute_manifest(probe.sql) | compute_manifest(probe.precondition)
    return ProbeView(
        platform=check.platform.value,
        sql=probe.sql,
        precondition=probe.precondition,
        detail=probe.detail,
        run_as=check.run_as.value,
        interval_seconds=int(check.interval.total_seconds()),
        needs_agent=check.needs_agent,
        reads=sorted(reads),
    )


HANDLERS: list[ControllerRouterHandler] = [list_controls, get_control, lint_control]

"""Findings, acts on many, and saved views as JSON."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from litestar import get, post, put
from litestar.di import NamedDependency
from litestar.exceptions import ValidationException
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.types import ControllerRouterHandler

from sekisho.findings.model import Finding
from sekisho.kernel.db import Database
from sekisho.kernel.principal import Principal
from sekisho.kernel.settings import Settings
from sekisho.worklists.engine.orders import read_acting, read_listing
from sekisho.worklists.model import Act, Member, SavedView, Tally
from sekisho.worklists.service import acts, findings, views
from sekisho.worklists.service.findings import FindingSearch


class ActOrder(msgspec.Struct):
    """What to do with which rows.

    ``listing`` is devices or findings, ``kind`` assign, notify, except, tag, untag or own.
    ``ids`` names the rows; without any, all that ``query`` lists (the address of the list, such as
    ``verdict=fail&platform=windows``). ``words`` says what: ``tags``, ``person`` (an id, "" for
    nobody), ``title`` and ``body``, or ``rule``, ``reason``, ``measure`` and ``until``.
    """

    listing: str
    kind: str
    words: dict[str, str]
    ids: list[str] = []
    query: str = ""


class ActView(msgspec.Struct):
    """An act and how it stands; ``reasons`` says why rows are not done."""

    id: str
    listing: str
    kind: str
    state: str
    words: dict[str, str]
    ordered_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    total: int
    outcomes: dict[str, int]
    reasons: dict[str, int]
    undoes: str | None
    undone_by: str | None


class ActRow(msgspec.Struct):
    """What became of one row."""

    number: int
    target: str
    outcome: str
    reason: str


class ActList(msgspec.Struct):
    """Acts that were started, the latest first."""

    acts: list[ActView]
    total: int


class FindingView(msgspec.Struct):
    """One finding; times are UTC."""

    id: str
    kind: str
    key: str
    subject: str
    title: dict[str, str]
    severity: str
    status: str
    detail: dict[str, object]
    first_seen_at: datetime
    last_seen_at: datetime
    times: int
    due_at: datetime | None
    closed_at: datetime | None
    closed_because: str
    owner: str | None


class FindingList(msgspec.Struct):
    """One page of findings, worst first; ``total`` counts all pages."""

    findings: list[FindingView]
    total: int
    page: int
    page_size: int


class FindingOwner(msgspec.Struct):
    """Who has it from now on; null for nobody."""

    owner: str | None


class ViewShape(msgspec.Struct):
    """A saved view; ``query`` is the address of its list."""

    id: str
    listing: str
    name: str
    query: str
    owner: str
    role: str
    unit: str


@post("/api/acts", sync_to_thread=True, tags=["acts"])
def plan_act(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    settings: NamedDependency[Settings],
    data: JSONBody[ActOrder],
) -> ActView:
    """Plan an act: every row is judged, and nothing is done before it is started."""
    listing = read_acting(data.listing)
    with database.write(principal) as tx:
        wish = None if data.ids else data.query
        act = acts.choose_rows(tx, listing, data.kind, ids=data.ids, wish=wish)
        return shape(*acts.plan_act(tx, act.id, data.words, time_zone=settings.time_zone))


@get("/api/acts", sync_to_thread=True, tags=["acts"])
def list_acts(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    offset: FromQuery[int] = 0,
    limit: FromQuery[int] = 50,
) -> ActList:
    """List the acts that were started: one's own, or all of them with ``evidence.read``."""
    _require_any(principal)
    with database.read(principal) as tx:
        found = acts.list_acts(tx, offset=offset, limit=limit)
    return ActList([shape(act, tally) for act, tally in found.acts], found.total)


def _require_any(principal: Principal) -> None:
    if not principal.holds("devices.read"):
        principal.require_reach("findings.read")


@get("/api/acts/{act_id:str}", sync_to_thread=True, tags=["acts"])
def show_act(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    act_id: FromPath[str],
) -> ActView:
    """Show an act and how far it has come."""
    _require_any(principal)
    with database.read(principal) as tx:
        return shape(*acts.get_act(tx, act_id))


@get("/api/acts/{act_id:str}/rows", sync_to_thread=True, tags=["acts"])
def list_rows(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    act_id: FromPath[str],
    outcome: FromQuery[str] = "",
    offset: FromQuery[int] = 0,
    limit: FromQuery[int] = 500,
) -> list[ActRow]:
    """List what became of each row, at most 1,000 at a time."""
    _require_any(principal)
    with database.read(principal) as tx:
        return shape_rows(acts.list_members(tx, act_id, outcome, offset=offset, limit=limit))


@post("/api/acts/{act_id:str}/start", status_code=200, sync_to_thread=True, tags=["acts"])
def start_act(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    act_id: FromPath[str],
) -> ActView:
    """Let the worker do a planned act."""
    _require_any(principal)
    with database.write(principal) as tx:
        acts.start_act(tx, act_id)
        return shape(*acts.get_act(tx, act_id))


@post("/api/acts/{act_id:str}/stop", status_code=200, sync_to_thread=True, tags=["acts"])
def stop_act(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    act_id: FromPath[str],
) -> ActView:
    """Stop a running act; what is done stays done."""
    _require_any(principal)
    with database.write(principal) as tx:
        acts.stop_act(tx, act_id)
        return shape(*acts.get_act(tx, act_id))


@post("/api/acts/{act_id:str}/undo", sync_to_thread=True, tags=["acts"])
def undo_act(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    act_id: FromPath[str],
) -> ActView:
    """Plan the act that takes this one back."""
    _require_any(principal)
    with database.write(principal) as tx:
        return shape(*acts.undo_act(tx, act_id))


@get("/api/findings", sync_to_thread=True, tags=["findings"])
def list_findings(  # noqa: PLR0917 - called by name, by the framework
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    status: FromQuery[str] = "open",
    severity: FromQuery[str] = "",
    kind: FromQuery[str] = "",
    search: FromQuery[str] = "",
    page: FromQuery[int] = 1,
    page_size: FromQuery[int] = 50,
) -> FindingList:
    """List findings where ``findings.read`` reaches; ``status`` is open, closed or all."""
    if status not in {"open", "closed", "all"}:
        raise ValidationException(f"status is “{status}”; open, closed or all is expected")
    wanted = FindingSearch(search, status, severity, kind)
    with database.read(principal) as tx:
        found = findings.search_findings(tx, wanted, page=page, page_size=page_size)
    return FindingList([_finding(f) for f in found.findings], found.total, page, page_size)


@put("/api/findings/{finding_id:str}/owner", sync_to_thread=True, tags=["findings"])
def assign_finding(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    finding_id: FromPath[str],
    data: JSONBody[FindingOwner],
) -> FindingView:
    """Give a finding to a person, or to nobody."""
    principal.require_reach("findings.write")
    with database.write(principal) as tx:
        return _finding(findings.assign_finding(tx, finding_id, data.owner))


def _finding(finding: Finding) -> FindingView:
    return msgspec.convert(finding, FindingView, from_attributes=True)


@get("/api/views", sync_to_thread=True, tags=["views"])
def list_views(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    listing: FromQuery[str] = "",
) -> list[ViewShape]:
    """List the views of whoever the token belongs to, and those shared with them."""
    wanted = read_listing(listing) if listing else None
    with database.read(principal) as tx:
        return [_view(view) for view in views.list_views(tx, wanted)]


def _view(view: SavedView) -> ViewShape:
    return ViewShape(
        view.id, view.listing.value, view.name, view.query, view.owner_name, view.role,
        view.unit_id,
    )  # fmt: skip


def shape(act: Act, tally: Tally) -> ActView:
    """Shape an act as it is sent."""
    reasons: dict[str, int] = {}
    for (_, why), number in tally.reasons.items():
        if why:
            reasons[why.value] = reasons.get(why.value, 0) + number
    return ActView(
        act.id, act.listing.value, act.kind.value, act.state.value, dict(act.words), act.actor,
        act.created_at, act.started_at, act.finished_at, act.total,
        {outcome.value: number for outcome, number in tally.outcomes.items()}, reasons,
        act.undoes, act.undone_by,
    )  # fmt: skip


def shape_rows(members: Sequence[Member]) -> list[ActRow]:
    """Shape rows of an act as they are sent."""
    return [ActRow(m.number, m.target, m.outcome.value, m.reason.value) for m in members]


HANDLERS: list[ControllerRouterHandler] = [
    plan_act, list_acts, show_act, list_rows, start_act, stop_act, undo_act, list_views,
    list_findings, assign_finding,
]  # fmt: skip

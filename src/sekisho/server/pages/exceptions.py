"""Exceptions as pages: all that is temporary, one of them, asking, deciding.

Here and not in the room of controls, because they name devices and people.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Annotated

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.controls import service as controls
from sekisho.controls.exception_rules import load_rules
from sekisho.controls.exceptions import ExceptionState, RuleException, state_at
from sekisho.controls.model import Catalogue
from sekisho.controls.service import ExceptionFilter
from sekisho.controls.service.exception_lists import SORTS
from sekisho.controls.service.exceptions import unit_of
from sekisho.devices.service import inventory
from sekisho.devices.service.inventory import DeviceFilter
from sekisho.identity import service as identity
from sekisho.identity.roles import WORDS_OF_ROLE
from sekisho.kernel import sheets
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import NotFoundError
from sekisho.kernel.i18n import msg
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal
from sekisho.server.pages.exception_views import (
    ExceptionRow,
    make_rows,
    read_history,
    title_devices,
)

PER_PAGE = 50
MOST_NAMED = 50
MOST_FOUND = 200
Form = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address of the list asks for; "" does not narrow it."""

    q: str = ""
    show: str = ""
    severity: str = ""
    rule: str = ""
    sort: str = "until"

    @property
    def kept(self) -> list[tuple[str, str]]:
        """Return what a new search keeps."""
        names = ("show", "severity", "rule", "sort")
        return [(name, getattr(self, name)) for name in names if getattr(self, name)]


@get("/exceptions", sync_to_thread=True)
def show_exceptions(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    catalogue: NamedDependency[Catalogue],
    *,
    q: FromQuery[str] = "",
    show: FromQuery[str] = "",
    severity: FromQuery[str] = "",
    rule: FromQuery[str] = "",
    sort: FromQuery[str] = "until",
    page: FromQuery[int] = 1,
) -> Page:
    """List what is excepted, asked for and over, within the caller's reach."""
    filters = Filters(q.strip(), show, severity, rule, sort)
    page = max(1, page)
    with database.read(principal) as tx:
        rows, total = find_rows(tx, catalogue, filters, (page - 1) * PER_PAGE, PER_PAGE)
        counts = controls.count_exceptions(tx)
        any_ever = total or controls.list_exceptions(tx, limit=1).total
    return Page("pages/exceptions.html", {
        "rows": rows, "filters": filters, "counts": counts, "any_ever": any_ever, "total": total,
        "page": page, "pages": -(-total // PER_PAGE), "first": (page - 1) * PER_PAGE + 1,
        "last": (page - 1) * PER_PAGE + len(rows), "limits": load_rules().limits,
        "role_words": {role.value: words for role, words in WORDS_OF_ROLE.items()},
        "may_import": principal.allows("exceptions.write"),
    })  # fmt: skip


@get("/exceptions.csv", sync_to_thread=True)
def export_exceptions(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    catalogue: NamedDependency[Catalogue],
    language: NamedDependency[str],
    *,
    q: FromQuery[str] = "",
    show: FromQuery[str] = "",
    severity: FromQuery[str] = "",
    rule: FromQuery[str] = "",
    sort: FromQuery[str] = "until",
) -> Response[str]:
    """Give every exception that matches as CSV (RFC 4180, UTF-8 with a mark)."""
    filters = Filters(q.strip(), show, severity, rule, sort)
    rows: list[ExceptionRow] = []
    with database.read(principal) as tx:
        while True:
            some, total = find_rows(tx, catalogue, filters, len(rows), 500)
            rows += some
            if not some or len(rows) >= total:
                break
    return Response(
        write_csv(rows, language), media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="exceptions.csv"'},
    )  # fmt: skip


def find_rows(
    tx: Transaction, catalogue: Catalogue, filters: Filters, offset: int, limit: int
) -> tuple[list[ExceptionRow], int]:
    """Return one page of lines and how many there are; unknown filters do not narrow it."""
    sort = filters.sort if filters.sort.removeprefix("-") in SORTS else "until"
    found = controls.list_exceptions(
        tx, make_filter(tx, catalogue, filters), sort=sort, offset=offset, limit=limit
    )
    return make_rows(tx, catalogue, found.exceptions, found.devices), found.total


def make_filter(tx: Transaction, catalogue: Catalogue, filters: Filters) -> ExceptionFilter:
    """Turn the address into what the room understands: rules, people and devices by name first."""
    words = filters.q.casefold()
    named = [
        control.id
        for control in catalogue.controls.values()
        if words and any(words in title.casefold() for title in control.title.values())
    ]
    people = identity.search_ids(tx, filters.q) if words else []
    return ExceptionFilter(
        show=filters.show,
        search=filters.q,
        severity=filters.severity,
        control_id=filters.rule,
        controls=tuple(named),
        scopes=(*people, *_find_devices(tx, filters.q)),
    )


def _find_devices(tx: Transaction, words: str) -> Sequence[str]:
    if not words or not tx.principal.holds("devices.read"):
        return ()
    return inventory.list_device_ids(tx, DeviceFilter(search=words), limit=MOST_FOUND)


def write_csv(rows: Sequence[ExceptionRow], language: str) -> str:
    """Write lines as CSV with ISO times; a cell that a spreadsheet would run gets a quote."""
    lines = [sheets.start([
        "id", "rule", "title", "severity", "scope", "for", "ownership", "state", "until", "since",
        "renewals", "asked_by", "devices",
    ])]  # fmt: skip
    for row in rows:
        cells: tuple[object, ...] = (
            row.id, row.control, row.title.get(language, ""), row.severity, row.kind_word.id,
            row.target, row.ownership, row.state, row.until.isoformat(), row.began.isoformat(),
            row.renewals, row.requester, row.devices,
        )  # fmt: skip
        lines.append(sheets.line(cells))
    return "".join(lines)


@dataclass(frozen=True, slots=True)
class Acts:
    """What the caller may do with an exception now."""

    decide: bool = False
    withdraw: bool = False
    revoke: bool = False
    renew: bool = False

    @property
    def any(self) -> bool:
        """Tell whether there is a button at all."""
        return any(getattr(self, each.name) for each in fields(self))


@get("/exceptions/{exception_id:str}", sync_to_thread=True)
def show_exception(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    catalogue: NamedDependency[Catalogue],
    exception_id: FromPath[str],
) -> Page:
    """Show one exception with its chain, its devices and its history."""
    with database.read(principal) as tx:
        return Page("pages/exception.html", read_exception(tx, catalogue, exception_id))


def read_exception(tx: Transaction, catalogue: Catalogue, exception_id: str) -> dict[str, object]:
    """Gather the page of one exception."""
    found, devices = controls.get_exception(tx, exception_id)
    chain = controls.list_chain(tx, found)
    titles = title_devices(tx, devices[:MOST_NAMED])
    rows = make_rows(tx, catalogue, [found, *chain], {found.id: len(devices)})
    control = catalogue.controls.get(found.control_id)
    return {
        "row": rows[0], "exception": found, "chain": rows[1:] if len(chain) > 1 else [],
        "devices": [(device, titles.get(device, device)) for device in devices[:MOST_NAMED]],
        "more_devices": max(0, len(devices) - MOST_NAMED), "acts": list_acts(tx, found),
        "history": read_history(tx, found), "limit": load_rules().limits[found.severity],
        "decides": controls.may_approve(tx, found),
        "why": control.why if control is not None else {"ja": "", "en": ""},
    }  # fmt: skip


def list_acts(tx: Transaction, exception: RuleException) -> Acts:
    """Say which buttons to show; the service decides once more."""
    own = tx.principal.person_id == exception.requested_by
    decides = tx.principal.allows("exceptions.approve", unit_of(tx, exception.scope))
    state = state_at(exception, tx.now)
    waits, lasts = state is ExceptionState.REQUESTED, state is ExceptionState.APPROVED
    return Acts(
        decide=waits and decides and not own,
        withdraw=waits and own,
        revoke=lasts and (own or decides),
        renew=lasts or state is ExceptionState.EXPIRED,
    )


Act = Callable[[Transaction, str, str], RuleException]
ACTS: dict[str, Act] = {
    "approve": controls.approve_exception,
    "reject": controls.reject_exception,
    "revoke": controls.revoke_exception,
    "withdraw": lambda tx, exception_id, _: controls.withdraw_request(tx, exception_id),
}


@post("/exceptions/{exception_id:str}/{act:str}", sync_to_thread=True)
def act_on_exception(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    exception_id: FromPath[str],
    act: FromPath[str],
    data: Form,
) -> Redirect:
    """Approve, reject, revoke or withdraw; ``words`` say why."""
    do_act(database, principal, exception_id, act, data.get("words", ""))
    return Redirect(f"/exceptions/{exception_id}", status_code=303)


def do_act(
    database: Database, principal: Principal, exception_id: str, act: str, words: str
) -> None:
    """Do one of the acts; raise NotFoundError for any other."""
    if act not in ACTS:
        raise NotFoundError(
            msg("With an exception one cannot “%(got)s”.", got=act[:20]),
            hint=msg("Choose one of: %(known)s", known=", ".join(sorted(ACTS))),
        )
    with database.write(principal) as tx:
        ACTS[act](tx, exception_id, words)


HANDLERS: list[ControllerRouterHandler] = [
    show_exceptions, export_exceptions, show_exception, act_on_exception,
]  # fmt: skip

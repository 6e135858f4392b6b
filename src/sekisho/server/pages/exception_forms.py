"""Asking for an exception: the form for those who may ask for others, and one's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, tzinfo
from typing import Annotated

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery, QueryParameter
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.controls import service as controls
from sekisho.controls.exception_rules import load_rules
from sekisho.controls.exceptions import Scope, ScopeKind, Wish, end_of_day, last_day, latest_end
from sekisho.controls.model import Catalogue, Control, Severity, VerdictKind
from sekisho.devices.model import Device, DeviceState
from sekisho.devices.service import inventory
from sekisho.devices.service.inventory import DeviceFilter
from sekisho.identity import service as identity
from sekisho.identity.service import groups, units
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import InvalidInputError, NotPermittedError, SekishoError
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.ids import ControlID
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal
from sekisho.kernel.settings import Settings
from sekisho.server.pages.exception_views import (
    KIND_WORDS,
    make_rows,
    name_targets,
    zone_of,
)
from sekisho.server.pages.exceptions import do_act, read_exception
from sekisho.wire.kit import Ownership

MOST_FOUND = 12
EMPTY: Mapping[str, str] = {
    "rule": "", "scope": "", "ownership": "", "reason": "", "measure": "", "until": "",
    "renews": "", "q": "",
}  # fmt: skip
FormData = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]
OWN_PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody or something to choose: ``value`` is ``kind:id``."""

    value: str
    kind_word: Text
    name: str
    sub: str = ""


def read_wish(form: Mapping[str, str], zone: tzinfo | None) -> Wish:
    """Read the form; raise InvalidInputError that says what is wrong with it."""
    kind, _, target = form["scope"].partition(":")
    if kind not in set(ScopeKind) or not target:
        raise InvalidInputError(
            msg("Nobody and nothing is chosen that the exception is for."),
            hint=msg("Choose a device, a person, a group or a unit."),
        )
    if form["ownership"] not in {"", *map(str, Ownership)}:
        raise InvalidInputError(
            msg("“%(got)s” is no kind of device.", got=form["ownership"][:20]),
            hint=msg("Send the form of this page."),
        )
    ownership = Ownership(form["ownership"]) if form["ownership"] else None
    return Wish(
        ControlID(form["rule"]), Scope(ScopeKind(kind), target, ownership), form["reason"],
        form["measure"], end_of_day(_read_day(form["until"]), zone),
    )  # fmt: skip


def _read_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(
            msg("“%(got)s” is no date; expected one such as 2026-11-23.", got=text[:40]),
            hint=msg("An exception always has a last day."),
        ) from None


@get("/exceptions/new", sync_to_thread=True)
def show_form(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    catalogue: NamedDependency[Catalogue],
    settings: NamedDependency[Settings],
    *,
    rule: FromQuery[str] = "",
    target: Annotated[str, QueryParameter(name="for")] = "",
    renews: FromQuery[str] = "",
    q: FromQuery[str] = "",
) -> Page:
    """Show the form for a new exception. Needs ``exceptions.write`` somewhere."""
    principal.require_reach("exceptions.write")
    form = {**EMPTY, "rule": rule, "scope": target, "q": q.strip(), "renews": renews}
    with database.read(principal) as tx:
        if renews:
            form |= _carry_over(tx, renews)
        return make_form(tx, catalogue, form, zone_of(settings), None)


def _carry_over(tx: Transaction, exception_id: str) -> dict[str, str]:
    """Fill the form with what is renewed; the reason is to be given anew."""
    old, _ = controls.get_exception(tx, exception_id)
    ownership = old.scope.ownership
    return {
        "rule": old.control_id, "scope": f"{old.scope.kind}:{old.scope.id}",
        "measure": old.measure, "ownership": ownership.value if ownership is not None else "",
    }  # fmt: skip


def make_form(
    tx: Transaction,
    catalogue: Catalogue,
    form: Mapping[str, str],
    zone: tzinfo | None,
    fault: SekishoError | None,
) -> Page:
    """Make the page of the form, with what was typed."""
    targets = find_targets(tx, form["q"])
    chosen = _chosen(tx, form["scope"])
    if chosen is not None and chosen.value not in {each.value for each in targets}:
        targets = [chosen, *targets]
    return Page("pages/exception_new.html", {
        "form": form, "fault": fault, "targets": targets,
        "controls": sorted(catalogue.controls.values(), key=_by_severity),
        "today": tx.now.astimezone(zone).date().isoformat(),
        **_limits(tx, catalogue, form["rule"], zone),
    }, status=fault.status if fault else 200)  # fmt: skip


def _by_severity(control: Control) -> tuple[int, str]:
    return (list(Severity).index(control.severity), control.id)


def _limits(
    tx: Transaction, catalogue: Catalogue, rule: str, zone: tzinfo | None
) -> dict[str, object]:
    """Return how far each severity may go, and the last day for the rule if it is chosen."""
    rules = load_rules()
    control = catalogue.controls.get(ControlID(rule))
    ends = {
        severity: last_day(latest_end(severity, rules, tx.now, zone)).astimezone(zone).date()
        for severity in Severity
    }
    return {
        "control": control,
        "limits": [(s.value, rules.limits[s], ends[s].isoformat()) for s in Severity],
        "latest": ends[control.severity].isoformat() if control is not None else "",
    }


def find_targets(tx: Transaction, words: str) -> list[Target]:
    """Find groups, units, people and devices by name; without words only groups and units."""
    found = [
        Target(f"group:{group.id}", KIND_WORDS[ScopeKind.GROUP], group.name)
        for group in (groups.list_groups(tx) if tx.principal.holds("identity.read") else [])
        if words.casefold() in group.name.casefold()
    ]
    found += [
        Target(f"unit:{entry.unit.id}", KIND_WORDS[ScopeKind.UNIT], entry.unit.name)
        for entry in (units.list_units(tx) if tx.principal.holds("identity.read") else [])
        if words.casefold() in entry.unit.name.casefold()
    ]
    return [*found[:MOST_FOUND], *(_people(tx, words) + _devices(tx, words) if words else [])]


def _people(tx: Transaction, words: str) -> list[Target]:
    if not tx.principal.holds("identity.read"):
        return []
    return [
        Target(f"person:{person.id}", KIND_WORDS[ScopeKind.PERSON], person.name, person.email)
        for person in identity.list_people(tx, search=words, limit=MOST_FOUND)
    ]


def _devices(tx: Transaction, words: str) -> list[Target]:
    if not tx.principal.holds("devices.read"):
        return []
    found = inventory.list_devices(tx, DeviceFilter(search=words), limit=MOST_FOUND)
    return [
        Target(f"device:{each.id}", KIND_WORDS[ScopeKind.DEVICE], each.title, each.os_name)
        for each in found.devices
    ]


def _chosen(tx: Transaction, value: str) -> Target | None:
    kind, _, target = value.partition(":")
    if kind not in set(ScopeKind) or not target:
        return None
    scope = Scope(ScopeKind(kind), target)
    return Target(value, KIND_WORDS[scope.kind], name_targets(tx, [scope]).get(scope, target))


@post("/exceptions/new", status_code=200, sync_to_thread=True)
def request_for_others(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    catalogue: NamedDependency[Catalogue],
    settings: NamedDependency[Settings],
    data: FormData,
) -> Response[Page] | Redirect:
    """Ask for an exception; a mistake brings the form back with what was typed."""
    form, zone = {**EMPTY, **data}, zone_of(settings)
    try:
        made = _request(database, principal, form, zone)
    except SekishoError as fault:
        principal.require_reach("exceptions.write")
        with database.read(principal) as tx:
            page = make_form(tx, catalogue, form, zone, fault)
        return Response(page, status_code=page.status)
    return Redirect(f"/exceptions/{made}", status_code=303)


def _request(
    database: Database, principal: Principal, form: Mapping[str, str], zone: tzinfo | None
) -> str:
    wish = read_wish(form, zone)
    with database.write(principal) as tx:
        return controls.request_exception(tx, wish, zone, renews=form["renews"]).id


@get("/my/exceptions", sync_to_thread=True)
def show_own_exceptions(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    catalogue: NamedDependency[Catalogue],
    *,
    page: FromQuery[int] = 1,
) -> Page:
    """List what the caller asked for. Needs ``self.read``."""
    skipped = (max(1, page) - 1) * OWN_PER_PAGE
    with database.read(principal) as tx:
        found, total = controls.page_own_exceptions(tx, offset=skipped, limit=OWN_PER_PAGE)
        rows = make_rows(tx, catalogue, found, {})
    context = {
        "rows": rows, "total": total, "page": max(1, page), "pages": -(-total // OWN_PER_PAGE),
        "first": min(total, skipped + 1), "last": skipped + len(rows),
    }  # fmt: skip
    return Page("pages/my_exceptions.html", context)


@get("/my/exceptions/new", sync_to_thread=True)
def show_own_form(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    catalogue: NamedDependency[Catalogue],
    settings: NamedDependency[Settings],
    *,
    device: FromQuery[str] = "",
    rule: FromQuery[str] = "",
    renews: FromQuery[str] = "",
) -> Page:
    """Show the form for the caller's own devices. Needs ``exceptions.request``."""
    principal.require("exceptions.request")
    scope = f"device:{device}" if device else ""
    form = {**EMPTY, "scope": scope, "rule": rule, "renews": renews}
    with database.read(principal) as tx:
        if renews:
            form |= _carry_over(tx, renews)
        return make_own_form(tx, catalogue, form, zone_of(settings), None)


def make_own_form(
    tx: Transaction,
    catalogue: Catalogue,
    form: Mapping[str, str],
    zone: tzinfo | None,
    fault: SekishoError | None,
) -> Page:
    """Make the page of a person's own form: their devices, the rules that do not pass first."""
    devices = [d for d in inventory.list_own_devices(tx) if d.state is DeviceState.ACTIVE]
    person = tx.principal.person_id or ""
    targets = [Target(f"device:{d.id}", KIND_WORDS[ScopeKind.DEVICE], d.title) for d in devices]
    if len(targets) > 1:
        targets.append(Target(f"person:{person}", KIND_WORDS[ScopeKind.PERSON], ""))
    return Page("pages/my_exception_new.html", {
        "form": form, "fault": fault, "targets": targets, "narrow": True,
        "controls": _own_controls(tx, catalogue, devices),
        "today": tx.now.astimezone(zone).date().isoformat(),
        **_limits(tx, catalogue, form["rule"], zone),
    }, status=fault.status if fault else 200)  # fmt: skip


def _own_controls(
    tx: Transaction, catalogue: Catalogue, devices: Sequence[Device]
) -> list[Control]:
    """Return the rules that some device does not pass; nobody needs an exception from others."""
    wanted = {
        verdict.control_id
        for device in devices
        for verdict in controls.list_verdicts(tx, device.id)
        if verdict.kind is not VerdictKind.PASS
    }
    return sorted((c for c in catalogue.controls.values() if c.id in wanted), key=_by_severity)


@post("/my/exceptions", status_code=200, sync_to_thread=True)
def request_own(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    catalogue: NamedDependency[Catalogue],
    settings: NamedDependency[Settings],
    data: FormData,
) -> Response[Page] | Redirect:
    """Ask for an exception for one's own device; a mistake brings the form back."""
    form, zone = {**EMPTY, **data}, zone_of(settings)
    try:
        made = _request(database, principal, form, zone)
    except NotPermittedError:
        raise
    except SekishoError as fault:
        with database.read(principal) as tx:
            page = make_own_form(tx, catalogue, form, zone, fault)
        return Response(page, status_code=page.status)
    return Redirect(f"/my/exceptions/{made}", status_code=303)


@get("/my/exceptions/{exception_id:str}", sync_to_thread=True)
def show_own_exception(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    catalogue: NamedDependency[Catalogue],
    exception_id: FromPath[str],
) -> Page:
    """Show one exception to whoever asked for it or profits from it."""
    with database.read(principal) as tx:
        return Page("pages/my_exception.html", read_exception(tx, catalogue, exception_id))


@post("/my/exceptions/{exception_id:str}/{act:str}", sync_to_thread=True)
def act_on_own(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    exception_id: FromPath[str],
    act: FromPath[str],
    data: FormData,
) -> Redirect:
    """Take a request back or end an exception early, on one's own page."""
    do_act(database, principal, exception_id, act, data.get("words", ""))
    return Redirect(f"/my/exceptions/{exception_id}", status_code=303)


HANDLERS: list[ControllerRouterHandler] = [
    show_form, request_for_others, show_own_exceptions, show_own_form, request_own,
    show_own_exception, act_on_own,
]  # fmt: skip

"""The tree of units, and the groups across it."""

from collections.abc import Sequence
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.identity import service
from sekisho.identity.model import Group, UnitKind
from sekisho.identity.pages.account import several
from sekisho.identity.pages.words import WORDS_OF_KIND, WORDS_OF_STATE, list_choices
from sekisho.kernel.db import Database
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import msg
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal

Form = URLEncodedBody[dict[str, Any]]

UNITS = "/people/units"
GROUPS = "/people/groups"
_PER_PAGE = 100
_UNITS_PER_PAGE = 100
_GROUPS_PER_PAGE = 50
_MOST_FOUND = 20


@get(UNITS, sync_to_thread=True)
def show_units(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    *,
    q: FromQuery[str] = "",
    sort: FromQuery[str] = "",
    page: FromQuery[int] = 1,
) -> Page:
    """Show the tree of units, or those that ``q`` names; whoever may, changes it here."""
    with database.read(principal) as tx:
        every, choices = service.list_units(tx), list_choices(tx)
    found = _arrange(every, q.strip().casefold(), sort)
    skipped = (max(1, page) - 1) * _UNITS_PER_PAGE
    entries = found[skipped : skipped + _UNITS_PER_PAGE]
    writable = {e.unit.id for e in every if principal.allows("identity.write", e.unit.id)}
    context = {
        "entries": entries, "any": bool(every), "count": len(every), "q": q, "sort": sort,
        "above": _say_above(every) if q.strip() or sort else {}, "page": max(1, page),
        "pages": -(-len(found) // _UNITS_PER_PAGE), "total": len(found),
        "first": min(len(found), skipped + 1), "last": skipped + len(entries), "choices": choices,
        "kinds": list(UnitKind), "writable": writable,
        "words_of_kind": WORDS_OF_KIND, "may_top": principal.allows("identity.write"),
        "may_write": bool(writable) or principal.allows("identity.write"),
    }  # fmt: skip
    return Page("identity/units.html", context)


def _arrange(
    entries: Sequence[service.UnitEntry], words: str, sort: str
) -> Sequence[service.UnitEntry]:
    """Return what is named by ``words``: as a tree, or by name or people ("-" downwards)."""
    fitting = [e for e in entries if words in e.unit.name.casefold()]
    down = sort.startswith("-")
    if sort.removeprefix("-") == "people":
        return sorted(fitting, key=lambda e: e.people_below, reverse=down)
    if sort.removeprefix("-") == "name":
        return sorted(fitting, key=lambda e: e.unit.name.casefold(), reverse=down)
    return fitting


def _say_above(entries: Sequence[service.UnitEntry]) -> dict[str, str]:
    """Return unit → the names above it, for a list that is no tree; entries are in its order."""
    paths: dict[str, str] = {}
    said: dict[str, str] = {}
    for entry in entries:
        unit = entry.unit
        said[unit.id] = paths.get(unit.parent_id or "", "")
        paths[unit.id] = f"{said[unit.id]} › {unit.name}" if said[unit.id] else unit.name
    return said


@post(UNITS, sync_to_thread=True)
def create_unit(
    data: Form, database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Redirect:
    """Make a unit."""
    with database.write(principal) as tx:
        service.create_unit(tx, _draft(data), _text(data, "parent") or None)
    return Redirect(UNITS, status_code=303)


def _draft(data: dict[str, Any]) -> service.UnitDraft:
    return service.UnitDraft(
        name=_text(data, "name"),
        kind=_text(data, "kind"),
        country=_text(data, "country"),
        time_zone=_text(data, "time_zone"),
        language=_text(data, "language"),
    )


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name, "")
    return value if isinstance(value, str) else ""


def _version(data: dict[str, Any]) -> int:
    """Return which state of a thing a form was made from; raise InvalidInputError for none."""
    text = _text(data, "version")
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):  # noqa: PLR2004 - an int
        raise InvalidInputError(
            msg("The form does not say what it was made from."), hint=msg("Load the page again.")
        )
    return int(text)


@post("/people/units/{unit_id:str}", sync_to_thread=True)
def change_unit(
    unit_id: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Change, move, merge or delete a unit, as the button pressed says."""
    principal.require_reach("identity.write")
    version, target = _version(data), _text(data, "target")
    with database.write(principal) as tx:
        match _text(data, "act"):
            case "change":
                service.update_unit(tx, unit_id, version, _draft(data))
            case "move":
                service.move_unit(tx, unit_id, target or None, version)
            case "merge":
                service.merge_unit(tx, unit_id, target, version)
            case "delete":
                service.delete_unit(tx, unit_id, version)
            case got:
                raise InvalidInputError(
                    msg("“%(got)s” is not something to do with a unit.", got=got[:40]),
                    hint=msg("Choose one of the acts offered."),
                )
    return Redirect(UNITS, status_code=303)


@get(GROUPS, sync_to_thread=True)
def show_groups(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    *,
    q: FromQuery[str] = "",
    sort: FromQuery[str] = "name",
    page: FromQuery[int] = 1,
) -> Page:
    """List the groups, searched, sorted and a page at a time; whoever may, makes one here."""
    with database.read(principal) as tx:
        every = service.list_groups(tx)
    found = _sorted([group for group in every if _fits(group, q)], sort)
    page = max(1, page)
    start = (page - 1) * _GROUPS_PER_PAGE
    shown = found[start : start + _GROUPS_PER_PAGE]
    return Page("identity/groups.html", {
        "groups": shown, "any": bool(every), "q": q, "sort": sort, "total": len(found),
        "page": page, "pages": -(-len(found) // _GROUPS_PER_PAGE) or 1, "first": start + 1,
        "last": start + len(shown), "may_write": principal.allows("identity.write"),
    })  # fmt: skip


def _fits(group: Group, words: str) -> bool:
    return words.strip().casefold() in f"{group.name}\n{group.note}".casefold()


def _sorted(found: Sequence[Group], sort: str) -> list[Group]:
    """Return groups by name (as they came) or by how many people they have; "-" turns it."""
    ordered = list(found)
    if sort.removeprefix("-") == "size":
        ordered.sort(key=lambda group: group.size)
    return ordered[::-1] if sort.startswith("-") else ordered


@post(GROUPS, sync_to_thread=True)
def create_group(
    data: Form, database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Redirect:
    """Make a group."""
    with database.write(principal) as tx:
        group = service.create_group(tx, _text(data, "name"), _text(data, "note"))
    return Redirect(f"{GROUPS}/{group.id}", status_code=303)


@get("/people/groups/{group_id:str}", sync_to_thread=True)
def show_group(
    group_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    *,
    q: FromQuery[str] = "",
    who: FromQuery[str] = "",
    sort: FromQuery[str] = "name",
    page: FromQuery[int] = 1,
) -> Page:
    """Show who is in a group (those whom ``who`` names), and find by ``q`` whom to add."""
    page = max(1, page)
    key = sort.removeprefix("-") if sort.removeprefix("-") in service.PEOPLE_SORTS else "name"
    narrow = service.PeopleFilter(group_id=group_id, search=who.strip())
    principal.require_reach("identity.read")
    with database.read(principal) as tx:
        group = service.get_group(tx, group_id)
        members = service.list_people(
            tx, narrow=narrow, sort=key, descending=sort.startswith("-"), limit=_PER_PAGE,
            offset=(page - 1) * _PER_PAGE,
        )  # fmt: skip
        total = service.count_people(tx, narrow=narrow)
        inside = set(service.members_of(tx, group_id)) if q else set()
        found = service.list_people(tx, search=q, limit=_MOST_FOUND) if q.strip() else []
    context = {
        "group": group, "members": members, "q": q, "who": who, "sort": sort, "total": total,
        "page": page, "pages": -(-total // _PER_PAGE) or 1,
        "first": min(total, (page - 1) * _PER_PAGE + 1),
        "last": (page - 1) * _PER_PAGE + len(members), "words_of_state": WORDS_OF_STATE,
        "found": [person for person in found if person.id not in inside],
        "may_write": principal.allows("identity.write"),
    }  # fmt: skip
    return Page("identity/group.html", context)


@post("/people/groups/{group_id:str}", sync_to_thread=True)
def change_group(
    group_id: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Rename or delete a group, or take people in and out, as the button pressed says."""
    principal.require("identity.write")
    with database.write(principal) as tx:
        match _text(data, "act"):
            case "change":
                note = _text(data, "note")
                service.update_group(tx, group_id, _version(data), _text(data, "name"), note)
            case "add":
                service.change_members(tx, group_id, add=several(data, "person"))
            case "remove":
                service.change_members(tx, group_id, remove=several(data, "person"))
            case "delete":
                service.delete_group(tx, group_id, _version(data))
                return Redirect(GROUPS, status_code=303)
            case got:
                raise InvalidInputError(
                    msg("“%(got)s” is not something to do with a group.", got=got[:40]),
                    hint=msg("Choose one of the acts offered."),
                )
    return Redirect(f"{GROUPS}/{group_id}", status_code=303)


HANDLERS: list[ControllerRouterHandler] = [
    show_units, create_unit, change_unit, show_groups, create_group, show_group, change_group,
]  # fmt: skip

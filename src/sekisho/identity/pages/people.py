"""The people of the organisation: found, invited, and changed many at a time."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.identity import service
from sekisho.identity.model import LINK_DAYS, Person, PersonState, Role
from sekisho.identity.pages.account import several
from sekisho.identity.pages.words import WORDS_OF_STATE, UnitChoice, list_choices
from sekisho.identity.roles import WORDS_OF_ROLE
from sekisho.identity.visits import AnyRequest, read_site
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import InvalidInputError, SekishoError
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.pages import Page, change_query
from sekisho.kernel.principal import Principal
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Settings

Form = URLEncodedBody[dict[str, Any]]

PEOPLE = "/people"
_PER_PAGE = 50
_MOST_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address narrows the list to; "" narrows nothing."""

    q: str = ""
    unit: str = ""
    role: str = ""
    state: str = ""
    group: str = ""
    sort: str = "name"


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one person of many: a link for an invitation, an error, or "" for done."""

    name: str
    link: str = ""
    fault: Text | str = ""


@get(PEOPLE, sync_to_thread=True)
def show_people(
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    principal: NamedDependency[Principal],
    *,
    q: FromQuery[str] = "",
    unit: FromQuery[str] = "",
    role: FromQuery[str] = "",
    state_wanted: Annotated[str, QueryParameter(name="state")] = "",
    group: FromQuery[str] = "",
    sort: FromQuery[str] = "name",
    page: FromQuery[int] = 1,
) -> Page:
    """List people with their roles; whoever may, invites and changes them here."""
    filters = Filters(q, unit, role, state_wanted, group, sort)
    return people_page(database, settings, principal, filters, page=max(1, page))


def people_page(
    database: Database,
    settings: Settings,
    principal: Principal,
    filters: Filters,
    *,
    page: int = 1,
    told: tuple[Told, ...] = (),
) -> Page:
    """Return the list of people, with what became of the last act above it."""
    with database.read(principal) as tx:
        narrow = make_filter(tx, filters)
        name = filters.sort.removeprefix("-")
        found = service.list_people(
            tx, narrow=narrow, sort=name if name in service.PEOPLE_SORTS else "name",
            descending=filters.sort.startswith("-"), limit=_PER_PAGE, offset=(page - 1) * _PER_PAGE,
        )  # fmt: skip
        total, states = service.count_people(tx, narrow=narrow), service.count_states(tx)
        choices, groups = list_choices(tx), service.list_groups(tx)
        names = _passkey_names(tx, settings)
    context = {
        "people": found, "total": total, "page": page, "pages": -(-total // _PER_PAGE) or 1,
        "first": (page - 1) * _PER_PAGE + 1, "last": (page - 1) * _PER_PAGE + len(found),
        "filters": filters, "states": states, "choices": choices, "groups": groups,
        "places": {choice.id: choice.path for choice in choices},
        "roles": list(Role), "words_of_role": WORDS_OF_ROLE, "words_of_state": WORDS_OF_STATE,
        "names": names, "present": settings.public_name or "localhost", "told": told,
        "days": LINK_DAYS, "mails": bool(settings.public_name),
        "may_write": principal.holds("identity.write"),
    }  # fmt: skip
    return Page("identity/people.html", context)


def _passkey_names(tx: Transaction, settings: Settings) -> list[Any]:
    if not tx.principal.allows("settings.read"):
        return []
    return service.passkey_names(tx, [settings.public_name])


def make_filter(tx: Transaction, filters: Filters) -> service.PeopleFilter:
    """Turn the address into what the service understands; an unknown value narrows nothing."""
    return service.PeopleFilter(
        search=filters.q.strip()[:200],
        units=service.units_below(tx, [filters.unit]) if filters.unit else None,
        role=Role(filters.role) if filters.role in set(Role) else None,
        state=PersonState(filters.state) if filters.state in set(PersonState) else None,
        group_id=filters.group,
    )


@post(PEOPLE, status_code=200, sync_to_thread=True)
def invite(
    request: AnyRequest,
    data: Form,
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    box: NamedDependency[SecretBox],
    principal: NamedDependency[Principal],
) -> Page:
    """Invite somebody and show their link, this once."""
    with database.write(principal) as tx:
        person = service.invite_person(
            tx,
            name=str(data.get("name", "")),
            email=str(data.get("email", "")),
            language=str(data.get("language", "")),
            roles=several(data, "role"),
            unit_id=str(data.get("unit", "")) or None,
        )
        told = Told(person.name, make_inviting(request, settings, box).invite(tx, person))
    return people_page(database, settings, principal, Filters(), told=(told,))


@dataclass(frozen=True, slots=True)
class Inviting:
    """What an invitation needs besides the database: the address it leads to, and the key."""

    origin: str
    box: SecretBox

    def invite(self, tx: Transaction, person: Person) -> str:
        """Make a new invitation and return its address; a mail carries it as well."""
        return self.origin + service.issue_invite_link(tx, person.id, self.box)


def make_inviting(request: AnyRequest, settings: Settings, box: SecretBox) -> Inviting:
    """Return what an invitation needs; its address is the public one once there is a name."""
    origin = settings.public_url if settings.public_name else read_site(request, settings).origin
    return Inviting(origin, box)


@get("/people/bulk", sync_to_thread=False)
def show_after_many(request: AnyRequest, principal: NamedDependency[Principal]) -> Redirect:
    """Lead from the page of an act on many to the list: its links and a reload come here."""
    principal.require_reach("identity.read")
    return Redirect(f"{PEOPLE}{change_query(request.url.query)}", status_code=303)


@post("/people/bulk", status_code=200, sync_to_thread=True)
def change_many(
    request: AnyRequest,
    data: Form,
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    box: NamedDependency[SecretBox],
    principal: NamedDependency[Principal],
) -> Page:
    """Do one thing to everybody ticked; whoever it cannot be done to is named with the reason."""
    principal.require_reach("identity.write")
    chosen = list(dict.fromkeys(several(data, "person")))[:_MOST_AT_ONCE]
    if not chosen:
        raise InvalidInputError(
            msg("Nobody is ticked."), hint=msg("Tick people in the list, then choose what to do.")
        )
    inviting = make_inviting(request, settings, box)
    told = tuple(
        _change_one(database, principal, person_id, data, inviting) for person_id in chosen
    )
    return people_page(database, settings, principal, _read_filters(request), told=told)


def _read_filters(request: AnyRequest) -> Filters:
    """Return what the list was narrowed to when people were ticked in it."""
    return Filters(**{
        each.name: str(request.query_params.get(each.name, each.default))
        for each in dataclasses.fields(Filters)
    })  # fmt: skip


def _change_one(
    database: Database,
    principal: Principal,
    person_id: str,
    data: dict[str, Any],
    inviting: Inviting,
) -> Told:
    """Change one person in a transaction of their own, so that one refusal stops no other."""
    name = person_id
    try:
        with database.write(principal) as tx:
            person = service.read_person(tx, person_id)
            name = person.name
            act = str(data.get("act", ""))
            if act == "invite":
                return Told(name, inviting.invite(tx, person))
            _act(tx, person, act, data)
    except service.StepUpNeededError:
        raise
    except SekishoError as error:
        return Told(name, fault=error.message)
    return Told(name)


def _act(tx: Transaction, person: Person, act: str, data: dict[str, Any]) -> None:
    match act:
        case "unit":
            service.place_person(tx, person.id, str(data.get("unit", "")) or None)
        case "role":
            role = service.Assignment(service.parse_role(str(data.get("role", ""))))
            service.set_roles(tx, person.id, person.assignments | {role})
        case "group":
            service.change_members(tx, str(data.get("group", "")), add=[person.id])
        case "disable":
            service.disable_person(tx, person.id)
        case "enable":
            service.enable_person(tx, person.id)
        case _:
            raise InvalidInputError(
                msg("“%(got)s” is not something to do with people.", got=act[:40]),
                hint=msg("Choose one of the acts offered."),
            )


HANDLERS: list[ControllerRouterHandler] = [show_people, invite, show_after_many, change_many]

__all__ = [
    "HANDLERS",
    "Filters",
    "Told",
    "UnitChoice",
    "make_filter",
    "make_inviting",
    "people_page",
]

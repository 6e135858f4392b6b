"""The people of the organisation: invited, given roles, disabled, and who lacks a passkey."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.identity import service
from sekisho.identity.model import LINK_DAYS, Person, Role
from sekisho.identity.pages.account import several
from sekisho.identity.roles import WORDS_OF_ROLE
from sekisho.identity.visits import AnyRequest, read_site
from sekisho.kernel.db import Database
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal
from sekisho.kernel.settings import Settings

Form = URLEncodedBody[dict[str, Any]]

PEOPLE = "/people"
_PER_PAGE = 50


@get(PEOPLE, sync_to_thread=True)
def show_people(
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    principal: NamedDependency[Principal],
    q: FromQuery[str] = "",
    page: FromQuery[int] = 1,
) -> Page:
    """List people with their roles; whoever may, invites others here."""
    return _people_page(database, settings, principal, q, max(1, page))


def _people_page(
    database: Database,
    settings: Settings,
    principal: Principal,
    search: str = "",
    page: int = 1,
    invited: tuple[Person, str] | None = None,
) -> Page:
    with database.read(principal) as tx:
        found = service.list_people(
            tx, search=search, limit=_PER_PAGE, offset=(page - 1) * _PER_PAGE
        )
        total = service.count_people(tx, search)
        names = (
            service.passkey_names(tx, [settings.public_name])
            if principal.allows("settings.read")
            else []
        )
    context = {
        "people": found, "total": total, "page": page, "pages": -(-total // _PER_PAGE) or 1,
        "first": (page - 1) * _PER_PAGE + 1, "last": (page - 1) * _PER_PAGE + len(found),
        "search": search, "roles": list(Role), "words_of_role": WORDS_OF_ROLE, "names": names,
        "present": settings.public_name or "localhost", "invited": invited, "days": LINK_DAYS,
        "current": "people",
    }  # fmt: skip
    return Page("identity/people.html", context)


@post(PEOPLE, status_code=200, sync_to_thread=True)
def invite(
    request: AnyRequest,
    data: Form,
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
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
        )
        link = _address(request, settings) + service.issue_invite_link(tx, person.id)
    return _people_page(database, settings, principal, invited=(person, link))


def _address(request: AnyRequest, settings: Settings) -> str:
    """Return where the invited person reaches us: the public address once there is a name."""
    return settings.public_url if settings.public_name else read_site(request, settings).origin


@post("/people/{person_id:str}/link", status_code=200, sync_to_thread=True)
def invite_again(
    request: AnyRequest,
    person_id: FromPath[str],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    principal: NamedDependency[Principal],
) -> Page:
    """Make a new invitation for somebody who has not used theirs."""
    with database.write(principal) as tx:
        person = service.get_person(tx, person_id)
        link = _address(request, settings) + service.issue_invite_link(tx, person_id)
    return _people_page(database, settings, principal, invited=(person, link))


@post("/people/{person_id:str}/roles", sync_to_thread=True)
def change_roles(
    person_id: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Give a person exactly the roles ticked."""
    with database.write(principal) as tx:
        service.change_roles(tx, person_id, several(data, "role"))
    return Redirect(PEOPLE, status_code=303)


@post("/people/{person_id:str}/disable", sync_to_thread=True)
def disable(
    person_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Let a person in no longer."""
    with database.write(principal) as tx:
        service.disable_person(tx, person_id)
    return Redirect(PEOPLE, status_code=303)


@post("/people/{person_id:str}/enable", sync_to_thread=True)
def enable(
    person_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Let a disabled person in again."""
    with database.write(principal) as tx:
        service.enable_person(tx, person_id)
    return Redirect(PEOPLE, status_code=303)


HANDLERS: list[ControllerRouterHandler] = [
    show_people, invite, invite_again, change_roles, disable, enable,
]  # fmt: skip

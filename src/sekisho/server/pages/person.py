"""One person: where they stand, what they have, how they sign in, and what an administrator does.

Joins identity with the person's devices and the evidence about them.
"""

from collections.abc import Callable, Mapping
from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.devices.service import inventory
from sekisho.devices.service.inventory import DeviceFilter
from sekisho.devices.web.people import say_actor
from sekisho.devices.words import STATE_WORDS
from sekisho.evidence import service as evidence
from sekisho.evidence.words import name_kind
from sekisho.identity import service as identity
from sekisho.identity.model import WORDS_OF_METHOD, Assignment, PersonState, Role
from sekisho.identity.pages.account import several
from sekisho.identity.pages.people import make_inviting
from sekisho.identity.pages.words import WORDS_OF_STATE, list_choices
from sekisho.identity.roles import WORDS_OF_ROLE
from sekisho.identity.visits import AnyRequest
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import ConflictError, InvalidInputError, SekishoError, StepUpNeededError
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.ids import UnitID
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Settings
from sekisho.notices import service as notices
from sekisho.server.leaving import end_person

Form = URLEncodedBody[dict[str, Any]]
Act = Callable[[Transaction, str, Mapping[str, Any]], object]
Words = Text | str

_SHOWN_DEVICES = 50
_SHOWN_RECORDS = 20
_SHOWN_PEOPLE = 500


@get("/people/{person_id:str}", sync_to_thread=True)
def show_person(
    person_id: FromPath[str],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    principal: NamedDependency[Principal],
) -> Page:
    """Show one person. Needs ``identity.read`` in their unit."""
    return person_page(database, settings, principal, person_id)


def person_page(
    database: Database,
    settings: Settings,
    principal: Principal,
    person_id: str,
    *,
    link: str = "",
    fault: SekishoError | None = None,
    typed: Mapping[str, Any] | None = None,
) -> Page:
    """Return the page of one person, with the link just made or what went wrong above it."""
    with database.read(principal) as tx:
        dossier = identity.read_dossier(tx, person_id)
        unit = dossier.person.unit_id
        writes = principal.allows("identity.write", unit)
        choices = list_choices(tx)
        context = {
            "dossier": dossier, "person": dossier.person, "choices": choices,
            "places": {choice.id: choice.path for choice in choices},
            "devices": _devices(tx, person_id), "records": _records(tx, person_id),
            "leaders": _leaders(tx, person_id) if writes else [],
            "roles": list(Role), "words_of_role": WORDS_OF_ROLE, "words_of_state": WORDS_OF_STATE,
            "words_of_method": WORDS_OF_METHOD, "device_words": STATE_WORDS, "link": link,
            "fault": fault, "typed": typed or {}, "may_write": writes,
            "is_self": principal.person_id == person_id,
            "top_roles": principal.allows("identity.write"),
            "gone": dossier.person.state is PersonState.LEFT,
            "mailing": _mailing(tx, dossier), "public_name": settings.public_name,
        }  # fmt: skip
    return Page("pages/person.html", context, fault.status if fault else 200)


def _mailing(tx: Transaction, dossier: identity.Dossier) -> notices.Mailing | None:
    """Return what became of the mail of an open invitation; None if none is open."""
    if not dossier.invitation_id:
        return None
    return notices.read_mailing(tx, dossier.person.id, dossier.invitation_id)


def _devices(tx: Transaction, person_id: str) -> list[Any] | None:
    """Return the person's devices that the caller may see; None if they may see none at all."""
    if not tx.principal.holds("devices.read"):
        return None
    narrow = DeviceFilter(owner_id=person_id)
    return list(inventory.list_devices(tx, narrow, limit=_SHOWN_DEVICES).devices)


def _records(tx: Transaction, person_id: str) -> list[tuple[Any, Words, Words]] | None:
    """Return what is on record about the person: the record, what happened, and who did it."""
    if not tx.principal.allows("evidence.read"):
        return None
    found = list(evidence.list_records(tx, subject=f"person:{person_id}", limit=_SHOWN_RECORDS))
    ids = [r.actor.removeprefix("person:") for r in found if r.actor.startswith("person:")]
    names = {f"person:{key}": name for key, name in identity.find_names(tx, ids).items()}
    return [(r, name_kind(r.kind), say_actor(r.actor, names)) for r in found]


def _leaders(tx: Transaction, person_id: str) -> list[Any]:
    """Return who could lead the person: active people, those with the role of a manager first."""
    found: list[Any] = []
    for role in (Role.MANAGER, None):
        narrow = identity.PeopleFilter(role=role, state=PersonState.ACTIVE)
        found += identity.list_people(tx, narrow=narrow, limit=_SHOWN_PEOPLE)
    once = {person.id: person for person in found if person.id != person_id}
    return list(once.values())[:_SHOWN_PEOPLE]


@post("/people/{person_id:str}", sync_to_thread=True)
def change_person(
    request: AnyRequest,
    person_id: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    box: NamedDependency[SecretBox],
    principal: NamedDependency[Principal],
) -> Response[Page] | Redirect:
    """Do what the button pressed says; what cannot be done is said on the same page."""
    principal.require_reach("identity.write")
    name = _text(data, "act")
    link = ""
    try:
        with database.write(principal) as tx:
            if name == "invite":
                person = identity.get_person(tx, person_id)
                link = make_inviting(request, settings, box).invite(tx, person)
            else:
                _find_act(name)(tx, person_id, data)
    except StepUpNeededError:
        raise
    except (ConflictError, InvalidInputError) as fault:
        page = person_page(database, settings, principal, person_id, fault=fault, typed=data)
        return Response(page, status_code=fault.status)
    if link:
        shown = person_page(database, settings, principal, person_id, link=link)
        return Response(shown, status_code=200)
    return Redirect(f"/people/{person_id}", status_code=303)


def _find_act(name: str) -> Act:
    act = _ACTS.get(name)
    if act is None:
        raise InvalidInputError(
            msg("“%(got)s” is not something to do with people.", got=name[:40]),
            hint=msg("Choose one of the acts offered."),
        )
    return act


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name, "")
    return value if isinstance(value, str) else ""


def _version(data: Mapping[str, Any]) -> int:
    text = _text(data, "version")
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):  # noqa: PLR2004 - an int
        raise InvalidInputError(
            msg("The form does not say what it was made from."), hint=msg("Load the page again.")
        )
    return int(text)


def _change_profile(tx: Transaction, person_id: str, data: Mapping[str, Any]) -> None:
    """Change the profile and the unit, both made from the same state."""
    version = _version(data)
    person = identity.change_profile(
        tx,
        person_id,
        version=version,
        name=_text(data, "name"),
        email=_text(data, "email"),
        language=_text(data, "language"),
        manager_id=_text(data, "manager") or None,
    )
    changed = person.version != version
    identity.place_person(
        tx, person_id, _text(data, "unit") or None, person.version if changed else version
    )


def _change_roles(tx: Transaction, person_id: str, data: Mapping[str, Any]) -> None:
    """Give exactly the roles ticked, and one more in a unit if one was chosen."""
    wanted = {_read_assignment(text) for text in several(dict(data), "held")}
    if _text(data, "add_role") and _text(data, "add_unit"):
        wanted.add(_read_assignment(f"{_text(data, 'add_role')}@{_text(data, 'add_unit')}"))
    identity.set_roles(tx, person_id, wanted, _version(data))


def _read_assignment(text: str) -> Assignment:
    """Read ``role`` or ``role@unit``; raise InvalidInputError for an unknown role."""
    role, _, unit = text.partition("@")
    return Assignment(identity.parse_role(role), UnitID(unit) if unit else None)


_ACTS: Mapping[str, Act] = {
    "profile": _change_profile,
    "roles": _change_roles,
    "revoke-invitation": lambda tx, person_id, _: identity.revoke_invitation(tx, person_id),
    "disable": lambda tx, person_id, _: identity.disable_person(tx, person_id),
    "enable": lambda tx, person_id, _: identity.enable_person(tx, person_id),
    "sign-out": lambda tx, person_id, _: identity.sign_person_out(tx, person_id),
    "revoke-token": lambda tx, person_id, data: identity.revoke_token_of(
        tx, person_id, _text(data, "token")
    ),
    "leave": lambda tx, person_id, data: end_person(tx, person_id, _text(data, "reason")),
    "readmit": lambda tx, person_id, _: identity.readmit_person(tx, person_id),
}

HANDLERS: list[ControllerRouterHandler] = [show_person, change_person]

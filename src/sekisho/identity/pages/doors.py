"""How people come in, for those who decide it: providers, required strength, blocks, sessions."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.identity import service
from sekisho.identity.model import WORDS_OF_METHOD, WORDS_OF_STRENGTH, Strength
from sekisho.identity.roles import WORDS_OF_ROLE
from sekisho.identity.visits import AnyRequest, read_site
from sekisho.kernel.db import Database
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import msg
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.seen import mark_of, require_unchanged
from sekisho.kernel.settings import Settings

Form = URLEncodedBody[dict[str, Any]]

DOORS = "/people/sign-in"
BLOCKS = "/people/blocks"
_PER_PAGE = 50
_FIELDS = ("issuer", "name", "client_id", "secret", "domains", "acr", "amr")


@get(DOORS, sync_to_thread=True)
def show_doors(
    request: AnyRequest,
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    principal: NamedDependency[Principal],
) -> Page:
    """Show which providers people sign in with and how strongly each role must prove itself."""
    with database.read(principal) as tx:
        providers, requirements = service.list_providers(tx), service.list_requirements(tx)
        scim_public = service.is_scim_public(tx)
    origins = {read_site(request, settings).origin}
    origins |= {settings.public_url} if settings.public_name else set()
    context = {
        "providers": providers,
        "requirements": requirements,
        "seen": mark_of(requirements),
        "words_of_role": WORDS_OF_ROLE,
        "words_of_strength": WORDS_OF_STRENGTH,
        "strengths": list(Strength),
        "scim_public": scim_public,
        "scim_address": settings.public_url + "/scim/v2" if settings.public_name else "",
        "callbacks": [origin + service.CALLBACK for origin in sorted(origins)],
        "current": "people",
    }
    return Page("identity/doors.html", context)


@post(DOORS + "/providers", sync_to_thread=True)
def add_provider(
    data: Form,
    database: NamedDependency[Database],
    box: NamedDependency[SecretBox],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Describe a provider."""
    with database.write(principal) as tx:
        service.add_provider(tx, box, _fields(data))
    return Redirect(DOORS, status_code=303)


def _fields(data: dict[str, Any]) -> dict[str, str]:
    return {name: str(data[name]) for name in _FIELDS if name in data}


@post(DOORS + "/providers/{provider_id:str}", sync_to_thread=True)
def change_provider(
    provider_id: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    box: NamedDependency[SecretBox],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Change a provider, switch it on or off, or forget it."""
    with database.write(principal) as tx:
        match data.get("act"):
            case "on" | "off":
                service.switch_provider(tx, provider_id, active=data["act"] == "on")
            case "remove":
                service.remove_provider(tx, provider_id)
            case _:
                service.change_provider(tx, box, provider_id, _fields(data), data.get("seen"))
    return Redirect(DOORS, status_code=303)


@post(DOORS + "/requirements", sync_to_thread=True)
def change_requirements(
    data: Form, database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Redirect:
    """Set how strongly each role must prove itself."""
    with database.write(principal) as tx:
        now = service.list_requirements(tx)
        require_unchanged(data.get("seen"), mark_of(now), msg("What roles must prove"))
        for role, strength in now.items():
            wanted = _number(data.get(role.value, str(int(strength))))
            if wanted != strength:
                service.change_requirement(tx, f"role:{role.value}", wanted)
    return Redirect(DOORS, status_code=303)


@post(DOORS + "/directory", sync_to_thread=True)
def switch_directory(
    data: Form, database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Redirect:
    """Serve SCIM on the public listener, or no longer."""
    with database.write(principal) as tx:
        service.set_scim_public(tx, data.get("act") == "on")
    return Redirect(DOORS, status_code=303)


def _number(text: object) -> int:
    try:
        return int(str(text))
    except ValueError as error:
        raise InvalidInputError(msg("“%(got)s” is not a number.", got=str(text)[:20])) from error


@get(BLOCKS, sync_to_thread=True)
def show_blocks(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    *,
    q: FromQuery[str] = "",
    sort: FromQuery[str] = "-until",
    page: FromQuery[int] = 1,
) -> Page:
    """Show what must wait after failures, and which addresses are shut out."""
    with database.read(principal) as tx:
        blocks = service.list_blocks(tx, q, sort)
        bans = service.list_shut_out(tx, q, sort)
    skipped = (max(1, page) - 1) * _PER_PAGE
    shown = blocks[skipped : skipped + _PER_PAGE]
    context = {
        "blocks": shown, "bans": bans, "q": q, "sort": sort, "current": "people",
        "page": max(1, page), "pages": -(-len(blocks) // _PER_PAGE), "total": len(blocks),
        "first": min(len(blocks), skipped + 1), "last": skipped + len(shown),
    }  # fmt: skip
    return Page("identity/blocks.html", context)


@post(BLOCKS, sync_to_thread=True)
def shut_out(
    data: Form, database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Redirect:
    """Shut an address out."""
    address, reason = str(data.get("address", "")), str(data.get("reason", ""))
    with database.write(principal) as tx:
        service.shut_out(tx, address, reason, _number(data.get("days", "7")))
    return Redirect(BLOCKS, status_code=303)


@post(BLOCKS + "/lift", sync_to_thread=True)
def lift(
    data: Form, database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Redirect:
    """Lift a block, or let an address in again."""
    with database.write(principal) as tx:
        if "unit" in data:
            service.let_in_again(tx, str(data["unit"]))
        else:
            service.lift_block(tx, str(data.get("key", "")))
    return Redirect(BLOCKS, status_code=303)


@get("/people/{person_id:str}/sessions", sync_to_thread=True)
def show_sessions(
    person_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Page:
    """Show where somebody is signed in."""
    with database.read(principal) as tx:
        person, sessions, accounts = service.read_ways(tx, person_id)
    context = {
        "person": person,
        "sessions": sessions,
        "accounts": accounts,
        "words_of_method": WORDS_OF_METHOD,
        "words_of_strength": WORDS_OF_STRENGTH,
        "current": "people",
    }
    return Page("identity/sessions.html", context)


@post("/people/{person_id:str}/sessions/end", sync_to_thread=True)
def end_sessions(
    person_id: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """End one session of somebody, or all of them."""
    with database.write(principal) as tx:
        service.end_sessions_of(tx, person_id, str(data.get("session", "")))
    return Redirect(f"/people/{person_id}/sessions", status_code=303)


@post("/people/{person_id:str}/accounts/{provider_id:str}/part", sync_to_thread=True)
def part_account(
    person_id: FromPath[str],
    provider_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Part an account at a provider from somebody."""
    with database.write(principal) as tx:
        service.part_account(tx, person_id, provider_id)
    return Redirect(f"/people/{person_id}/sessions", status_code=303)


HANDLERS: list[ControllerRouterHandler] = [
    show_doors, add_provider, change_provider, change_requirements, switch_directory, show_blocks,
    shut_out, lift, show_sessions, end_sessions, part_account,
]  # fmt: skip

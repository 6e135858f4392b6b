"""Pages of identity for whoever is about to come in: sign-in, one-time links, sign-out."""

from typing import Annotated, Any

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.identity import service
from sekisho.identity.engine.sites import safe_next
from sekisho.identity.model import Purpose, SignedIn
from sekisho.identity.pages import account, again, doors, lost, oidc, people, units
from sekisho.identity.pages.again import make_step_up
from sekisho.identity.pages.entrance import Tried, sign_in_page
from sekisho.identity.visits import (
    AnyRequest,
    better_address,
    end_cookie,
    make_cookie,
    read_cookie,
    read_site,
    read_visit,
)
from sekisho.kernel.db import Database
from sekisho.kernel.errors import NotFoundError, RateLimitedError, SekishoError
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal, PrincipalKind
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Settings

Form = URLEncodedBody[dict[str, Any]]
__all__ = ["HANDLERS", "make_step_up"]

Next = Annotated[str, QueryParameter(name="next")]


@get("/sign-in", sync_to_thread=True)
def show_sign_in(
    request: AnyRequest, database: NamedDependency[Database], settings: NamedDependency[Settings],
    principal: NamedDependency[Principal], next_page: Next = "/", again: FromQuery[str] = "",
) -> Page | Redirect:  # fmt: skip
    """Show the ways to sign in; whoever is signed in already goes on, unless asked again."""
    target = safe_next(next_page)
    if principal.kind is PrincipalKind.PERSON and not again:
        return Redirect(target, status_code=303)
    return sign_in_page(request, settings, database, principal, Tried(target, again=bool(again)))


@post("/sign-in/code", sync_to_thread=True)
def sign_in_with_code(
    request: AnyRequest,
    data: Form,
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    box: NamedDependency[SecretBox],
    principal: NamedDependency[Principal],
) -> Response[Any] | Page:
    """Sign in with the code of an authenticator app or a recovery code."""
    email, target = _text(data, "email"), safe_next(_text(data, "next"))
    site, visit, former = read_site(request, settings), read_visit(request), read_cookie(request)
    try:
        signed_in = service.try_act(
            database,
            principal,
            lambda tx: service.sign_in_with_code(
                tx, box, email=email, code=_text(data, "code"), site=site, visit=visit,
                replaces=former,
            ),
        )  # fmt: skip
    except RateLimitedError as error:
        return limited_page(error)
    except SekishoError as error:
        tried = Tried(target, email=email, fault=error)
        return sign_in_page(request, settings, database, principal, tried)
    return enter(request, signed_in, target)


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name, "")
    return value if isinstance(value, str) else ""


def limited_page(error: RateLimitedError) -> Response[Page]:
    """Return the page for somebody who must wait before another try."""
    seconds = error.retry_after_seconds
    page = Page("identity/limited.html", {"seconds": seconds}, 429)
    return Response(page, status_code=429, headers={"Retry-After": str(seconds)})


def enter(request: AnyRequest, signed_in: SignedIn, target: str) -> Redirect:
    """Go on as the person who has just signed in."""
    address = signed_in.next or target
    return Redirect(address, status_code=303, cookies=[make_cookie(request, signed_in)])


@post("/sign-out", sync_to_thread=True)
def sign_out(
    request: AnyRequest, database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Redirect:
    """End this session."""
    if principal.session_id:
        with database.write(principal) as tx:
            service.end_session(tx, principal.session_id)
    return Redirect("/sign-in", status_code=303, cookies=[end_cookie(request)])


@get("/start/{token:str}", sync_to_thread=True)
def show_start(
    request: AnyRequest,
    token: FromPath[str],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    principal: NamedDependency[Principal],
) -> Page | Response[Page] | Redirect:
    """Show what a one-time link is for; looking does not use it up."""
    try:
        with database.read(principal) as tx:
            link, person = service.open_link(tx, token)
            providers = service.list_doors(tx) if link.purpose is Purpose.INVITE else []
    except NotFoundError:
        visit = read_visit(request)
        service.try_act(database, principal, lambda tx: service.refuse_link(tx, visit))
        raise
    better = better_address(request, read_site(request, settings))
    if better:
        return Redirect(better, status_code=303)
    context = {"token": token, "person": person, "purpose": link.purpose, "link": link,
               "first": link.purpose is Purpose.FIRST_ADMIN, "doors": providers}  # fmt: skip
    return Page("identity/start.html", context)


@post("/start/{token:str}/totp", status_code=200, sync_to_thread=True)
def begin_start_totp(
    request: AnyRequest,
    token: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    box: NamedDependency[SecretBox],
    principal: NamedDependency[Principal],
) -> Page:
    """Show the picture that an authenticator app reads."""
    site = read_site(request, settings)
    profile = {name: _text(data, name) for name in ("name", "email", "language")}
    counting = service.counting_dead_links(database, principal, read_visit(request))
    with counting, database.write(principal) as tx:
        setup = service.begin_link_totp(tx, box, token, profile, site)
    return account.totp_page(setup, f"/start/{token}/totp/confirm")


@post("/start/{token:str}/totp/confirm", sync_to_thread=True)
def finish_start_totp(
    request: AnyRequest,
    token: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    box: NamedDependency[SecretBox],
    principal: NamedDependency[Principal],
) -> Response[Any] | Page:
    """Register the authenticator app with its first code and sign in."""
    visit, handle = read_visit(request), _text(data, "handle")
    try:
        signed_in = service.try_act(
            database,
            principal,
            lambda tx: service.finish_link_totp(tx, box, token, handle, _text(data, "code"), visit),
        )
    except SekishoError as error:
        return account.totp_again(handle, f"/start/{token}/totp/confirm", error)
    return enter(request, signed_in, "/")


HANDLERS: list[ControllerRouterHandler] = [
    Router(
        "/",
        route_handlers=[show_sign_in, sign_in_with_code, sign_out, show_start, begin_start_totp,
                        finish_start_totp, *account.HANDLERS, *again.HANDLERS, *doors.HANDLERS,
                        *lost.HANDLERS, *oidc.HANDLERS, *people.HANDLERS, *units.HANDLERS],
        include_in_schema=False,
    )
]  # fmt: skip

"""Leaving for an OpenID provider and coming back from it."""

from collections.abc import Sequence
from typing import Annotated

from litestar import Response, Router, get
from litestar.datastructures import Cookie
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.identity import service
from sekisho.identity.engine.sites import safe_next
from sekisho.identity.pages.entrance import Tried, sign_in_page
from sekisho.identity.sources import HTTPProviders
from sekisho.identity.visits import AnyRequest, make_cookie, read_cookie, read_site, read_visit
from sekisho.kernel.db import Database
from sekisho.kernel.errors import RateLimitedError, SekishoError
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal, PrincipalKind
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Settings

_SECONDS = 600
Next = Annotated[str, QueryParameter(name="next")]
# What providers said of themselves and their keys, kept for all threads of this process.
_directory = HTTPProviders()


@get("/sign-in/oidc/{provider_id:str}", sync_to_thread=True)
def leave(
    request: AnyRequest,
    provider_id: FromPath[str],
    settings: NamedDependency[Settings],
    journeys: NamedDependency[service.Journeys],
    language: NamedDependency[str],
    next_page: Next = "/",
    again: FromQuery[str] = "",
) -> Redirect:
    """Lead to a provider's own sign-in."""
    proving = bool(again) and journeys.principal.kind is PrincipalKind.PERSON
    wish = service.Wish(safe_next(next_page), again=proving, language=language)
    departure = service.lead_to_provider(journeys, provider_id, read_site(request, settings), wish)
    return _depart(request, departure)


@get("/start/{token:str}/oidc/{provider_id:str}", sync_to_thread=True)
def leave_invited(
    request: AnyRequest,
    token: FromPath[str],
    provider_id: FromPath[str],
    settings: NamedDependency[Settings],
    journeys: NamedDependency[service.Journeys],
    language: NamedDependency[str],
) -> Redirect:
    """Lead somebody invited to a provider, whose account then becomes theirs."""
    wish = service.Wish(link=token, language=language)
    departure = service.lead_to_provider(journeys, provider_id, read_site(request, settings), wish)
    return _depart(request, departure)


def _depart(request: AnyRequest, departure: service.Departure) -> Redirect:
    cookie = _cookie(request, departure.secret, _SECONDS)
    return Redirect(departure.address, status_code=303, cookies=[cookie])


def _cookie(request: AnyRequest, value: str, seconds: int) -> Cookie:
    """Return the cookie that ties a journey to this browser; Lax, since the way back is a link."""
    return Cookie(
        key=_cookie_name(request),
        value=value,
        max_age=seconds,
        path="/",
        secure=request.scope["scheme"] == "https",
        httponly=True,
        samesite="lax",
    )


def _cookie_name(request: AnyRequest) -> str:
    return "__Host-sekisho-oidc" if request.scope["scheme"] == "https" else "sekisho_oidc"


@get(service.CALLBACK, sync_to_thread=True)
def come_back(
    request: AnyRequest,
    settings: NamedDependency[Settings],
    journeys: NamedDependency[service.Journeys],
) -> Response[Page] | Response[None] | Redirect:
    """Sign in with what the provider says, or say why not."""
    secret = request.cookies.get(_cookie_name(request), "")
    answer: Sequence[tuple[str, str]] = list(request.query_params.multi_items())
    over = _cookie(request, "", 0)
    try:
        arrival = service.return_from_provider(
            journeys, answer, secret, read_visit(request), replaces=read_cookie(request)
        )
    except RateLimitedError:
        raise
    except SekishoError as error:
        tried = Tried(refused=error)
        page = sign_in_page(request, settings, journeys.database, journeys.principal, tried)
        return Response(page, status_code=error.status, cookies=[over])
    target = arrival.signed_in.next or arrival.target
    cookies = [make_cookie(request, arrival.signed_in), over]
    return Redirect(target, status_code=303, cookies=cookies)


def _journeys(
    database: NamedDependency[Database],
    box: NamedDependency[SecretBox],
    principal: NamedDependency[Principal],
) -> service.Journeys:
    return service.Journeys(database, box, _directory, principal)


HANDLERS: list[ControllerRouterHandler] = [
    Router(
        "/",
        route_handlers=[leave, leave_invited, come_back],
        dependencies={"journeys": Provide(_journeys, sync_to_thread=False)},
    )
]

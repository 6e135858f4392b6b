"""The JSON half of WebAuthn: options for the browser, and its answers (``passkey.js`` calls it)."""

from typing import Any

import msgspec
from litestar import Response, Router, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.types import ControllerRouterHandler

from sekisho.identity import service
from sekisho.identity.engine.sites import safe_next
from sekisho.identity.model import SignedIn
from sekisho.identity.visits import (
    AnyRequest,
    make_cookie,
    proof_address,
    read_cookie,
    read_site,
    read_visit,
    say_error,
)
from sekisho.kernel.db import Database
from sekisho.kernel.principal import Principal
from sekisho.kernel.settings import Settings


class Profile(msgspec.Struct):
    """Who the first administrator is; empty for a link that is for somebody known."""

    name: str = ""
    email: str = ""
    language: str = ""


class Begun(msgspec.Struct):
    """A ceremony: its handle and what to hand to ``navigator.credentials``."""

    handle: str
    options: dict[str, Any]


class Answer(msgspec.Struct):
    """What the browser said; ``label`` names a new passkey, ``next`` is where to go after."""

    handle: str
    credential: dict[str, Any]
    label: str = ""
    next: str = ""


class Done(msgspec.Struct):
    """Where to go now."""

    next: str


@post("/sign-in/passkey/options", status_code=200, sync_to_thread=True)
def begin_sign_in(
    request: AnyRequest,
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    principal: NamedDependency[Principal],
) -> Begun:
    """Begin a sign-in with a passkey; no user name is asked for."""
    with database.write(principal) as tx:
        return Begun(*service.begin_passkey_sign_in(tx, read_site(request, settings)))


@post("/sign-in/passkey", status_code=200, sync_to_thread=True)
def finish_sign_in(
    request: AnyRequest,
    data: JSONBody[Answer],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Response[Done]:
    """Sign in with the browser's answer; sets the session cookie."""
    visit, former = read_visit(request), read_cookie(request)
    signed_in = service.try_act(
        database,
        principal,
        lambda tx: service.sign_in_with_passkey(
            tx, data.handle, data.credential, visit, replaces=former
        ),
    )
    return _signed_in(request, signed_in, data.next)


def _signed_in(request: AnyRequest, signed_in: SignedIn, wanted: str) -> Response[Done]:
    target = signed_in.next or safe_next(wanted)
    return Response(Done(target), cookies=[make_cookie(request, signed_in)])


@post("/start/{token:str}/passkey/options", status_code=200, sync_to_thread=True)
def begin_start(
    request: AnyRequest,
    token: FromPath[str],
    data: JSONBody[Profile],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    principal: NamedDependency[Principal],
) -> Begun:
    """Begin to register a passkey with a one-time link."""
    site, profile = read_site(request, settings), msgspec.structs.asdict(data)
    counting = service.counting_dead_links(database, principal, read_visit(request))
    with counting, database.write(principal) as tx:
        return Begun(*service.begin_link_passkey(tx, token, profile, site))


@post("/start/{token:str}/passkey", status_code=200, sync_to_thread=True)
def finish_start(
    request: AnyRequest,
    token: FromPath[str],
    data: JSONBody[Answer],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Response[Done]:
    """Register the passkey, use the link up and sign in."""
    visit = read_visit(request)
    counting = service.counting_dead_links(database, principal, visit)
    with counting, database.write(principal) as tx:
        signed_in = service.finish_link_passkey(
            tx, token, data.handle, data.credential, data.label or visit.browser, visit
        )
    return _signed_in(request, signed_in, "")


@post("/account/passkeys/options", status_code=200, sync_to_thread=True)
def begin_passkey(
    request: AnyRequest,
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    principal: NamedDependency[Principal],
) -> Begun:
    """Begin to add a passkey for the name this page is served under."""
    with database.write(principal) as tx:
        return Begun(*service.begin_passkey(tx, read_site(request, settings)))


@post("/account/passkeys", status_code=200, sync_to_thread=True)
def finish_passkey(
    request: AnyRequest,
    data: JSONBody[Answer],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Done:
    """Add the passkey the browser has made."""
    label = data.label or read_visit(request).browser
    with database.write(principal) as tx:
        service.finish_passkey(tx, data.handle, data.credential, label)
    return Done(safe_next(data.next or "/account"))


def _prove_again(request: AnyRequest, error: service.StepUpNeededError) -> Response[dict[str, str]]:
    said = say_error(request, error)
    return Response(said | {"next": proof_address(request.url.path)}, status_code=403)


HANDLERS: list[ControllerRouterHandler] = [
    Router(
        "/",
        route_handlers=[begin_sign_in, finish_sign_in, begin_start, finish_start,
                        begin_passkey, finish_passkey],
        exception_handlers={service.StepUpNeededError: _prove_again},
        tags=["identity"],
        include_in_schema=False,
    )
]  # fmt: skip

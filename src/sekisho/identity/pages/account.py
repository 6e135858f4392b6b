"""One's own ways to sign in, sessions, recovery codes and API tokens."""

import datetime as dt
from typing import Any
from urllib.parse import quote

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.identity import service
from sekisho.identity.engine.rights import covers
from sekisho.identity.model import WORDS_OF_METHOD, WORDS_OF_STRENGTH
from sekisho.identity.roles import TOKEN_SCOPES, WORDS_OF_ROLE, WORDS_OF_SCOPE
from sekisho.identity.visits import AnyRequest, better_address, read_site
from sekisho.kernel.db import Database
from sekisho.kernel.errors import ConflictError, InvalidInputError, SekishoError
from sekisho.kernel.i18n import msg
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Settings

Form = URLEncodedBody[dict[str, Any]]

ACCOUNT = "/account"
TOKENS = "/account/tokens"


@get(ACCOUNT, sync_to_thread=True)
def show_account(
    request: AnyRequest,
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    principal: NamedDependency[Principal],
) -> Page:
    """Show how one can sign in, where one is signed in, and what is missing."""
    site = read_site(request, settings)
    with database.read(principal) as tx:
        factors, sessions = service.list_factors(tx), service.list_sessions(tx)
        person, accounts = service.get_person(tx, principal.id), service.list_accounts(tx)
        mine = next((s for s in sessions if s.id == principal.session_id), None)
        resting = service.resting_roles(tx, person, mine.strength) if mine else frozenset()
        asked = service.find_my_recovery(tx)
    context = {
        "person": person,
        "factors": factors,
        "sessions": sessions,
        "site": site,
        "words_of_method": WORDS_OF_METHOD,
        "words_of_strength": WORDS_OF_STRENGTH,
        "words_of_role": WORDS_OF_ROLE,
        "accounts": accounts,
        "resting": sorted(resting),
        "asked": asked,
        "better": better_address(request, site),
        "lacking": bool(site.rp_id) and site.rp_id not in {k.rp_id for k in factors.passkeys},
    }
    return Page("identity/account.html", context)


@get("/account/new-name", sync_to_thread=True)
def show_new_name(
    request: AnyRequest,
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    principal: NamedDependency[Principal],
) -> Page:
    """Lead to a passkey for the name this page is served under now."""
    site = read_site(request, settings)
    with database.read(principal) as tx:
        factors = service.list_factors(tx)
    names = sorted({key.rp_id for key in factors.passkeys} - {site.rp_id})
    done = site.rp_id in {key.rp_id for key in factors.passkeys}
    context = {"site": site, "names": names, "done": done, "better": better_address(request, site)}
    return Page("identity/new_name.html", context)


@post("/account/passkeys/{passkey_id:str}/remove", sync_to_thread=True)
def remove_passkey(
    passkey_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Remove one of one's passkeys."""
    with database.write(principal) as tx:
        service.remove_passkey(tx, passkey_id)
    return Redirect(ACCOUNT, status_code=303)


@post("/account/passkeys/{passkey_id:str}/rename", sync_to_thread=True)
def rename_passkey(
    passkey_id: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Give one of one's passkeys another name."""
    with database.write(principal) as tx:
        service.rename_passkey(tx, passkey_id, str(data.get("label", "")))
    return Redirect(ACCOUNT, status_code=303)


@post("/account/providers/{provider_id:str}/unlink", sync_to_thread=True)
def unlink(
    provider_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Give up one's account at a provider."""
    with database.write(principal) as tx:
        service.unlink_account(tx, provider_id)
    return Redirect(ACCOUNT, status_code=303)


@post("/account/totp", status_code=200, sync_to_thread=True)
def begin_totp(
    request: AnyRequest,
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    box: NamedDependency[SecretBox],
    principal: NamedDependency[Principal],
) -> Page:
    """Show the picture that an authenticator app reads."""
    site = read_site(request, settings)
    with database.write(principal) as tx:
        setup = service.begin_totp(tx, box, site)
    return totp_page(setup, "/account/totp/confirm")


def totp_page(setup: service.TOTPSetup, action: str) -> Page:
    """Return the page with the picture, the secret to type in and a field for the first code."""
    groups = " ".join(setup.secret[i : i + 4] for i in range(0, len(setup.secret), 4))
    context = {"handle": setup.handle, "secret": groups, "picture": setup.picture,
               "action": action, "fault": None}  # fmt: skip
    return Page("identity/totp.html", context)


def totp_again(handle: str, action: str, fault: SekishoError) -> Page:
    """Return the page for another first code; one that cannot be tried again raises ``fault``."""
    if isinstance(fault, ConflictError) or not isinstance(fault, InvalidInputError):
        raise fault
    context = {"handle": handle, "secret": "", "picture": "", "action": action, "fault": fault}
    return Page("identity/totp.html", context, fault.status)


@post("/account/totp/confirm", sync_to_thread=True)
def finish_totp(
    data: Form,
    database: NamedDependency[Database],
    box: NamedDependency[SecretBox],
    principal: NamedDependency[Principal],
) -> Redirect | Page:
    """Keep the authenticator app if its first code is right."""
    handle, code = str(data.get("handle", "")), str(data.get("code", ""))
    try:
        service.try_act(database, principal, lambda tx: service.finish_totp(tx, box, handle, code))
    except InvalidInputError as error:
        return totp_again(handle, "/account/totp/confirm", error)
    return Redirect(ACCOUNT, status_code=303)


@post("/account/totp/remove", sync_to_thread=True)
def remove_totp(
    database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Redirect:
    """Forget one's authenticator app."""
    with database.write(principal) as tx:
        service.remove_totp(tx)
    return Redirect(ACCOUNT, status_code=303)


@get("/account/recovery-codes", sync_to_thread=True)
def show_recovery(
    database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Page:
    """Say what recovery codes are for and how many are left; the codes themselves are not kept."""
    with database.read(principal) as tx:
        left = service.list_factors(tx).recovery_codes
    return Page("identity/recovery.html", {"left": left, "codes": [], "file": ""})


@post("/account/recovery-codes", status_code=200, sync_to_thread=True)
def make_recovery(
    database: NamedDependency[Database],
    box: NamedDependency[SecretBox],
    principal: NamedDependency[Principal],
) -> Page:
    """Make new recovery codes and show them, this once."""
    with database.write(principal) as tx:
        codes = service.make_recovery_codes(tx, box)
    file = "data:text/plain;charset=utf-8," + quote("\r\n".join(["Sekisho", *codes, ""]))
    return Page("identity/recovery.html", {"left": len(codes), "codes": codes, "file": file})


@post("/account/sessions/{session_id:str}/end", sync_to_thread=True)
def end_session(
    session_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Sign out one of one's browsers."""
    with database.write(principal) as tx:
        service.end_session(tx, session_id)
    return Redirect(ACCOUNT, status_code=303)


@post("/account/sessions/end-others", sync_to_thread=True)
def end_others(
    database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Redirect:
    """Sign out everywhere else."""
    with database.write(principal) as tx:
        service.end_other_sessions(tx)
    return Redirect(ACCOUNT, status_code=303)


@get(TOKENS, sync_to_thread=True)
def show_tokens(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Page:
    """List one's API tokens, and what a new one may be made for."""
    return _tokens_page(database, principal)


def _tokens_page(database: Database, principal: Principal, secret: str = "") -> Page:
    with database.read(principal) as tx:
        tokens, today = service.list_tokens(tx), tx.now.date()
    held = principal.rights
    scopes = [s for s in TOKEN_SCOPES if any(covers(right, s) for right in held)]
    default_end = (today + dt.timedelta(days=90)).isoformat()
    context = {
        "tokens": tokens,
        "scopes": scopes,
        "words_of_scope": WORDS_OF_SCOPE,
        "secret": secret,
        "default_end": default_end,
    }
    return Page("identity/tokens.html", context)


@post(TOKENS, status_code=200, sync_to_thread=True)
def make_token(
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Page:
    """Make a token and show it, this once."""
    ends_at = _end_of(str(data.get("ends_at", "")))
    with database.write(principal) as tx:
        _, secret = service.make_token(
            tx,
            label=str(data.get("label", "")),
            scopes=several(data, "scope"),
            ends_at=ends_at,
        )
    return _tokens_page(database, principal, secret)


def several(data: dict[str, Any], name: str) -> list[str]:
    """Return all values of a form's field, which is a list only where there are several."""
    found = data.get(name, [])
    return [str(item) for item in (found if isinstance(found, list) else [found])]


def _end_of(day: str) -> dt.datetime:
    """Return the last second of a day written 2026-11-24 (UTC)."""
    try:
        last = dt.date.fromisoformat(day)
    except ValueError as error:
        raise InvalidInputError(
            msg("“%(got)s” is not a date.", got=day[:20]), hint=msg("Write it as 2026-11-24.")
        ) from error
    return dt.datetime.combine(last, dt.time(23, 59, 59), dt.UTC)


@post("/account/tokens/{token_id:str}/revoke", sync_to_thread=True)
def revoke_token(
    token_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Revoke one of one's tokens."""
    with database.write(principal) as tx:
        service.revoke_token(tx, token_id)
    return Redirect(TOKENS, status_code=303)


HANDLERS: list[ControllerRouterHandler] = [
    show_account, show_new_name, remove_passkey, rename_passkey, unlink, begin_totp,
    finish_totp, remove_totp,
    show_recovery, make_recovery, end_session, end_others, show_tokens, make_token, revoke_token,
]  # fmt: skip

"""A request as the front door sees it: which address, by which listener, showing what.

The tables here say which addresses answer callers who are not known, and which listener serves
what. What is not listed is for known callers on the admin listener only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from litestar import Request
from litestar.enums import RequestEncodingType

from sekisho.identity.engine.sites import session_cookie_name
from sekisho.identity.model import TOKEN_PREFIX
from sekisho.kernel.errors import InvalidInputError, NotFoundError, UnauthenticatedError
from sekisho.kernel.i18n import msg

# Pages for people who are not signed in: a POST to them must come from our own page.
DOORWAY_PATHS = frozenset(
    {
        "/sign-in",
        "/sign-in/code",
        "/sign-in/lost",
        "/sign-in/passkey",
        "/sign-in/passkey/options",
        "/start/{token}",
        "/start/{token}/passkey",
        "/start/{token}/passkey/options",
        "/start/{token}/totp",
        "/start/{token}/totp/confirm",
    }
)
# What answers without knowing who asks: no data of the organisation is behind these.
ANONYMOUS_PATHS = DOORWAY_PATHS | {
    "/healthz",
    "/version",
    "/language/{chosen}",
    "/theme/{chosen}",
    "/metrics",
    "/forward-auth/check",
    "/forward-auth/callback",
    "/sign-in/oidc/{provider_id}",
    "/sign-in/oidc/callback",
    "/start/{token}/oidc/{provider_id}",
}
# What a blocked address still gets: proofs that cannot be guessed, and the page that offers them.
# Else whoever guesses codes from an office's address would shut out everybody in that office.
UNGUESSABLE_PATHS = frozenset(
    {
        "/sign-in",
        "/sign-in/passkey",
        "/sign-in/passkey/options",
        "/healthz",
    }
)
STATIC_PREFIX = "/static/"
# The rooms behind these prove the device themselves: the key stands in the body of the request.
DEVICE_PREFIXES = ("/api/osquery/", "/api/agent/")

# A directory's own address: on the public listener for tokens of directories alone.
DIRECTORY_PREFIX = "/scim/v2/"

_BOTH = frozenset({"public", "admin"})
_LISTENERS_OF_PREFIX: tuple[tuple[str, frozenset[str]], ...] = (
    ("/api/osquery/", frozenset({"public"})),
    ("/api/agent/", frozenset({"public"})),
    ("/api/intake/", frozenset({"intake"})),
    ("/version", frozenset({"public"})),
    ("/healthz", frozenset({"public", "admin", "intake"})),
    ("/static/", _BOTH),
    ("/language/", _BOTH),
    ("/theme/", _BOTH),
    (DIRECTORY_PREFIX, _BOTH),  # on the public one only once that is switched on
    ("/sign-in", _BOTH),
    ("/sign-out", _BOTH),
    ("/start/", _BOTH),
    ("/account", _BOTH),
    ("/my", _BOTH),
    ("/events", _BOTH),
    ("/forward-auth/", _BOTH),
    ("/api/access/decide", _BOTH),
)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110 section 9.2.1


@dataclass(frozen=True, slots=True)
class Credential:
    """The one thing a caller shows; ``kind`` is "", "cookie", "bearer" or "nodekey"."""

    kind: str = ""
    secret: str = ""


@dataclass(frozen=True, slots=True)
class Knock:
    """A request as the door sees it, freed of the framework."""

    method: str
    path: str
    template: str
    listener: str
    listeners: frozenset[str]
    address: str
    origin: str
    credential: Credential
    sent_origin: str = ""
    sent_site: str = ""
    sent_csrf: str = ""


async def read_knock(request: Request[Any, Any, Any]) -> Knock:
    """Read from a request what the door judges; raise InvalidInputError for two credentials."""
    scope: dict[str, Any] = request.scope  # type: ignore[assignment]  # ASGI lets a server add keys
    knock = read_scope(scope, request.route_handler.opt.get("listener"))
    sent_csrf = await _sent_csrf(request, knock.credential)
    return replace(knock, sent_csrf=sent_csrf) if sent_csrf else knock


def read_scope(scope: Mapping[str, Any], named: object = None) -> Knock:
    """Read what an ASGI scope tells the door; ``named`` are the listeners its handler asks for.

    Raises InvalidInputError for two credentials, UnauthenticatedError for one of no known kind.
    """
    headers = [(n.decode("latin-1").lower(), v.decode("latin-1")) for n, v in scope["headers"]]
    credential = read_credential(headers, session_cookie_name(scope["scheme"]))
    client = scope.get("client")
    return Knock(
        method=scope["method"].upper(),
        path=scope["path"],
        template=scope.get("path_template", ""),
        listener=scope.get("sekisho.listener", ""),
        listeners=listeners_of(scope["path"], named),
        address=str(client[0]) if client else "",
        origin=f"{scope['scheme']}://{_one(headers, 'host').lower()}",
        credential=credential,
        sent_origin=_one(headers, "origin").lower(),
        sent_site=_one(headers, "sec-fetch-site"),
    )


def read_credential(headers: list[tuple[str, str]], cookie_name: str) -> Credential:
    """Return the one credential shown; raise InvalidInputError if there is more than one.

    ``headers`` are lower-case names with values, repeated ones kept.
    """
    cookies = [
        value.strip().strip('"')
        for part in ";".join(v for n, v in headers if n == "cookie").split(";")
        for name, _, value in [part.partition("=")]
        if name.strip() == cookie_name
    ]
    found = [Credential("cookie", value) for value in cookies if value]
    found += [_authorization(value) for name, value in headers if name == "authorization"]
    if len(found) > 1:
        raise InvalidInputError(
            msg("The request shows %(n)s credentials; one is expected.", n=len(found)),
            hint=msg("Send either the session cookie or one Authorization header, not both."),
        )
    return found[0] if found else Credential()


def _authorization(value: str) -> Credential:
    scheme, _, secret = value.strip().partition(" ")
    kind, secret = scheme.lower(), secret.strip()
    if kind not in {"bearer", "nodekey"} or not secret:
        raise UnauthenticatedError(
            msg("The Authorization header (“%(got)s …”) cannot be used.", got=scheme[:20]),
            hint=msg("Send: Authorization: Bearer %(prefix)s…", prefix=TOKEN_PREFIX),
        )
    return Credential(kind, secret)


def _one(headers: list[tuple[str, str]], name: str) -> str:
    """Return a header's value; "" if it is missing or stands there twice (then nothing fits)."""
    found = [value for key, value in headers if key == name]
    return found[0] if len(found) == 1 else ""


async def _sent_csrf(request: Request[Any, Any, Any], credential: Credential) -> str:
    """Read the page's token from the header, or else from a form."""
    if credential.kind != "cookie" or request.method.upper() in SAFE_METHODS:
        return ""
    sent = request.headers.get("x-csrf-token", "")
    forms = {RequestEncodingType.URL_ENCODED, RequestEncodingType.MULTI_PART}
    if sent or request.content_type[0] not in forms:
        return sent
    form = await request.form()
    _leave_fields(request, list(form.multi_items()))
    field = form.get("csrf", "")
    return field if isinstance(field, str) else ""


def _leave_fields(request: Request[Any, Any, Any], fields: list[tuple[str, Any]]) -> None:
    """Leave a form where the step-up finds it, less its token; one with files is not kept."""
    if all(isinstance(value, str) for _, value in fields):
        scope: dict[str, Any] = request.scope  # type: ignore[assignment]  # as above
        scope["sekisho.form"] = [(name, value) for name, value in fields if name != "csrf"]


def listeners_of(path: str, named: object = None) -> frozenset[str]:
    """Return the listeners that serve ``path``: as the handler names them, or by its prefix."""
    if isinstance(named, str):
        return frozenset({named})
    if isinstance(named, list | tuple | set | frozenset):
        return frozenset(str(name) for name in named)
    if path == "/":
        return _BOTH  # the first page leads each to their own
    fitting = (found for prefix, found in _LISTENERS_OF_PREFIX if path.startswith(prefix))
    return next(fitting, frozenset({"admin"}))


def check_listener(knock: Knock) -> None:
    """Return if the listener serves this address; raise NotFoundError otherwise."""
    if knock.listener not in knock.listeners:
        raise not_here()


def not_here() -> NotFoundError:
    """Return the error for an address that this listener does not serve."""
    return NotFoundError(
        msg("There is nothing at this address."),
        hint=msg("Your own page is at /my; administration is on the server's own machine."),
    )


def is_away_directory(knock: Knock) -> bool:
    """Tell whether somebody asks for SCIM on the public listener."""
    return knock.listener == "public" and knock.path.startswith(DIRECTORY_PREFIX)


def is_device_path(knock: Knock) -> bool:
    """Tell whether this address is for devices."""
    return knock.path.startswith(DEVICE_PREFIXES)


def is_anonymous(knock: Knock) -> bool:
    """Tell whether this address answers callers who are not known."""
    listed = knock.template in ANONYMOUS_PATHS or knock.path.startswith(STATIC_PREFIX)
    return listed or is_device_path(knock)


def is_unguessable(knock: Knock) -> bool:
    """Tell whether a blocked address may still ask here."""
    return knock.template in UNGUESSABLE_PATHS or knock.path.startswith(STATIC_PREFIX)


def is_same_origin(knock: Knock) -> bool:
    """Tell whether the browser says that our own page sent this; silence is no."""
    said = [knock.sent_site == "same-origin"] if knock.sent_site else []
    said += [knock.sent_origin == knock.origin] if knock.sent_origin else []
    return bool(said) and all(said)

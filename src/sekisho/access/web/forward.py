"""Forward authentication for nginx, Traefik and Caddy; ``docs/forward-auth.md`` says how.

``check`` is asked by the proxy for every request, ``start`` is where a browser without a cookie is
led, ``callback`` is what the proxy hands through under ``/.sekisho/callback`` on the app's host.
"""

from typing import Any
from urllib.parse import quote, urlencode

from litestar import Request, Response, get
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.response import Redirect

from sekisho.access.engine.explaining import name_signals
from sekisho.access.engine.resources import is_host_name
from sekisho.access.model import Opened
from sekisho.access.service import posture
from sekisho.access.web.mine import rule_titles
from sekisho.kernel.db import Database
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import SYSTEM, Principal
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Settings

COOKIE = "__Host-sekisho-app"
CALLBACK = "/.sekisho/callback"
_NO_STORE = {"Cache-Control": "no-store"}
_PLAIN = "text/plain"


@get("/forward-auth/check", sync_to_thread=True)
def check(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    box: NamedDependency[SecretBox],
    settings: NamedDependency[Settings],
    answer: FromQuery[str] = "status",
) -> Response[str]:
    """Answer the proxy: 200 with who it is, 401 to sign in, 403 refused.

    With ``answer=redirect`` a browser that must sign in gets 303 in place of 401: Traefik and
    Caddy hand that through, nginx takes nothing but 2xx, 401 and 403.
    """
    host = _host(request)
    cookie = request.cookies.get(COOKIE, "")
    with database.read(SYSTEM) as tx:
        found = posture.peek_forward(tx, box, cookie, host)
    if found is None:
        with database.write(SYSTEM) as tx:
            found = posture.check_forward(tx, box, cookie, host)
    if found.session is not None:
        with database.read(SYSTEM) as tx:
            return _let_in(posture.describe(tx, found))
    return _keep_out(request, settings, found, host, answer)


def _let_in(passed: posture.Passed) -> Response[str]:
    headers = {
        "X-Sekisho-User": passed.person_id,
        "X-Sekisho-Email": passed.email,
        "X-Sekisho-Name": quote(passed.name),
        "X-Sekisho-Groups": ",".join(passed.groups),
    }
    return Response("", status_code=200, media_type=_PLAIN, headers=_NO_STORE | headers)


def _keep_out(
    request: Request[Any, Any, Any], settings: Settings, found: Opened, host: str,
    answer: str,
) -> Response[str]:  # fmt: skip
    again = any(r.fix_at == "/sign-in" for r in found.decision.reasons) or found.resource is None
    place = urlencode({"host": host, "to": _path(request.headers.get("x-forwarded-uri", "/"))})
    start = {"Location": f"{settings.public_url}/forward-auth/start?{place}"}
    if again and answer == "redirect":
        return Response("", status_code=303, media_type=_PLAIN, headers=_NO_STORE | start)
    if again:
        return Response("", status_code=401, media_type=_PLAIN, headers=_NO_STORE | start)
    reason = found.decision.reasons[0].id
    said = {"X-Sekisho-Reason": reason.encode("ascii", "replace").decode()}
    return Response("", status_code=403, media_type=_PLAIN, headers=_NO_STORE | said | start)


@get("/forward-auth/start", sync_to_thread=True)
def start(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    box: NamedDependency[SecretBox],
    host: FromQuery[str] = "",
    to: FromQuery[str] = "/",
) -> Redirect | Page:
    """Lead a signed-in person to the app with a ticket, or say why not."""
    with database.write(principal) as tx:
        decision, ticket = posture.begin_forward(tx, box, host)
    if not ticket:
        context = {"decision": decision, "titles": rule_titles(), "name_signals": name_signals}
        return Page("access/refused.html", context, 403)
    query = urlencode({"ticket": ticket, "to": _path(to)})
    return Redirect(f"https://{host.lower()}{CALLBACK}?{query}", status_code=303)


@get("/forward-auth/callback", sync_to_thread=True)
def callback(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    box: NamedDependency[SecretBox],
    ticket: FromQuery[str] = "",
    to: FromQuery[str] = "/",
) -> Response[str]:
    """Exchange the ticket for the cookie of this one host."""
    with database.write(SYSTEM) as tx:
        made = posture.redeem(tx, box, ticket, _host(request))
    if not made:
        return Response("", status_code=403, media_type=_PLAIN, headers=_NO_STORE)
    cookie = Cookie(key=COOKIE, value=made, path="/", secure=True, httponly=True, samesite="lax")
    headers = _NO_STORE | {"Location": _path(to)}
    return Response("", status_code=303, media_type=_PLAIN, headers=headers, cookies=[cookie])


def _host(request: Request[Any, Any, Any]) -> str:
    """Return the host that the browser asked for, as the proxy says; "" for none or several."""
    sent = request.headers.getall("x-forwarded-host", [])
    name = sent[0].lower().partition(":")[0] if len(sent) == 1 else ""
    return name if is_host_name(name) else ""


def _path(text: str) -> str:
    """Return a path on the same host; anything else becomes the first page."""
    safe = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if safe and len(text) < 2_000 else "/"  # noqa: PLR2004 - longer than any address


PAGES = [check, start, callback]

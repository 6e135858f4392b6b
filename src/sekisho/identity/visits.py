"""What this room's pages and its JSON share: where a request came from, and the session cookie."""

from typing import Any
from urllib.parse import quote

from litestar import Request
from litestar.datastructures import Cookie

from sekisho.identity.engine.browsers import name_browser
from sekisho.identity.engine.sites import LOCAL, find_site, session_cookie_name
from sekisho.identity.model import SESSION_LIFE, SignedIn, Site, Visit
from sekisho.kernel.errors import SekishoError
from sekisho.kernel.i18n import translate
from sekisho.kernel.pages import spoken_language
from sekisho.kernel.settings import Settings

AnyRequest = Request[Any, Any, Any]

_PAGES = ("/people", "/account/tokens", "/account/recovery-codes", "/account/new-name")


def read_site(request: AnyRequest, settings: Settings) -> Site:
    """Return the name this page is served under; raise InvalidInputError if it is not ours."""
    hosts = frozenset({settings.public.host, settings.admin.host})
    host = request.headers.get("host", "")
    return find_site(request.scope["scheme"], host, settings.public_name, hosts)


def read_visit(request: AnyRequest) -> Visit:
    """Return the address and the browser a request came from."""
    client = request.client
    return Visit(client.host if client else "", name_browser(request.headers.get("user-agent", "")))


def read_cookie(request: AnyRequest) -> str:
    """Return the secret of the browser's session, "" if it has none."""
    return request.cookies.get(session_cookie_name(request.scope["scheme"]), "")


def make_cookie(request: AnyRequest, signed_in: SignedIn) -> Cookie:
    """Return the cookie that keeps a person signed in: HttpOnly, SameSite=Lax, this host only."""
    return _cookie(request, signed_in.secret, int(SESSION_LIFE.total_seconds()))


def end_cookie(request: AnyRequest) -> Cookie:
    """Return the cookie that makes a browser forget its session."""
    return _cookie(request, "", 0)


def _cookie(request: AnyRequest, value: str, seconds: int) -> Cookie:
    scheme = request.scope["scheme"]
    return Cookie(
        key=session_cookie_name(scheme),
        value=value,
        max_age=seconds,
        path="/",
        secure=scheme == "https",
        httponly=True,
        samesite="lax",
    )


def better_address(request: AnyRequest, site: Site) -> str:
    """Return the same page under a name passkeys can be made for, "" if it has one already."""
    if site.rp_id:
        return ""
    port = request.url.port
    return f"{request.scope['scheme']}://{LOCAL}{f':{port}' if port else ''}{request.url.path}"


def say_error(request: AnyRequest, error: SekishoError) -> dict[str, str]:
    """Return what a program is told of an error, in the language of its answer."""
    language = spoken_language(request.scope)
    return {
        "error": translate(error.message, language), "hint": translate(error.hint, language),
    }  # fmt: skip


def proof_address(path: str) -> str:
    """Return the sign-in page that leads back to the page ``path`` belongs to."""
    page = next((known for known in _PAGES if path.startswith(known)), "/account")
    return f"/sign-in?again=1&next={quote(page)}"

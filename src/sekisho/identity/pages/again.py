"""Proving oneself anew in the middle of something, and coming back without losing the form."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.identity import service
from sekisho.identity.engine.sites import safe_next
from sekisho.identity.visits import AnyRequest, proof_address, say_error
from sekisho.kernel.db import Database
from sekisho.kernel.errors import SekishoError, StepUpNeededError
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal
from sekisho.kernel.secrets import SecretBox

StepUp = Callable[[AnyRequest, StepUpNeededError], Response[Any]]
_AGAIN = "/account/again/"


def make_step_up(database: Database, box: SecretBox) -> StepUp:
    """Return what the application does when an act needs a fresh proof.

    A form is kept and the browser led to the sign-in and back to it; a program is told.
    """

    def prove_again(request: AnyRequest, error: StepUpNeededError) -> Response[Any]:
        if not _wants_page(request):
            said = say_error(request, error)
            return Response(said | {"next": proof_address(request.url.path)}, status_code=403)
        target = _kept(request, database, box)
        return Redirect(f"/sign-in?again=1&next={quote(target)}", status_code=303)

    return prove_again


def _wants_page(request: AnyRequest) -> bool:
    html = "text/html" in request.headers.get("accept", "")
    return html and not request.url.path.startswith("/api/")


def _kept(request: AnyRequest, database: Database, box: SecretBox) -> str:
    """Keep the form that was being sent and return where it waits, or else the page it stood on."""
    query = f"?{request.url.query}" if request.url.query else ""
    if request.method == "GET":
        return safe_next(f"{request.url.path}{query}")
    scope: dict[str, Any] = request.scope  # type: ignore[assignment]  # ASGI allows further keys
    fields, page = scope.get("sekisho.form"), _page_of(request)
    if not isinstance(fields, list):
        return page
    form = service.KeptForm(safe_next(f"{request.url.path}{query}"), fields, page)
    try:
        with database.write(scope["sekisho.principal"]) as tx:
            return _AGAIN + service.keep_form(tx, box, form)
    except SekishoError:  # too large to be kept: better back to the page than nowhere
        return page


def _page_of(request: AnyRequest) -> str:
    """Return the page a form stood on, as the browser says; only its path counts."""
    parts = urlsplit(request.headers.get("referer", ""))
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    own = parts.netloc.lower() == request.headers.get("host", "").lower()
    return safe_next(path) if own and path else "/account"


@get(_AGAIN + "{handle:str}", sync_to_thread=True)
def show_again(
    handle: FromPath[str],
    database: NamedDependency[Database],
    box: NamedDependency[SecretBox],
    principal: NamedDependency[Principal],
) -> Page:
    """Offer to go on with what was being done."""
    with database.read(principal) as tx:
        form = service.find_form(tx, box, handle)
    return Page("identity/again.html", {"form": form})


HANDLERS: list[ControllerRouterHandler] = [show_again]

"""What waits for somebody's decision, served on the public listener too (ADR 0009).

An approver at home decides from a phone: exceptions are all there is to decide here. Each decision
takes a fresh proof of who decides.
"""

from typing import Annotated

from litestar import get, post
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.controls import service as controls
from sekisho.controls.model import Catalogue
from sekisho.identity.service.sessions import require_recent
from sekisho.kernel.db import Database
from sekisho.kernel.errors import NotFoundError, NotPermittedError
from sekisho.kernel.i18n import msg
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal
from sekisho.server.pages.exception_views import make_rows
from sekisho.server.pages.exceptions import ACTS, read_exception

_DECISIONS = frozenset({"approve", "reject", "revoke"})
Form = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]


@get("/my/decisions", sync_to_thread=True)
def show_decisions(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    catalogue: NamedDependency[Catalogue],
) -> Page:
    """List the requests that wait for the caller. Needs ``exceptions.approve`` somewhere."""
    _require_approver(principal)
    with database.read(principal) as tx:
        rows = make_rows(tx, catalogue, controls.list_waiting(tx), {})
    return Page("pages/my_decisions.html", {"rows": rows})


@get("/my/decisions/{exception_id:str}", sync_to_thread=True)
def show_decision(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    catalogue: NamedDependency[Catalogue],
    exception_id: FromPath[str],
) -> Page:
    """Show one request, and what may be decided on it."""
    _require_approver(principal)
    with database.read(principal) as tx:
        return Page("pages/my_decision.html", read_exception(tx, catalogue, exception_id))


@post("/my/decisions/{exception_id:str}/{act:str}", sync_to_thread=True)
def decide(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    exception_id: FromPath[str],
    act: FromPath[str],
    data: Form,
) -> Redirect:
    """Approve, reject or revoke, by whoever proved within 15 minutes who they are."""
    _require_approver(principal)
    if act not in _DECISIONS:
        raise NotFoundError(
            msg("With an exception one cannot “%(got)s”.", got=act[:20]),
            hint=msg("Choose one of: %(known)s", known=", ".join(sorted(_DECISIONS))),
        )
    with database.write(principal) as tx:
        require_recent(tx)
        ACTS[act](tx, exception_id, data.get("words", ""))
    return Redirect("/my/decisions", status_code=303)


def _require_approver(principal: Principal) -> None:
    if not principal.holds("exceptions.approve"):
        principal.require("self.read")
        raise NotPermittedError(
            msg("Nothing waits for your decision here."),
            hint=msg(
                "Whoever may approve and is away from the administration decides here after a "
                "sign-in by two factors, such as a passkey."
            ),
        )


HANDLERS: list[ControllerRouterHandler] = [show_decisions, show_decision, decide]

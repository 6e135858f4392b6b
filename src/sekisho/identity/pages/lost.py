"""Lost second factor: asked for at the sign-in, approved by two people inside."""

from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.identity import service
from sekisho.identity.visits import AnyRequest, read_site, read_visit
from sekisho.kernel.db import Database
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal
from sekisho.kernel.settings import Settings

Form = URLEncodedBody[dict[str, Any]]

LOST = "/sign-in/lost"
RECOVERIES = "/people/lost"


@get(LOST, sync_to_thread=False)
def show_lost() -> Page:
    """Say what happens when everything is lost, and take the request."""
    return Page("identity/lost.html", {"asked": False, "fault": None, "email": "", "reason": ""})


@post(LOST, status_code=200, sync_to_thread=True)
def ask(
    request: AnyRequest,
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Page | Response[Page]:
    """Take the request; the answer is the same whoever asks."""
    email, reason = str(data.get("email", "")), str(data.get("reason", ""))
    context: dict[str, object] = {"asked": True, "fault": None, "email": email, "reason": reason}
    try:
        with database.write(principal) as tx:
            visit = read_visit(request)
            service.ask_for_recovery(tx, email=email, reason=reason, visit=visit)
    except InvalidInputError as error:
        context |= {"asked": False, "fault": error}
        return Response(Page("identity/lost.html", context), status_code=error.status)
    return Page("identity/lost.html", context)


@get(RECOVERIES, sync_to_thread=True)
def show_recoveries(
    database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Page:
    """List requests, the open ones to be judged."""
    return _page(database, principal)


def _page(database: Database, principal: Principal, link: str = "", name: str = "") -> Page:
    with database.read(principal) as tx:
        found, now = service.list_recoveries(tx), tx.now
    context = {
        "waiting": [r for r in found if r.state == "open" and r.ends_at > now],
        "past": [r for r in found if r.state != "open" or r.ends_at <= now],
        "link": link,
        "name": name,
        "current": "people",
    }
    return Page("identity/recoveries.html", context)


@post("/people/{person_id:str}/lost", sync_to_thread=True)
def request_for(
    person_id: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Ask on behalf of somebody who called."""
    with database.write(principal) as tx:
        service.request_recovery(tx, person_id, str(data.get("reason", "")))
    return Redirect(RECOVERIES, status_code=303)


@post(RECOVERIES + "/{recovery_id:str}", status_code=200, sync_to_thread=True)
def judge(
    request: AnyRequest,
    recovery_id: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    principal: NamedDependency[Principal],
) -> Page:
    """Approve or refuse; the second approval shows the link, this once."""
    note, path = str(data.get("note", "")), None
    with database.write(principal) as tx:
        if data.get("act") == "refuse":
            service.refuse_recovery(tx, recovery_id, note)
        else:
            path = service.approve_recovery(tx, recovery_id, note)
        found = {r.id: r.person_name for r in service.list_recoveries(tx)}
    base = settings.public_url if settings.public_name else read_site(request, settings).origin
    return _page(database, principal, base + path if path else "", found.get(recovery_id, ""))


@post("/account/lost/refuse", sync_to_thread=True)
def refuse_mine(
    database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Redirect:
    """Say that it was not oneself who asked."""
    with database.write(principal) as tx:
        service.refuse_my_recovery(tx)
    return Redirect("/account", status_code=303)


HANDLERS: list[ControllerRouterHandler] = [
    show_lost, ask, show_recoveries, request_for, judge, refuse_mine,
]  # fmt: skip

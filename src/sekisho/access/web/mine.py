"""A person's own side: my apps, why one is closed, asking for access, my decisions."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect

from sekisho.access import service
from sekisho.access.engine.explaining import name_signals
from sekisho.access.model import WORDS_OF_KIND
from sekisho.access.service import portal
from sekisho.access.web import fields
from sekisho.access.web.addresses import open_url
from sekisho.controls import service as controls
from sekisho.kernel.db import Database
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal
from sekisho.kernel.settings import Settings

MINE = "/my/apps"
Form = URLEncodedBody[dict[str, Any]]


@get(MINE, sync_to_thread=True)
def show_apps(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    settings: NamedDependency[Settings],
) -> Page:
    """Show what the person can reach and what is in the way."""
    with database.read(principal) as tx:
        apps = portal.list_own_apps(tx)
        live = service.list_own_sessions(tx)
        names = service.find_names(tx)
    context = {
        "apps": apps, "live": live, "names": names, "words": portal.WORDS_OF_APP,
        "kinds": WORDS_OF_KIND, "titles": rule_titles(), "name_signals": name_signals,
        "addresses": {app.resource.id: open_url(app.resource, settings) for app in apps},
    }  # fmt: skip
    return Page("access/mine.html", context)


def rule_titles() -> dict[str, Any]:
    """Return rule → its title in both languages."""
    found = controls.catalogue_in_force().controls
    return {str(key): control.title for key, control in found.items()}


@get("/my/access", sync_to_thread=True)
def show_own_decisions(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    resource: FromQuery[str] = "",
    page: FromQuery[int] = 1,
) -> Page:
    """Show what was decided about oneself, and why, now and before."""
    with database.read(principal) as tx:
        found = service.list_own_decisions(tx, resource_id=resource, page=max(1, page))
        now = portal.explain_own(tx, resource) if resource else []
        names = service.find_names(tx)
    context = {
        "found": found, "now_decided": now, "names": names, "resource": names.get(resource),
        "titles": rule_titles(), "name_signals": name_signals,
        **fields.paging(found.page, found.total, found.page_size),
    }  # fmt: skip
    return Page("access/own.html", context)


@post("/my/apps/{resource_id:str}/ask", sync_to_thread=True)
def ask(
    resource_id: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Ask for access for a time."""
    with database.write(principal) as tx:
        minutes = fields.number(data, "minutes", 60)
        service.ask_for_access(tx, resource_id, fields.text(data, "reason"), minutes)
    return Redirect(MINE, status_code=303)


@post("/my/apps/asks/{ask_id:str}/withdraw", sync_to_thread=True)
def withdraw(
    ask_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Take a request back, or give granted access up."""
    with database.write(principal) as tx:
        service.withdraw_ask(tx, ask_id)
    return Redirect(MINE, status_code=303)


@post("/my/apps/sessions/{session_id:str}/end", sync_to_thread=True)
def end_own(
    session_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """End a connection of one's own."""
    with database.write(principal) as tx:
        service.cut_session(tx, session_id, "")
    return Redirect(MINE, status_code=303)


@get("/access/requests/{ask_id:str}", sync_to_thread=True)
def show_ask(
    ask_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Page:
    """Show one request to whoever decides about it."""
    with database.read(principal) as tx:
        return _ask_page(tx, ask_id)


def _ask_page(tx: Any, ask_id: str, fault: InvalidInputError | None = None) -> Page:
    found = service.get_ask(tx, ask_id)
    names = service.name_people(tx, [found.person_id, found.decider or ""])
    context = {
        "ask": found, "people": names, "names": service.find_names(tx), "fault": fault,
        "may_decide": found.state == "waiting" and service.may_decide(tx, found),
    }  # fmt: skip
    return Page("access/ask.html", context)


@post("/access/requests/{ask_id:str}/decide", sync_to_thread=True)
def decide(
    ask_id: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Grant or refuse a request."""
    with database.write(principal) as tx:
        service.decide_ask(
            tx, ask_id, grant=fields.text(data, "answer") == "grant",
            words=fields.text(data, "words"),
        )  # fmt: skip
    return Redirect(f"/access/requests/{ask_id}", status_code=303)


PAGES = [show_apps, show_own_decisions, ask, withdraw, end_own, show_ask, decide]

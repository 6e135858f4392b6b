"""Live sessions as a page, and how they are ended by hand."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect

from sekisho.access import service
from sekisho.access.model import WORDS_OF_KIND, WORDS_OF_TRUST, ResourceKind
from sekisho.access.store.sessions import SORTS
from sekisho.access.web import fields
from sekisho.kernel.db import Database
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal

ALL = "/access/sessions"
Form = URLEncodedBody[dict[str, Any]]


@get(ALL, sync_to_thread=True)
def show_sessions(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    language: NamedDependency[str],
    *,
    q: FromQuery[str] = "",
    kind: FromQuery[str] = "",
    sort: FromQuery[str] = "-since",
    page: FromQuery[int] = 1,
) -> Page:
    """List who is connected to what since when."""
    chosen = sort if sort.removeprefix("-") in SORTS else "-since"
    with database.read(principal) as tx:
        names = service.find_names(tx)
        alarm = service.find_alarm(tx)
        wanted = service.find_sessions(tx, q.strip(), kind if kind in set(ResourceKind) else "")
        found = service.list_sessions(tx, wanted, sort=chosen, language=language, page=max(1, page))
        orders = service.list_orders(tx)
        people = service.name_people(tx, [order.asked_by for order in orders])
    context = {
        "found": found, "alarm": alarm, "names": names, "orders": orders, "askers": people,
        "kinds": WORDS_OF_KIND, "trusts": WORDS_OF_TRUST,
        "filters": {"q": q, "kind": kind, "sort": chosen},
        **fields.paging(found.page, found.total, found.page_size),
    }  # fmt: skip
    return Page("access/sessions.html", context)


@post(f"{ALL}/cut-all", sync_to_thread=True)
def ask_all(
    data: Form, database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Redirect:
    """Ask to cut every connection."""
    with database.write(principal) as tx:
        service.ask_to_cut_all(tx, fields.text(data, "reason"))
    return Redirect(ALL, status_code=303)


@post(f"{ALL}/cut-all/{{order_id:str}}/confirm", sync_to_thread=True)
def confirm_all(
    order_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Confirm it as the second person."""
    with database.write(principal) as tx:
        service.confirm_cut_all(tx, order_id)
    return Redirect(ALL, status_code=303)


@post(f"{ALL}/cut-all/{{order_id:str}}/withdraw", sync_to_thread=True)
def withdraw_all(
    order_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Take the order back."""
    with database.write(principal) as tx:
        service.withdraw_cut_all(tx, order_id)
    return Redirect(ALL, status_code=303)


@post(f"{ALL}/{{session_id:str}}/cut", sync_to_thread=True)
def cut(
    session_id: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Cut one connection, or all of its person or device."""
    with database.write(principal) as tx:
        service.cut_around(tx, session_id, fields.text(data, "what"), fields.text(data, "reason"))
    return Redirect(ALL, status_code=303)


PAGES = [show_sessions, ask_all, confirm_all, withdraw_all, cut]

"""Named networks as a page: the list with who uses each, one to add, each to change."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, URLEncodedBody
from litestar.response import Redirect

from sekisho.access import service
from sekisho.access.service.networks import NamedNetwork
from sekisho.access.web import fields
from sekisho.kernel.db import Database
from sekisho.kernel.errors import ConflictError, InvalidInputError, SekishoError
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal

ALL = "/access/networks"
Form = URLEncodedBody[dict[str, Any]]


@get(ALL, sync_to_thread=True)
def show_networks(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    q: FromQuery[str] = "",
) -> Page:
    """List the named networks."""
    return _page(database, principal, search=q)


@post(ALL, sync_to_thread=True)
def put(
    data: Form, database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Redirect | Page:
    """Add or change a network; a fault is said beside what was filled in."""
    made = NamedNetwork(
        fields.text(data, "name"), tuple(fields.text(data, "ranges").replace(",", " ").split()),
        fields.text(data, "country"),
    )  # fmt: skip
    try:
        with database.write(principal) as tx:
            service.put_network(tx, made, before=fields.text(data, "before"), seen=data.get("seen"))
    except (InvalidInputError, ConflictError) as error:
        return _page(database, principal, data, error)
    return Redirect(ALL, status_code=303)


@post(f"{ALL}/remove", sync_to_thread=True)
def remove(
    data: Form, database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Redirect | Page:
    """Remove a network that no policy uses."""
    try:
        with database.write(principal) as tx:
            service.remove_network(tx, fields.text(data, "name"))
    except ConflictError as error:
        return _page(database, principal, {}, error)
    return Redirect(ALL, status_code=303)


def _page(
    database: Database, principal: Principal, sent: fields.Sent | None = None,
    fault: SekishoError | None = None, search: str = "",
) -> Page:  # fmt: skip
    with database.read(principal) as tx:
        found = service.list_used_networks(tx, search)
    context = {"networks": found, "sent": sent or {}, "fault": fault, "q": search}
    return Page("access/networks.html", context, fault.status if fault else 200)


PAGES = [show_networks, put, remove]

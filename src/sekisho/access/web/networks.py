"""Named networks as a page: the list with who uses each, one to add, each to change."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, URLEncodedBody
from litestar.response import Redirect

from sekisho.access import service
from sekisho.access.service.networks import NamedNetwork, UsedNetwork
from sekisho.access.web import fields
from sekisho.kernel.db import Database
from sekisho.kernel.errors import ConflictError, InvalidInputError, SekishoError
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal

ALL = "/access/networks"
Form = URLEncodedBody[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Listed:
    """What the address says of the list."""

    q: str = ""
    sort: str = "name"
    page: int = 1


_FIRST = Listed()


@get(ALL, sync_to_thread=True)
def show_networks(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    *,
    q: FromQuery[str] = "",
    sort: FromQuery[str] = "name",
    page: FromQuery[int] = 1,
) -> Page:
    """List the named networks."""
    return _page(database, principal, listed=Listed(q, sort, max(1, page)))


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
    fault: SekishoError | None = None, listed: Listed = _FIRST,
) -> Page:  # fmt: skip
    with database.read(principal) as tx:
        found = _arrange(service.list_used_networks(tx, listed.q), listed.sort)
    skipped = (listed.page - 1) * fields.PER_PAGE
    context = {
        "networks": found[skipped : skipped + fields.PER_PAGE], "sent": sent or {},
        "fault": fault, "filters": listed, **fields.paging(listed.page, len(found)),
    }  # fmt: skip
    return Page("access/networks.html", context, fault.status if fault else 200)


def _arrange(found: Sequence[UsedNetwork], sort: str) -> list[UsedNetwork]:
    """Sort networks by name, country or how many policies use them ("-" downwards)."""
    by_name = sorted(found, key=lambda used: (used.network.name.casefold(), used.network.name))
    keys: dict[str, Callable[[UsedNetwork], Any]] = {
        "country": lambda used: used.network.country,
        "used": lambda used: len(used.policies),
    }
    key = keys.get(sort.removeprefix("-"))
    if key is not None:
        return sorted(by_name, key=key, reverse=sort.startswith("-"))
    return by_name[::-1] if sort == "-name" else by_name


PAGES = [show_networks, put, remove]

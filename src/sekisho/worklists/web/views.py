"""Saved views as pages: keep one, change it, begin with it, go to it, count what each lists."""

from collections.abc import Mapping
from typing import Annotated, Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.devices.web.listing import list_units
from sekisho.identity.model import Role
from sekisho.identity.roles import WORDS_OF_ROLE
from sekisho.kernel.db import Database
from sekisho.kernel.errors import InvalidInputError, SekishoError
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal
from sekisho.worklists.engine.orders import read_listing
from sekisho.worklists.model import Listing, SavedView
from sekisho.worklists.service import views as service
from sekisho.worklists.service.views import RIGHT_OF, ViewDraft

Form = URLEncodedBody[dict[str, Any]]
WORDS: Mapping[Listing, Text] = {
    Listing.DEVICES: msg("Devices"),
    Listing.FINDINGS: msg("Findings"),
    Listing.EXCEPTIONS: msg("Exceptions"),
    Listing.PEOPLE: msg("People"),
}


@get("/views/new", sync_to_thread=True)
def show_form(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    listing: FromQuery[str] = "",
    address: Annotated[str, QueryParameter(name="query")] = "",
) -> Page:
    """Ask under which name a search is kept, and with whom it is shared."""
    wanted = read_listing(listing)
    principal.require_reach(RIGHT_OF[wanted])
    return _form(database, principal, wanted, ViewDraft("", service.clean_query(address)))


def _form(
    database: Database, principal: Principal, listing: Listing, draft: ViewDraft,
    view: SavedView | None = None, fault: SekishoError | None = None,
) -> Page:  # fmt: skip
    with database.read(principal) as tx:
        units, defaults = list_units(tx), service.list_defaults(tx)
    begins = view is not None and defaults.get(listing) == view.id
    return Page("worklists/view.html", {
        "listing": listing, "list_word": WORDS[listing], "draft": draft, "view": view,
        "fault": fault, "units": units, "roles": list(Role), "words_of_role": WORDS_OF_ROLE,
        "begins": begins, "mine": view is None or view.owner_id == principal.person_id,
    }, fault.status if fault else 200)  # fmt: skip


@post("/views", sync_to_thread=True)
def save_view(
    data: Form, database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Redirect | Page:
    """Keep a search; what is wrong is said on the same page."""
    listing, draft = read_listing(str(data.get("listing", ""))), _draft(data)
    try:
        with database.write(principal) as tx:
            made = service.save_view(tx, listing, draft)
            if data.get("begin"):
                service.set_default(tx, listing, made.id)
    except InvalidInputError as error:
        return _form(database, principal, listing, draft, fault=error)
    return Redirect(f"/views/{made.id}", status_code=303)


def _draft(data: Mapping[str, Any]) -> ViewDraft:
    names = ("name", "query", "role", "unit")
    return ViewDraft(*(str(data.get(name, "")) for name in names))


@get("/views/{view_id:str}", sync_to_thread=True)
def go_to_view(
    view_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Page | Redirect:
    """Lead to the list as the view keeps it: this is the link that can be sent."""
    with database.read(principal) as tx:
        view = service.get_view(tx, view_id)
    return Redirect(address_of(view), status_code=303)


def address_of(view: SavedView) -> str:
    """Return the address of a list as a view keeps it."""
    joined = "&" if view.query else ""
    return f"/{view.listing}?{view.query}{joined}view={view.id}"


@get("/views/{view_id:str}/edit", sync_to_thread=True)
def show_view(
    view_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Page:
    """Show one view: its link, with whom it is shared, whether one begins with it."""
    with database.read(principal) as tx:
        view = service.get_view(tx, view_id)
    draft = ViewDraft(view.name, view.query, view.role, view.unit_id)
    return _form(database, principal, view.listing, draft, view)


@post("/views/{view_id:str}/change", sync_to_thread=True)
def change_view(
    view_id: FromPath[str],
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect | Page:
    """Change, delete or begin with a view."""
    act = str(data.get("act", ""))
    with database.read(principal) as tx:
        view = service.get_view(tx, view_id)
    try:
        with database.write(principal) as tx:
            if act == "delete":
                service.delete_view(tx, view_id)
                return Redirect(f"/{view.listing}", status_code=303)
            if act in {"begin", "forget"}:
                service.set_default(tx, view.listing, view_id if act == "begin" else "")
            else:
                service.change_view(tx, view_id, _draft(data), int(str(data.get("version", "0"))))
    except (InvalidInputError, ValueError) as error:
        fault = error if isinstance(error, SekishoError) else InvalidInputError(
            msg("The form is not whole."), hint=msg("Load the page again."))  # fmt: skip
        return _form(database, principal, view.listing, _draft(data), view, fault)
    return Redirect(f"/views/{view_id}/edit", status_code=303)


HANDLERS: list[ControllerRouterHandler] = [
    show_form, save_view, go_to_view, show_view, change_view,
]  # fmt: skip

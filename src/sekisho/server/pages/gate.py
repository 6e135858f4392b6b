"""The portal's side of the gate: hands a sign-in over to an app's host or to a command."""

from typing import Annotated
from urllib.parse import urlencode

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.access import service as access
from sekisho.access.model import PAGES, Resource
from sekisho.access.web.addresses import open_url
from sekisho.identity.service.sessions import require_person
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import InvalidInputError, NotFoundError
from sekisho.kernel.i18n import msg
from sekisho.kernel.principal import Principal
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Settings
from sekisho.server.gate.plan import OWN_PREFIX
from sekisho.server.gate.tickets import Use, make_ticket

_DIGEST_LENGTH = 64
_LOWEST_PORT, _HIGHEST_PORT = 1024, 65535
_BOTH = ["public", "admin"]

Asker = Annotated[str, QueryParameter(name="asker")]


@get("/gate/enter", opt={"listener": _BOTH}, sync_to_thread=True, include_in_schema=False)
def enter(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    box: NamedDependency[SecretBox],
    asker: Asker,
    resource: FromQuery[str],
    to: FromQuery[str] = "/",
) -> Redirect:
    """Lead the signed-in person back to the app with a ticket that only their browser can use."""
    with database.read(principal) as tx:
        found = _find(tx, resource)
        ticket = _ticket(tx, box, "enter", asker, found.id)
    query = urlencode({"ticket": ticket, "to": to})
    return Redirect(f"{open_url(found, settings)}{OWN_PREFIX}enter?{query}", status_code=303)


@get("/gate/connect", opt={"listener": _BOTH}, sync_to_thread=True, include_in_schema=False)
def connect(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    box: NamedDependency[SecretBox],
    asker: Asker,
    port: FromQuery[int],
) -> Redirect:
    """Bring a ticket to the command that waits on this computer (RFC 8252 section 7.3)."""
    if not _LOWEST_PORT <= port <= _HIGHEST_PORT:
        raise InvalidInputError(msg("The command's port (%(got)s) cannot be right.", got=port))
    with database.read(principal) as tx:
        ticket = _ticket(tx, box, "connect", asker)
    return Redirect(f"http://127.0.0.1:{port}/?{urlencode({'ticket': ticket})}", status_code=303)


@post("/api/agent/gate", status_code=200, sync_to_thread=False)
def gate_address(settings: NamedDependency[Settings]) -> dict[str, str]:
    """Tell a device where the gate and the portal are."""
    return {"gate": settings.gate_url, "portal": settings.portal_url}


def _find(tx: Transaction, wanted: str) -> Resource:
    found = [
        each
        for each in access.list_resources_for_gate(tx)
        if each.id == wanted and each.kind in PAGES
    ]
    if not found:
        raise NotFoundError(msg("There is no such app."), hint=msg("Look for it in My apps."))
    return found[0]


def _ticket(tx: Transaction, box: SecretBox, use: Use, asker: str, resource: str = "") -> str:
    """Make a ticket for the person and the very sign-in that asks."""
    tx.principal.require("self.read")
    person = require_person(tx)
    if len(asker) != _DIGEST_LENGTH or not set(asker) <= set("0123456789abcdef"):
        raise InvalidInputError(msg("This address was not made by the gate."))
    sign_in = tx.principal.session_id or ""
    return make_ticket(box, use, person, sign_in, asker, tx.now.timestamp(), resource)


HANDLERS: list[ControllerRouterHandler] = [enter, connect, gate_address]

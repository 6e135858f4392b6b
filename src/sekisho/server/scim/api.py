"""All of SCIM under its root, with errors in its own form."""

from litestar import Router
from litestar.types import ControllerRouterHandler

from sekisho.kernel.errors import SekishoError
from sekisho.server.scim import about, groups, users
from sekisho.server.scim.wire import ROOT, fault

HANDLERS: list[ControllerRouterHandler] = [
    Router(
        ROOT,
        route_handlers=[*users.HANDLERS, *groups.HANDLERS, *about.HANDLERS],
        exception_handlers={SekishoError: fault},
        include_in_schema=False,
    )
]

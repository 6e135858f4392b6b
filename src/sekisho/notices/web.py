"""Notices as pages (see ``pages``)."""

from litestar import Router
from litestar.types import ControllerRouterHandler

from sekisho.notices.pages import admin, mine

HANDLERS: list[ControllerRouterHandler] = [
    Router(
        "/",
        route_handlers=[*mine.HANDLERS, *admin.HANDLERS],
        include_in_schema=False,
    )
]

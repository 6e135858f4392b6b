"""Pages of detection."""

from litestar import Router
from litestar.types import ControllerRouterHandler

from sekisho.detection.pages import rules, sources

HANDLERS: list[ControllerRouterHandler] = [
    Router("/", route_handlers=[*rules.HANDLERS, *sources.HANDLERS], include_in_schema=False)
]

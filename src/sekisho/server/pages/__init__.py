"""Pages that join rooms: the overview, one rule, settings, a person's own devices, preferences."""

from litestar.types import ControllerRouterHandler

from sekisho.server.pages import overview, portal, preferences, rule, settings

HANDLERS: list[ControllerRouterHandler] = [
    *overview.HANDLERS,
    *portal.HANDLERS,
    *preferences.HANDLERS,
    *rule.HANDLERS,
    *settings.HANDLERS,
]

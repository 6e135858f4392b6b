"""Access as pages: my apps, resources, policies, live sessions, decisions, requests."""

from litestar import Router
from litestar.types import ControllerRouterHandler

from sekisho.access.web import (
    decisions,
    forward,
    mine,
    networks,
    policies,
    policy_lists,
    resources,
    sessions,
)

HANDLERS: list[ControllerRouterHandler] = [
    Router(
        "/",
        route_handlers=[
            *mine.PAGES,
            *resources.PAGES,
            *policies.PAGES,
            *policy_lists.PAGES,
            *networks.PAGES,
            *sessions.PAGES,
            *decisions.PAGES,
            *forward.PAGES,
        ],
        include_in_schema=False,
    )
]  # fmt: skip

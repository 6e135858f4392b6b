"""Walks every route of an application and tells which of them answer without knowing who asks."""

import asyncio
import re
from dataclasses import dataclass
from typing import Any

import httpx
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from sekisho.server.knock import ANONYMOUS_PATHS, DEVICE_PREFIXES, STATIC_PREFIX, listeners_of
from support.door import BASE, tag_listener

SAME_ORIGIN = {"Origin": BASE, "Sec-Fetch-Site": "same-origin"}


@dataclass(frozen=True, slots=True)
class Way:
    """One method of one route, and a listener that serves it."""

    method: str
    template: str
    listener: str
    guarded: bool

    @property
    def address(self) -> str:
        """Return an address that fits the route."""
        return re.sub(r"\{[^}]*\}", "x", self.template)

    @property
    def listed(self) -> bool:
        """Tell whether the front door lets callers in here whom it does not know."""
        open_prefixes = (STATIC_PREFIX, *DEVICE_PREFIXES)
        return self.template in ANONYMOUS_PATHS or self.address.startswith(open_prefixes)


def list_ways(app: Litestar) -> list[Way]:
    """List every method of every route; a route that is no HTTP route counts as unguarded."""
    ways: list[Way] = []
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            ways.append(Way("?", route.path, "admin", guarded=False))
            continue
        ways += [
            _way(app, route, handler, method)
            for handler in route.route_handlers
            for method in handler.http_methods
            if method != "OPTIONS"  # the framework's own answer: the methods, nothing else
        ]
    return ways


def _way(app: Litestar, route: HTTPRoute, handler: HTTPRouteHandler, method: str) -> Way:
    template = route.path_format
    address = re.sub(r"\{[^}]*\}", "x", template)
    listener = min(listeners_of(address, handler.opt.get("listener")))
    # A handler with a hook of its own would step past the front door.
    guarded = handler.resolve_before_request() is app.before_request
    return Way(method, template, listener, guarded)


def find_open_ways(app: Litestar) -> list[str]:
    """Return what a stranger gets an answer from although it is not on the door's list."""
    return asyncio.run(_find_open_ways(app))


async def _find_open_ways(app: Litestar) -> list[str]:
    found = []
    for way in list_ways(app):
        if not way.guarded:
            found.append(f"{way.method} {way.template}: not behind the front door")
        elif not way.listed:
            status = await _ask(app, way)
            if status != httpx.codes.UNAUTHORIZED:
                found.append(f"{way.method} {way.template}: {status} instead of 401")
    return found


async def _ask(app: Litestar, way: Way) -> int:
    wrapped: Any = tag_listener(app, way.listener)
    transport = httpx.ASGITransport(wrapped)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        answer = await client.request(way.method, way.address, headers=SAME_ORIGIN)
        return answer.status_code

"""A Litestar whose tree of routes is made once, when all its handlers are known."""

from typing import Any, cast

from litestar import Litestar
from litestar.types import ASGIApp, ControllerRouterHandler

from sekisho.server.lease import Lease


class _Waiting:
    """Stands where the router is while handlers are registered."""

    def construct_routing_trie(self) -> None:
        """Leave it: the tree is made when all are there."""


class Application(Litestar):
    """A Litestar with one more step: ``open_routes`` after its last handler, before a request.

    Litestar itself walks the whole tree after each handler, to check it. With our handlers that was
    a third of what it takes to build the application.
    """

    lease: Lease
    framework: ASGIApp  # what Litestar made of the handlers, whatever stands in front of it

    def register(self, value: ControllerRouterHandler) -> None:  # type: ignore[override] # as theirs
        """Register a handler, but do not make the tree yet."""
        router = self.asgi_router
        self.asgi_router = cast("Any", _Waiting())
        try:
            super().register(value)
        finally:
            self.asgi_router = router

    def open_routes(self) -> None:
        """Make the tree and check it; raises what Litestar raises for routes at odds."""
        self.asgi_router.construct_routing_trie()
        self.framework = self.asgi_handler

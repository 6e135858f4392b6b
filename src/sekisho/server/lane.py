"""The lane for devices: osquery's five calls, answered in front of the framework.

25,000 devices make 700 calls a second, and the framework's routing, injection and responses cost
more than everything we do for one (docs/performance.md). So a POST to one of these addresses that
shows a node key or nothing goes through the same front door and to the same act as its route does;
everything else, and everything that the door refuses, goes on to the framework, which asks the
door again and says why.

Fleet served these calls under ``/api/v1/osquery`` first, and so its first load generator and the
flag files of that time name them. Both names lead here; everything behind knows only the present.
"""

import time
from collections.abc import AsyncIterator
from typing import Any, Final

from litestar.datastructures import State
from litestar.types import ASGIApp, Receive, Scope, Send

from sekisho.devices.api import exchange, osquery
from sekisho.devices.api.exchange import Exchange, Incoming
from sekisho.kernel.errors import InvalidInputError, SekishoError
from sekisho.kernel.i18n import msg
from sekisho.server.auth import FrontDoor
from sekisho.server.knock import read_scope

_PREFIX: Final = "/api/osquery/"
_EARLIER_PREFIX: Final = "/api/v1/osquery/"
_SHOWN: Final = frozenset({"", "nodekey"})  # a cookie or a token has no business here


class DeviceLane:
    """An ASGI application in front of another; ``state`` holds the desk while it is open."""

    def __init__(self, app: ASGIApp, door: FrontDoor, state: State) -> None:
        self.app = app
        self._door = door
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a device, or pass the request on untouched."""
        if scope["path"].startswith(_EARLIER_PREFIX):
            scope["path"] = _PREFIX + scope["path"].removeprefix(_EARLIER_PREFIX)
        act = osquery.ACTS.get(scope["path"]) if scope.get("method") == "POST" else None
        if act is None or not await self._is_let_in(scope):
            await self.app(scope, receive, send)
            return
        client = scope["client"]
        headers = exchange.first_headers(scope["headers"])
        incoming = Incoming(headers, client[0] if client else "", read_parts(receive))
        reply = await exchange.answer(Exchange(self._state["desk"], incoming), act)
        head = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(reply.body)),
            *([(b"content-encoding", b"gzip")] if reply.packed else []),
        ]
        await send({"type": "http.response.start", "status": reply.status, "headers": head})
        await send({"type": "http.response.body", "body": reply.body, "more_body": False})

    async def _is_let_in(self, scope: Any) -> bool:
        scope["sekisho.started"] = time.perf_counter()
        scope["path_template"] = scope["path"]
        try:
            knock = read_scope(scope)
            if knock.credential.kind not in _SHOWN:
                return False
            await self._door.let_in(knock)
        except SekishoError:
            return False
        return True


async def read_parts(receive: Receive) -> AsyncIterator[bytes]:
    """Yield a body as it comes; raise InvalidInputError if the client leaves before its end."""
    while True:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidInputError(msg("The connection ended before the request did."))
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return

"""The JSON API of this room: for osquery's clients, for our agent, and for people.

``HANDLERS`` is what the server assembles. All of them need the desk, which ``desk_lifespan``
opens with the application and keeps as ``app.state["desk"]``.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from litestar import Litestar, Router

from sekisho.controls.model import Catalogue
from sekisho.devices.api import access, agent, carve, osquery, people
from sekisho.devices.desk import Files, running_desk
from sekisho.devices.plans import plan_maker
from sekisho.kernel.clock import Clock
from sekisho.kernel.db import Database

HANDLERS: list[Any] = [
    osquery.show_version,
    Router(
        path="/api/osquery",
        route_handlers=[*osquery.HANDLERS, carve.carve_begin, carve.carve_block],
        request_max_body_size=None,  # our own limits apply, with a body that clients understand
        opt={"anonymous": True},
        tags=["osquery"],
    ),
    Router(
        path="/",
        route_handlers=agent.HANDLERS,
        opt={"anonymous": True},
        tags=["agent"],
    ),
    Router(path="/", route_handlers=[*people.HANDLERS, *access.HANDLERS], tags=["devices"]),
]


def desk_lifespan(
    database: Database, clock: Clock, catalogue: Callable[[], Catalogue], files: Files
) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    """Return the lifespan that opens the desk; ``catalogue`` gives the controls in force."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        revision = lambda: catalogue().digest  # noqa: E731 - read anew each time
        with running_desk(database, clock, plan_maker(catalogue), revision, files) as desk:
            app.state["desk"] = desk
            yield

    return lifespan

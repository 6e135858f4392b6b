"""A small application behind the real front door: identity's own pages and two probes.

Rooms of their own need the whole house; what the door does is the same for all of them.
"""

import functools
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast

from litestar import Litestar, Request, Response, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.enums import MediaType
from litestar.exceptions import HTTPException

from sekisho.identity import api, web
from sekisho.kernel.clock import Clock
from sekisho.kernel.db import Database
from sekisho.kernel.errors import SekishoError, StepUpNeededError
from sekisho.kernel.i18n import translate
from sekisho.kernel.pages import Frame, Page, PageRenderer
from sekisho.kernel.principal import Principal
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Settings
from sekisho.server.auth import DeviceAuthenticator, FrontDoor

BASE = "http://localhost:8480"


@dataclass(frozen=True, slots=True)
class SmallHouse:
    """What the front door and identity's pages need."""

    database: Database
    clock: Clock
    box: SecretBox
    settings: Settings


@get("/probe", sync_to_thread=False)
def look(principal: NamedDependency[Principal]) -> dict[str, Any]:
    """Say who the door found."""
    return {
        "kind": principal.kind,
        "id": principal.id,
        "rights": sorted(principal.rights),
        "address": principal.address,
    }


@post("/probe", sync_to_thread=False, status_code=200)
def change(principal: NamedDependency[Principal]) -> dict[str, str]:
    """Change something, as far as the door knows."""
    return {"id": principal.id}


@get("/my/probe", sync_to_thread=False)
def look_at_mine(principal: NamedDependency[Principal]) -> dict[str, Any]:
    """Say what the door gave somebody who came from elsewhere."""
    return {"rights": sorted(principal.rights)}


@post("/my/probe", sync_to_thread=False, status_code=200)
def change_mine(principal: NamedDependency[Principal]) -> dict[str, str]:
    """Change something on the listener that people reach from elsewhere."""
    return {"id": principal.id}


@post("/api/osquery/probe", sync_to_thread=False, status_code=200)
def check_in(principal: NamedDependency[Principal]) -> dict[str, str]:
    """Answer a device."""
    return {"kind": principal.kind, "id": principal.id}


PROBES = [look, look_at_mine, change, change_mine, check_in]


def build_small_app(house: SmallHouse, devices: DeviceAuthenticator | None = None) -> Litestar:
    """Let this house alone be served by identity's handlers and the probes, behind its door."""
    made = _lay_out()
    made.state.clear()
    made.state.update(house=house, door=FrontDoor(house, devices))
    return made


@functools.cache
def _lay_out() -> Litestar:
    """Make the application once a process; the house that it serves stands in its state."""
    pages = PageRenderer()
    current: ContextVar[Request[Any, Any, Any]] = ContextVar("current")

    async def enter(request: Request[Any, Any, Any]) -> None:
        current.set(request)
        await request.app.state["door"].admit(request)

    async def finish(response: Response[Any]) -> Response[Any]:
        page = response.content
        if not isinstance(page, Page):
            return response
        request = current.get()
        return Response(
            pages.render(page, _frame(request, request.app.state["house"])),
            status_code=page.status if page.status != 200 else response.status_code,
            media_type=MediaType.HTML,
            headers=response.headers,
            cookies=response.cookies,
        )

    return Litestar(
        route_handlers=[*api.HANDLERS, *web.HANDLERS, *PROBES],
        before_request=enter,
        after_request=finish,
        exception_handlers={
            StepUpNeededError: _step_up,
            SekishoError: _refuse,
            HTTPException: _refuse_http,
        },
        dependencies=_dependencies(),
        openapi_config=None,
        logging_config=None,
    )


def _step_up(request: Request[Any, Any, Any], error: StepUpNeededError) -> Response[Any]:
    house: SmallHouse = request.app.state["house"]
    return web.make_step_up(house.database, house.box)(request, error)


def _frame(request: Request[Any, Any, Any], house: SmallHouse) -> Frame:
    scope: dict[str, Any] = request.scope  # type: ignore[assignment]  # ASGI allows further keys
    return Frame(
        now=house.clock.now(),
        language=request.cookies.get("language", "en"),
        principal=scope["sekisho.principal"],
        csrf=scope["sekisho.csrf"],
        path=request.url.path,
        query=request.url.query,
    )


def _refuse(_: Request[Any, Any, Any], error: SekishoError) -> Response[dict[str, str]]:
    said = {"error": translate(error.message, "en"), "hint": translate(error.hint, "en")}
    return Response(said, status_code=error.status)


def _refuse_http(_: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, str]]:
    return Response({"error": error.detail}, status_code=error.status_code)


def _dependencies() -> dict[str, Provide]:
    async def principal(request: Request[Any, Any, Any]) -> Principal:
        scope: dict[str, Any] = request.scope  # type: ignore[assignment]  # as above
        found = scope["sekisho.principal"]
        assert isinstance(found, Principal)
        return found

    async def database(state: State) -> Database:
        return _house(state).database

    async def clock(state: State) -> Clock:
        return _house(state).clock

    async def box(state: State) -> SecretBox:
        return _house(state).box

    async def settings(state: State) -> Settings:
        return _house(state).settings

    async def language() -> str:
        return "en"

    given = {"principal": principal, "database": database, "clock": clock, "box": box,
             "settings": settings, "language": language}  # fmt: skip
    return {name: Provide(cast("Any", give)) for name, give in given.items()}


def _house(state: State) -> SmallHouse:
    found: SmallHouse = state["house"]
    return found


def tag_listener(app: Litestar, listener: str) -> Any:
    """Wrap ``app`` so that requests seem to come by ``listener``."""

    async def tagged(scope: Any, receive: Any, send: Any) -> None:
        scope["sekisho.listener"] = listener
        await app(scope, receive, send)

    return tagged

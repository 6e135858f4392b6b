"""The application: every room's handlers, what they may ask for, and how answers leave.

Wiring only. Rooms know nothing of each other's addresses, of cookies or of headers.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any

from litestar import Litestar, Request, Response
from litestar.concurrency import sync_to_thread
from litestar.config.compression import CompressionConfig
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.static_files import create_static_files_router
from litestar.types import ControllerRouterHandler, Message, Scope

import sekisho.ui
from sekisho import __version__
from sekisho.controls import service as controls
from sekisho.controls.model import Catalogue
from sekisho.identity import web as identity_web
from sekisho.kernel.clock import Clock
from sekisho.kernel.db import Database
from sekisho.kernel.errors import SekishoError, StepUpNeededError
from sekisho.kernel.pages import PageRenderer
from sekisho.kernel.pki import CertificateAuthority
from sekisho.kernel.principal import Principal
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Settings
from sekisho.server import answers, live, metrics
from sekisho.server.application import Application
from sekisho.server.auth import FrontDoor
from sekisho.server.bootstrap import House
from sekisho.server.frames import FrameMaker
from sekisho.server.knock import DEVICE_PREFIXES
from sekisho.server.lane import DeviceLane
from sekisho.server.rooms import Roster, room_handlers, room_lifespans
from sekisho.server.rulebook import PERIOD_SECONDS, Rulebook
from sekisho.worklists.service.trends import Trends

_STATIC_SECONDS = 31_536_000  # names carry a digest of the content
_Request = Request[Any, Any, Any]


def build_app(house: House) -> Litestar:
    """Assemble the application for one opened house."""
    roster = Roster()
    door = FrontDoor(house, roster)
    announcer = live.Announcer(house.database)
    frames = FrameMaker(house)
    replies = answers.Answers(PageRenderer(), frames)
    app = Application(
        route_handlers=[*room_handlers(), *live.HANDLERS, *metrics.HANDLERS, _static_files()],
        before_request=_make_enter(door, frames),
        after_request=_make_leave(replies),
        before_send=[_before_send],
        dependencies=_dependencies(house, announcer),
        exception_handlers={
            StepUpNeededError: identity_web.make_step_up(house.database, house.box),
            SekishoError: replies.expected,
            HTTPException: replies.http,
            Exception: replies.unexpected,
        },
        lifespan=[
            _background(announcer.run),
            _background(lambda: follow_rulebook(house)),
            *room_lifespans(house),
        ],
        compression_config=_compression(),
        openapi_config=_openapi(),
        logging_config=None,
        request_max_body_size=20_000_000,
    )
    app.open_routes()
    roster.state = app.state
    app.asgi_handler = DeviceLane(app.asgi_handler, door, app.state)
    return app


def _make_enter(door: FrontDoor, frames: FrameMaker) -> Callable[[_Request], Awaitable[None]]:
    """Make what lets a request in, and remembers how a page for it would be framed."""

    async def enter(request: _Request) -> None:
        request.scope["sekisho.started"] = time.perf_counter()  # type: ignore[typeddict-unknown-key]
        try:
            await door.admit(request)
        finally:  # a refusal is said in the language of whoever was refused, too
            at_check_in = request.scope["path"].startswith(DEVICE_PREFIXES)  # has no page
            answers.current_frames.set(frames)
            answers.current_frame.set(None if at_check_in else frames.make(request))

    return enter


def _make_leave(
    replies: answers.Answers,
) -> Callable[[Response[Any]], Awaitable[Response[Any]]]:
    """Make what draws a page before it leaves."""

    async def leave(response: Response[Any]) -> Response[Any]:
        if answers.is_page(response):
            return await sync_to_thread(replies.finish, response)
        return response  # a check-in is not worth the way to a thread and back

    return leave


def _compression() -> CompressionConfig:
    """Compress all but devices' replies.

    Those are a few bytes, or a config that the desk holds ready; wrapping each in a compressor
    cost a third of the time of a check-in (docs/performance.md).
    """
    return CompressionConfig(backend="gzip", minimum_size=2048, exclude=["^/api/osquery/"])


def _dependencies(house: House, announcer: live.Announcer) -> dict[str, Provide]:
    async def principal(request: Request[Any, Any, Any]) -> Principal:
        return request.scope["sekisho.principal"]  # type: ignore[typeddict-item,no-any-return]

    async def language() -> str:
        frame = answers.current_frame.get()
        return frame.language if frame else house.settings.language

    async def catalogue() -> Catalogue:
        return controls.catalogue_in_force()

    def constant(value: object, kind: type) -> Provide:
        async def give() -> Any:
            return value

        give.__annotations__["return"] = kind
        return Provide(give, use_cache=True)

    return {
        "principal": Provide(principal),
        "language": Provide(language),
        "settings": constant(house.settings, Settings),
        "clock": constant(house.clock, Clock),
        "database": constant(house.database, Database),
        "box": constant(house.box, SecretBox),
        "catalogue": Provide(catalogue),
        "authority": constant(house.authority, CertificateAuthority),
        "announcer": constant(announcer, live.Announcer),
        "trends": constant(Trends(), Trends),
    }


def _background(work: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[Litestar], Any]:
    """Run ``work`` for as long as the application lives."""

    @contextlib.asynccontextmanager
    async def run(_: Litestar) -> AsyncIterator[None]:
        task = asyncio.create_task(work())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    return run


async def follow_rulebook(house: House) -> None:
    """Take up changed controls while the web process lives."""
    rulebook = Rulebook(house.settings)
    while True:
        await asyncio.sleep(PERIOD_SECONDS)
        await asyncio.to_thread(rulebook.refresh_safely, house)


async def _before_send(message: Message, scope: Scope) -> None:
    if message["type"] == "http.response.start":
        headers = list(message.get("headers", []))
        answers.secure(headers, https=scope["scheme"] == "https")
        message["headers"] = headers
        answers.observe(scope, message["status"])


def _static_files() -> ControllerRouterHandler:
    folder = f"{next(iter(sekisho.ui.__path__))}/static"
    return create_static_files_router(
        path="/static",
        directories=[folder],
        include_in_schema=False,
        opt={"anonymous": True},
        cache_control=_cache(),
    )


def _cache() -> Any:
    from litestar.datastructures import CacheControlHeader  # noqa: PLC0415 - one use

    return CacheControlHeader(max_age=_STATIC_SECONDS, public=True, immutable=True)


def _openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Sekisho",
        version=__version__,
        path="/api/schema",
        render_plugins=[JsonRenderPlugin()],
        use_handler_docstrings=True,
    )


def list_routes(app: Litestar) -> Sequence[tuple[str, str, dict[str, Any]]]:
    """List (path, method, options) of every route, for the test that walks them."""
    found: list[tuple[str, str, dict[str, Any]]] = []
    for route in app.routes:
        for handler in getattr(route, "route_handlers", []):
            found.extend((route.path, m, dict(handler.opt)) for m in handler.http_methods)
    return found

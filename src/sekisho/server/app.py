"""The application: every room's handlers, what they may ask for, and how answers leave.

Wiring only. Rooms know nothing of each other's addresses, of cookies or of headers.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
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
from sekisho.kernel.kept import Kept
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
from sekisho.server.lease import Fittings, Lease
from sekisho.server.rooms import Roster, room_handlers, room_lifespans
from sekisho.server.rulebook import PERIOD_SECONDS, Rulebook

_STATIC_SECONDS = 31_536_000  # names carry a digest of the content
_Request = Request[Any, Any, Any]


def build_app(house: House) -> Application:
    """Assemble the application for one opened house."""
    app = lay_out()
    move_in(app, house)
    return app


def lay_out() -> Application:
    """Assemble all handlers; ``move_in`` then says for which house."""
    lease = Lease(PageRenderer())
    app = Application(
        route_handlers=[*room_handlers(), *live.HANDLERS, *metrics.HANDLERS, _static_files()],
        before_request=_make_enter(lease),
        after_request=_make_leave(lease),
        before_send=[_before_send],
        dependencies=_dependencies(lease),
        exception_handlers=_exception_handlers(lease),
        lifespan=[
            _background(lease, lambda held: held.announcer.run()),
            _background(lease, lambda held: follow_rulebook(held.house)),
            _make_rooms(lease),
        ],
        compression_config=_compression(),
        openapi_config=_openapi(),
        logging_config=None,
        request_max_body_size=20_000_000,
    )
    app.open_routes()
    app.lease = lease
    return app


def move_in(app: Application, house: House) -> None:
    """Let the application serve this house alone; no lifespan of it may be running.

    All that lasts from one request to the next is made anew: a house knows nothing of the one
    that lived there before.
    """
    roster = Roster()
    app.state.clear()
    roster.state = app.state
    frames = FrameMaker(house)
    replies = answers.Answers(app.lease.renderer, frames)
    door = FrontDoor(house, roster)
    announcer = live.Announcer(house.database)
    app.lease.sign(Fittings(house, door, frames, replies, announcer, Kept()))
    app.asgi_handler = DeviceLane(app.framework, door, app.state)


def _make_enter(lease: Lease) -> Callable[[_Request], Awaitable[None]]:
    """Make what lets a request in, and remembers how a page for it would be framed."""

    async def enter(request: _Request) -> None:
        request.scope["sekisho.started"] = time.perf_counter()  # type: ignore[typeddict-unknown-key]
        held = lease.held
        try:
            await held.door.admit(request)
        finally:  # a refusal is said in the language of whoever was refused, too
            at_check_in = request.scope["path"].startswith(DEVICE_PREFIXES)  # has no page
            answers.current_frames.set(held.frames)
            answers.current_frame.set(None if at_check_in else held.frames.make(request))

    return enter


def _make_leave(lease: Lease) -> Callable[[Response[Any]], Awaitable[Response[Any]]]:
    """Make what draws a page before it leaves."""

    async def leave(response: Response[Any]) -> Response[Any]:
        if answers.is_page(response):
            return await sync_to_thread(lease.held.replies.finish, response)
        return response  # a check-in is not worth the way to a thread and back

    return leave


def _exception_handlers(lease: Lease) -> dict[int | type[Exception], Any]:
    """List how errors are answered: in the words of the house that the request came to."""

    def step_up(request: _Request, error: StepUpNeededError) -> Response[Any]:
        house = lease.held.house
        return identity_web.make_step_up(house.database, house.box)(request, error)

    def answer(
        act: Callable[[answers.Answers], Callable[[_Request, Any], Response[Any]]],
    ) -> Callable[[_Request, Any], Response[Any]]:
        def say(request: _Request, error: Any) -> Response[Any]:
            return act(lease.held.replies)(request, error)

        return say

    return {
        StepUpNeededError: step_up,
        SekishoError: answer(lambda replies: replies.expected),
        HTTPException: answer(lambda replies: replies.http),
        Exception: answer(lambda replies: replies.unexpected),
    }


def _make_rooms(lease: Lease) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    """Make what keeps open, while the application lives, what the rooms opened."""

    @contextlib.asynccontextmanager
    async def run(app: Litestar) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            for opens in room_lifespans(lease.held.house):
                await stack.enter_async_context(opens(app))
            yield

    return run


def _compression() -> CompressionConfig:
    """Compress all but devices' replies.

    Those are a few bytes, or a config that the desk holds ready; wrapping each in a compressor
    cost a third of the time of a check-in (docs/performance.md).
    """
    return CompressionConfig(backend="gzip", minimum_size=2048, exclude=["^/api/osquery/"])


def _dependencies(lease: Lease) -> dict[str, Provide]:
    async def principal(request: Request[Any, Any, Any]) -> Principal:
        return request.scope["sekisho.principal"]  # type: ignore[typeddict-item,no-any-return]

    async def language() -> str:
        frame = answers.current_frame.get()
        return frame.language if frame else lease.held.house.settings.language

    async def catalogue() -> Catalogue:
        return controls.catalogue_in_force()

    def brought(read: Callable[[Fittings], object], kind: type) -> Provide:
        async def give() -> Any:
            return read(lease.held)

        give.__annotations__["return"] = kind
        return Provide(give)

    return {
        "principal": Provide(principal),
        "language": Provide(language),
        "settings": brought(lambda held: held.house.settings, Settings),
        "clock": brought(lambda held: held.house.clock, Clock),
        "database": brought(lambda held: held.house.database, Database),
        "box": brought(lambda held: held.house.box, SecretBox),
        "catalogue": Provide(catalogue),
        "authority": brought(lambda held: held.house.authority, CertificateAuthority),
        "announcer": brought(lambda held: held.announcer, live.Announcer),
        "counted": brought(lambda held: held.counted, Kept),
    }


def _background(
    lease: Lease, work: Callable[[Fittings], Coroutine[Any, Any, None]]
) -> Callable[[Litestar], Any]:
    """Run ``work`` for as long as the application lives."""

    @contextlib.asynccontextmanager
    async def run(_: Litestar) -> AsyncIterator[None]:
        task = asyncio.create_task(work(lease.held))
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

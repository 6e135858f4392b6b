"""The web process: three listeners on one application (design: public, intake, admin).

- public: TLS, for devices and the people's own page;
- intake: TLS, for logs;
- admin: plain HTTP on loopback, where browsers allow passkeys without a certificate.

Each listener tags its requests; the front door (``server/auth.py``) refuses what does not belong.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import structlog
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.server.embed import Server

from sekisho.kernel.settings import Address
from sekisho.server.app import build_app
from sekisho.server.bootstrap import House
from sekisho.server.certificates import ServerCertificate

log = structlog.get_logger()

_BACKLOG = 4096  # a burst of devices that all come back after an outage
_BACKPRESSURE = 2048


def tag_listener(app: Any, listener: str) -> Callable[..., Awaitable[None]]:
    """Wrap ``app`` so that each request's scope says by which listener it came in."""

    async def tagged(scope: dict[str, Any], receive: Any, send: Any) -> None:
        scope["sekisho.listener"] = listener
        await app(scope, receive, send)

    return tagged


def make_server(
    app: Any, listener: str, address: Address, certificate: ServerCertificate | None
) -> Server:
    """Make one listener; with a certificate it speaks TLS 1.2 and 1.3 (osquery needs 1.2)."""
    return Server(
        tag_listener(app, listener),
        address=address.host,
        port=address.port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.auto,
        backlog=_BACKLOG,
        backpressure=_BACKPRESSURE,
        log_enabled=False,
        websockets=False,
        http1_settings=HTTP1Settings(keep_alive=True),
        ssl_cert=certificate.certificate if certificate else None,
        ssl_key=certificate.key if certificate else None,
        ssl_protocol_min=SSLProtocols.tls12,
    )


async def serve_web(house: House, certificate: ServerCertificate) -> None:
    """Serve until told to stop (SIGTERM, SIGINT); then let running requests end."""
    app = build_app(house)
    settings = house.settings
    servers = [
        make_server(app, "public", settings.public, certificate),
        make_server(app, "intake", settings.intake, certificate),
        make_server(app, "admin", settings.admin, None),
    ]
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with app.lifespan():
        running = [asyncio.create_task(server.serve()) for server in servers]
        stopped = asyncio.create_task(stopping.wait())
        await asyncio.wait([*running, stopped], return_when=asyncio.FIRST_COMPLETED)
        failed = [task.exception() for task in running if task.done()]
        for server in servers:
            server.stop()
        await asyncio.wait(running, timeout=10)
    for error in failed:
        raise error or RuntimeError("a listener ended by itself")


def certificate_changed(certificate: Path, seen: float) -> bool:
    """Tell whether the certificate file is newer than when it was loaded."""
    return certificate.stat().st_mtime != seen

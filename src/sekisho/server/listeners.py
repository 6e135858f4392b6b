"""The web process: three listeners on one application (design: public, intake, admin).

- public: TLS, for devices and the people's own page;
- intake: TLS, for logs;
- admin: plain HTTP on loopback, where browsers allow passkeys without a certificate.

Each listener tags its requests; the front door (``server/auth.py``) refuses what does not belong.
"""

import asyncio
import signal
import sys
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
from sekisho.server.memory import settle_memory
from sekisho.server.supervise import START_ANEW

log = structlog.get_logger()

_BACKLOG = 4096  # a burst of devices that all come back after an outage
# How the files that this process may open are shared out. granian's "backpressure" counts open
# connections, not requests, and a device keeps its connection: 2,048 would be 2,048 devices. At
# the system's limit itself granian spins, so a rest stays free for database and logs.
_SHARES = {"public": 0.80, "intake": 0.06, "admin": 0.03}
_FILES_WITHOUT_LIMIT = 65_536
# How long a connection may rest. Devices ask every 60 s; a shorter rest (granian's is 30 s) would
# cost each of them a TLS handshake every minute.
_REST_MILLISECONDS = 90_000
_DRAIN_SECONDS = 10
_RENEWAL_LOOK_SECONDS = 15
# How long a thread may keep the interpreter while another waits for it. Each check-in passes from
# granian's thread to ours and back, and would wait for the writer's thread at every turn.
_TURN_SECONDS = 0.001


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
        backpressure=int(raise_file_limit() * _SHARES[listener]),
        log_enabled=False,
        websockets=False,
        http1_settings=HTTP1Settings(keep_alive=True, header_read_timeout=_REST_MILLISECONDS),
        ssl_cert=certificate.certificate if certificate else None,
        ssl_key=certificate.key if certificate else None,
        ssl_protocol_min=SSLProtocols.tls12,
    )


def raise_file_limit() -> int:
    """Let this process open as many files as the system allows; return how many."""
    try:
        import resource  # noqa: PLC0415 - absent on Windows
    except ImportError:
        return _FILES_WITHOUT_LIMIT
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        return _FILES_WITHOUT_LIMIT
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


async def serve_web(house: House, certificate: ServerCertificate) -> int:
    """Serve until told to stop (SIGTERM, SIGINT) or the certificate has changed.

    Returns the exit code: 0, or START_ANEW for a new certificate.
    """
    app = build_app(house)
    settings = house.settings
    servers = [
        make_server(app, "public", settings.public, certificate),
        make_server(app, "intake", settings.intake, certificate),
        make_server(app, "admin", settings.admin, None),
    ]
    sys.setswitchinterval(_TURN_SECONDS)
    async with app.lifespan():
        settle_memory()
        running = [asyncio.create_task(server.serve()) for server in servers]
        await asyncio.sleep(0)  # the servers set their own signal handlers; ours come after
        stopping = _listen_to_signals()
        renewed = asyncio.create_task(_wait_for_renewal(certificate.certificate))
        ends = {*running, renewed, asyncio.create_task(stopping.wait())}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        anew = renewed.done() and not stopping.is_set()
        fallen = [task for task in running if task.done()]
        for server in servers:
            server.stop()  # type: ignore[no-untyped-call]  # granian leaves it untyped
        app.lease.held.announcer.close()
        await asyncio.wait(running, timeout=_DRAIN_SECONDS)
    for task in fallen:
        raise task.exception() or RuntimeError("a listener ended by itself")
    return START_ANEW if anew else 0


def _listen_to_signals() -> asyncio.Event:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping


async def _wait_for_renewal(path: Path) -> None:
    """Return when the certificate file has been written anew."""
    seen = _written_at(path)
    while _written_at(path) == seen:  # noqa: ASYNC110 - a file gives no event
        await asyncio.sleep(_RENEWAL_LOOK_SECONDS)


def _written_at(path: Path) -> int:
    return path.stat().st_mtime_ns

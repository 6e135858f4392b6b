"""Desktops in made-up browsers through a gate that runs, and when their pictures stop."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from sekisho.access.model import Resource, ResourceKind, Upstream
from sekisho.kernel.principal import Principal
from support import rdp_packets as rdp
from support.desktop_line import PICTURE, Browser, Host
from support.gate_house import GateHouse, wait_for

_PACE_SECONDS = 0.05


@dataclass
class Screen:
    """One desktop that is looked at."""

    device: str
    browser: Browser
    pictures: int = 0
    ended: float = 0.0

    async def watch(self) -> None:
        """Look at pictures until none comes any more."""
        with contextlib.suppress(OSError, EOFError):
            while True:
                self.pictures += len(await self.browser.read()) == len(PICTURE)
        self.ended = time.monotonic()
        self.browser.close()

    async def wait_for_pictures(self, count: int = 3) -> None:
        """Wait until some have come."""
        async with asyncio.timeout(30):
            while self.pictures < count and not self.ended:  # noqa: ASYNC110 - a test's wait
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def serving_desktop(home: GateHouse, admin: Principal) -> AsyncIterator[Resource]:
    """Publish a desktop whose host sends pictures for ever."""
    folder = home.folder / "host"
    Path(folder).mkdir()  # noqa: ASYNC240 - nothing else runs yet
    host = Host(folder)
    host.pace = _PACE_SECONDS
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
    async with server:
        yield home.town.publish(
            admin, key="desk", kind=ResourceKind.RDP, public_host="desk.localhost", pin=host.pin,
            upstreams=(Upstream("127.0.0.1", server.sockets[0].getsockname()[1]),),
        )  # fmt: skip


def come_in(home: GateHouse, who: Principal, desk: Resource, device: str) -> dict[str, str]:
    """Sign in at the desktop's page, as soon as the gate knows it; return headers to show."""
    wait_for(lambda: _is_known(home, desk, device), home.log)
    host = desk.public_host
    return {"host": host, "origin": f"https://{host}", "cookie": home.enter(who, desk, device)}


def _is_known(home: GateHouse, desk: Resource, device: str) -> bool:
    with contextlib.suppress(ssl.SSLCertVerificationError):  # it names the host a little later
        return home.visit(desk, "/", device).status == 401
    return False


async def open_screen(
    home: GateHouse, desk: Resource, device: str, shown: dict[str, str]
) -> Screen:
    """Take a ticket and open the desktop, as its page does; raise EOFError if none is given."""
    visited = await asyncio.to_thread(
        home.visit, desk, "/ticket", device, method="POST", headers=shown
    )
    if visited.status != 200:
        raise EOFError(visited.status)
    door = home.door(desk)
    reader, writer = await asyncio.open_connection(
        door.host, door.port, ssl=home.tls(device), server_hostname=desk.public_host, limit=1 << 20
    )
    browser = Browser(reader, writer)
    await browser.greet(shown)
    await browser.ask(str(visited.json()["ticket"]))
    browser.send(rdp.initial(["drdynvc"]))
    return Screen(device, browser)

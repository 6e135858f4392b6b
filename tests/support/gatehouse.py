"""The small application, reachable by every listener, and somebody signed in."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
from litestar import Litestar

from sekisho.identity import service
from sekisho.identity.engine.sites import LOCAL_COOKIE
from sekisho.identity.model import SignedIn
from sekisho.kernel.principal import Principal, PrincipalKind
from sekisho.server.auth import csrf_token
from support.door import BASE, tag_listener
from support.identity_town import Town

NODE = Principal(PrincipalKind.DEVICE, "dev_1", "laptop", frozenset({"device.self"}))


class Devices:
    """One device with one key."""

    def find_device(self, node_key: str) -> Principal | None:
        return NODE if node_key == "good-key" else None


@dataclass(slots=True)
class Gatehouse:
    """The small application, reachable by every listener, and somebody signed in."""

    town: Town
    app: Litestar
    signed_in: SignedIn

    def ask(
        self,
        method: str = "GET",
        path: str = "/probe",
        *,
        listener: str = "admin",
        headers: Any = None,
        base: str = BASE,
        **more: Any,
    ) -> httpx.Response:
        """Send one request and return the response."""
        return asyncio.run(self._ask(method, path, listener, base, headers or {}, more))

    async def _ask(
        self,
        method: str,
        path: str,
        listener: str,
        base: str,
        headers: Any,
        more: dict[str, Any],
    ) -> httpx.Response:
        client = more.pop("client", ("127.0.0.1", 123))
        transport = httpx.ASGITransport(tag_listener(self.app, listener), client=client)
        async with httpx.AsyncClient(transport=transport, base_url=base) as browser:
            return await browser.request(method, path, headers=headers, **more)

    @property
    def cookie(self) -> dict[str, str]:
        """Return the header of the signed-in browser."""
        return {"Cookie": f"{LOCAL_COOKIE}={self.signed_in.secret}"}

    @property
    def csrf(self) -> str:
        """Return the token of the signed-in browser's pages."""
        return csrf_token(self.town.box, self.signed_in.secret)

    def make_token(self, scopes: list[str]) -> str:
        """Make an API token of the signed-in person."""
        principal = self.town.as_person(self.signed_in)
        with self.town.database.write(principal) as tx:
            ends_at = tx.now + timedelta(days=1)
            return service.make_token(tx, label="ci", scopes=scopes, ends_at=ends_at)[1]

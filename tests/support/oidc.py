"""A real OpenID provider in a process of its own, and journeys to providers without a browser."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from socket import socket
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from sekisho.identity import service
from sekisho.identity.engine.oidc import Provider
from sekisho.identity.service import Arrival, Journeys, Wish
from sekisho.identity.sources import HTTPProviders
from sekisho.kernel.principal import ANONYMOUS, SYSTEM
from support.identity_town import SITE, VISIT, Town

READY_SECONDS = 30


@contextmanager
def running_real_provider(**users: dict[str, Any]) -> Iterator[str]:
    """Start ``oidc-provider-mock`` (Authlib's server behind Flask) with these users' claims."""
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://localhost:{port}"
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_until_it_answers(url, process)
        for name, claims in users.items():
            httpx.put(f"{url}/users/{name}", json=claims).raise_for_status()
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(READY_SECONDS * 10):
        assert process.poll() is None, "the provider ended early"
        with suppress(httpx.TransportError):
            if httpx.get(f"{url}/.well-known/openid-configuration").status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError("the provider did not answer")


def sign_in_at(address: str, user: str) -> list[tuple[str, str]]:
    """Fill in the real provider's form as a browser would; return what it comes back with."""
    answer = httpx.post(address, data={"sub": user}, follow_redirects=False)
    return parse_qsl(urlsplit(answer.headers["location"]).query)


@dataclass(slots=True)
class Traveller:
    """Goes to providers and comes back, with one process's knowledge of them."""

    town: Town
    directory: HTTPProviders

    @property
    def journeys(self) -> Journeys:
        """Return what journeys need."""
        return Journeys(self.town.database, self.town.box, self.directory, ANONYMOUS)

    def describe(self, issuer: str, **more: str) -> Provider:
        """Describe a provider as an administrator would."""
        form = {"issuer": issuer, "name": "IdP", "client_id": "sekisho", "secret": "s3cr:t+/="}
        with self.town.database.write(SYSTEM) as tx:
            return service.add_provider(tx, self.town.box, {**form, **more})

    def leave(self, provider: Provider, wish: Wish | None = None) -> service.Departure:
        """Begin a journey."""
        return service.lead_to_provider(self.journeys, provider.id, SITE, wish or Wish())

    def come_back(
        self,
        answer: Sequence[tuple[str, str]],
        secret: str,
        address: str = "192.0.2.1",
        **more: str,
    ) -> Arrival:
        """End a journey."""
        visit = replace(VISIT, address=address)
        return service.return_from_provider(self.journeys, answer, secret, visit, **more)

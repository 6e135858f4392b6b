"""What the tests of OpenID Connect share: an account at a provider, and bent claims."""

from typing import Any

from fakes.oidc_provider import Provider as FakeProvider
from sekisho.identity.engine.oidc import Provider
from sekisho.identity.model import Role
from sekisho.identity.service import Arrival, Wish
from support.oidc import Traveller

EMAIL = "takahashi@example.jp"

USER = {"sub": "u-1", "email": EMAIL, "email_verified": True}


def go(
    goer: Traveller, there: FakeProvider, idp: Provider, wish: Wish | None = None,
    address: str = "192.0.2.1",
) -> Arrival:  # fmt: skip
    departure = goer.leave(idp, wish)
    return goer.come_back(there.authorize(departure.address), departure.secret, address)


def joined(goer: Traveller, there: FakeProvider, idp: Provider) -> None:
    """Let the account belong to Takahashi, by the rule."""
    goer.town.add(EMAIL, Role.TELEWORKER)
    go(goer, there, idp)


def set_claim(name: str, value: object) -> Any:
    return lambda claims: {**claims, name: value}


def without_claim(name: str) -> Any:
    return lambda claims: {k: v for k, v in claims.items() if k != name}

"""The town that most tests of identity begin with."""

from collections.abc import Iterator

import pytest

from fakes.clock import FakeClock
from fakes.oidc_provider import Provider as FakeProvider
from fakes.oidc_provider import running_provider
from sekisho.identity.engine.oidc import Provider
from sekisho.identity.sources import HTTPProviders
from sekisho.kernel.db import Database
from sekisho.kernel.secrets import SecretBox
from support.identity_town import Town
from support.oidc import Traveller
from support.oidc_journeys import USER


@pytest.fixture
def town(database: Database, clock: FakeClock, box: SecretBox) -> Town:
    return Town(database, clock, box)


@pytest.fixture
def there(town: Town) -> Iterator[FakeProvider]:
    with running_provider(lambda: town.clock.now().timestamp()) as provider:
        provider.user = dict(USER)
        yield provider


@pytest.fixture
def goer(town: Town) -> Traveller:
    return Traveller(town, HTTPProviders())


@pytest.fixture
def idp(goer: Traveller, there: FakeProvider) -> Provider:
    return goer.describe(there.url, domains="example.jp")

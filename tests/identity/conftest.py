"""The town that most tests of identity begin with."""

import pytest

from fakes.clock import FakeClock
from sekisho.kernel.db import Database
from sekisho.kernel.secrets import SecretBox
from support.identity_town import Town


@pytest.fixture
def town(database: Database, clock: FakeClock, box: SecretBox) -> Town:
    return Town(database, clock, box)

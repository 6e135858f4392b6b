"""What the tests of this folder share."""

from pathlib import Path

import pytest

from fakes.clock import FakeClock
from sekisho.kernel.db import Database
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Settings
from support.door import SmallHouse, build_small_app
from support.gatehouse import Devices, Gatehouse
from support.identity_town import Town


@pytest.fixture
def gate(database: Database, clock: FakeClock, box: SecretBox, tmp_path: Path) -> Gatehouse:
    town = Town(database, clock, box)
    house = SmallHouse(database, clock, box, Settings(tmp_path, public_name="sekisho.example.jp"))
    return Gatehouse(town, build_small_app(house, Devices()), town.start_admin())

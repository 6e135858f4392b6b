"""What the tests of this folder share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.clock import FakeClock
from sekisho.kernel.db import Database
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Settings
from support.door import SmallHouse, build_small_app
from support.gate_scene import Scene, gate_scene
from support.gatehouse import Devices, Gatehouse
from support.identity_town import Town


@pytest.fixture
def gate(database: Database, clock: FakeClock, box: SecretBox, tmp_path: Path) -> Gatehouse:
    town = Town(database, clock, box)
    house = SmallHouse(database, clock, box, Settings(tmp_path, public_name="sekisho.example.jp"))
    return Gatehouse(town, build_small_app(house, Devices()), town.start_admin())


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A gate with a real Envoy, for all tests of a module."""
    with gate_scene(tmp_path_factory.mktemp("gate")) as made:
        yield made


@pytest.fixture
def hang_up(scene: Scene) -> Iterator[None]:
    """Close after each test what it left open; for ``usefixtures``."""
    yield
    scene.hang_up()


@pytest.fixture
def cookie(scene: Scene) -> str:
    """Return a good cookie of Hanako's for the app."""
    return scene.home.enter(scene.hanako, scene.app)

"""What every test may ask for: clocks, principals, and real databases of both kinds."""

import functools
import gc
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

from fakes.clock import FakeClock
from sekisho.controls import service as controls
from sekisho.controls.catalogue import load_catalogue
from sekisho.controls.model import Catalogue
from sekisho.kernel.db import Database
from sekisho.kernel.migrations import migrate
from sekisho.kernel.principal import Principal, PrincipalKind
from sekisho.kernel.secrets import SecretBox
from support.postgres import Shared, find_binaries, run_sql, running_server

# How long one example takes says how busy the machine is, and nothing of what is tested.
settings.register_profile("sekisho", settings(), deadline=None)
settings.load_profile("sekisho")

# What starts whole installations takes minutes a file: begun last, it would leave a core idle.
_FIRST = ("ui/test_ui_tour", "flows/", "packaging/", "pages/test_pages_roles", "ui/", "detection/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the files that take longest first; several processes take one after the other."""
    last = len(_FIRST)
    items.sort(key=lambda item: next((i for i, n in enumerate(_FIRST) if n in item.nodeid), last))


class _SayAtOnce:
    """Says why a test failed when it fails: a whole run takes a quarter of an hour."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        terminal = self.config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None and report.failed:
            terminal.ensure_newline()
            terminal.write_line(f"FAILED {report.nodeid} ({report.when})", red=True)
            terminal.write_line(report.longreprtext[-3000:])


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # of several processes, the one that has a terminal
        config.pluginmanager.register(_SayAtOnce(config))


def pytest_collection_finish() -> None:
    """Let the collector pass by the program itself: whole collections took a twelfth of a run."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


@functools.cache
def _own_controls() -> Catalogue:
    return load_catalogue()


@pytest.fixture(autouse=True)
def _own_controls_afterwards() -> Iterator[None]:
    """Put the program's own controls back in force: they hold for the whole process."""
    yield
    if controls.catalogue_in_force() is not _own_controls():
        controls.put_in_force(_own_controls())


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 11, 24, 0, 0, tzinfo=UTC))


@pytest.fixture
def admin(clock: FakeClock) -> Principal:
    """An administrator who proved themselves when the test began."""
    return Principal(
        PrincipalKind.PERSON,
        "per_admin",
        "佐伯 航",
        frozenset({"*"}),
        authenticated_at=clock.now(),
    )


@pytest.fixture
def box() -> SecretBox:
    return SecretBox(bytes(range(32)))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a real PostgreSQL, started once."""
    if find_binaries() is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have PostgreSQL: the test command installs it")
        pytest.skip("PostgreSQL is not installed; ./test installs it")
    with running_server() as address:
        yield address


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """A migrated database that tests copy, which is faster than migrating each."""
    run_sql(postgres_server, "CREATE DATABASE migrated")
    database = Database(f"{postgres_server}/migrated", FakeClock())
    migrate(database)
    database.close()
    return postgres_server


@pytest.fixture(scope="session")
def postgres_shared(postgres_template: str) -> Shared:
    """The database that all tests of this process use one after the other."""
    return Shared.open(postgres_template)


@pytest.fixture
def postgres_url(postgres_shared: Shared) -> str:
    """The address of a migrated PostgreSQL database with nothing in it."""
    postgres_shared.restore()
    return postgres_shared.url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file that tests copy."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    database = Database(f"sqlite:///{path}", FakeClock())
    migrate(database)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The address of a fresh, migrated SQLite database."""
    path = tmp_path / "sekisho.db"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture
def data_folder(sqlite_template: Path, tmp_path: Path) -> Path:
    """A data folder whose database is migrated already: that takes half a second each time."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    (folder / "sekisho.db").write_bytes(sqlite_template.read_bytes())
    return folder


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, clock: FakeClock) -> Iterator[Database]:
    """A fresh, migrated database; each test runs on SQLite and on PostgreSQL."""
    wanted = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    opened = Database(request.getfixturevalue(wanted), clock)
    yield opened
    opened.close()

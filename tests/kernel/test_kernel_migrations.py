"""The migrated schema and the tables that the code works with are the same, on both databases."""

import importlib
import pkgutil
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

import sekisho
from fakes.clock import FakeClock
from sekisho.kernel import migrations
from sekisho.kernel.db import Database, metadata
from sekisho.kernel.migrations import known_revisions, migrate


@pytest.fixture(autouse=True)
def _all_tables() -> None:
    """Import every room's store, so that all its tables are known."""
    for module in pkgutil.walk_packages(sekisho.__path__, "sekisho."):
        if ".store" in module.name:
            importlib.import_module(module.name)


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection")
@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based")
def test_the_schema_is_what_the_code_expects(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": False}
        )
        differences = compare_metadata(context, metadata)

    assert differences == []
    assert len(metadata.tables) > 30


def test_a_revision_bears_the_name_of_its_file() -> None:
    """What is known, and what comes last, is told without Alembic (``kernel/migrations``)."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    script = ScriptDirectory.from_config(config)
    assert known_revisions() == {found.revision for found in script.walk_revisions()}
    assert script.get_heads() == [max(known_revisions())]


def test_devices_known_before_are_found_by_words(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/old.db", FakeClock())
    migrate(database, "0021_covering_indexes")
    rows = [(f"dev_{n}", "ＰＣ" if n else "") for n in range(2001)]  # more than one go
    texts = ("ownership", "platform", "state", "host_identifier", "serial", "model", "os_name",
             "os_version", "agent_version", "address", "enrolled_at", "flagged", "changed_at",
             "hostname")  # fmt: skip
    with database.engine.begin() as connection:
        connection.exec_driver_sql(
            f"INSERT INTO devices (id, label, {', '.join(texts)}) "  # noqa: S608 - names from above
            f"VALUES (?, ?, {', '.join('?' * len(texts))})",
            [row + ("",) * len(texts) for row in rows],
        )

    migrate(database)

    with database.engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT device_id, words FROM device_words").fetchall()
    assert len(found) == len(rows)
    assert "pc" in dict(map(tuple, found))["dev_2000"]
    database.close()

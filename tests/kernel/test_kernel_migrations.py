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
from sekisho.kernel import migrations
from sekisho.kernel.db import Database, metadata
from sekisho.kernel.migrations import known_revisions


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

"""The migrated schema and the tables that the code works with are the same, on both databases."""

import importlib
import pkgutil

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

import sekisho
from sekisho.kernel.db import Database, metadata


@pytest.fixture(autouse=True)
def _all_tables() -> None:
    """Import every room's store, so that all its tables are known."""
    for module in pkgutil.walk_packages(sekisho.__path__, "sekisho."):
        if ".store" in module.name:
            importlib.import_module(module.name)


def test_the_schema_is_what_the_code_expects(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": False}
        )
        differences = compare_metadata(context, metadata)

    assert differences == []
    assert len(metadata.tables) > 30

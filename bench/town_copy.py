"""Takes an organisation over from SQLite to PostgreSQL, so that both are asked the same."""

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, select

from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database, metadata
from sekisho.kernel.migrations import migrate
from sekisho.kernel.settings import load_settings

_AT_ONCE = 5_000


def copy_town(data: Path, url: str) -> None:
    """Copy every table of the folder's database to ``url`` and let the folder use that one."""
    source = Database(load_settings(data, {}).database, SystemClock())
    target = Database(url, SystemClock())
    try:
        migrate(target)
        with source.engine.connect() as taken, target.engine.connect() as given:
            given.exec_driver_sql("SET session_replication_role = replica")
            for table in metadata.sorted_tables:
                _copy(taken, given, table)
            given.commit()
            given.exec_driver_sql("SET session_replication_role = origin")
        with target.engine.connect() as given:
            given.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("ANALYZE")
    finally:
        source.close()
        target.close()
    settings = data / "settings.yaml"
    before = settings.read_text(encoding="utf-8") if settings.exists() else ""
    settings.write_text(f"{before}\ndatabase_url: {url}\n", encoding="utf-8")


def _copy(taken: Connection, given: Connection, table: Table) -> None:
    """Copy the rows of one table by COPY, as the driver's own types."""
    given.execute(table.delete())
    types = [column.type.dialect_impl(given.dialect) for column in table.c]
    binders: list[Any] = [kind.bind_processor(given.dialect) for kind in types]
    names = ", ".join(f'"{column.name}"' for column in table.c)
    driver: Any = given.connection.driver_connection
    with driver.cursor().copy(f'COPY "{table.name}" ({names}) FROM STDIN') as copy:
        for rows in taken.execute(select(table)).partitions(_AT_ONCE):
            for row in rows:
                copy.write_row([
                    bind(value) if bind and value is not None else value
                    for bind, value in zip(binders, row, strict=True)
                ])  # fmt: skip

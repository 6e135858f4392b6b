"""A start with other settings than the last leaves a record of what changed."""

from dataclasses import replace
from pathlib import Path

from sekisho.evidence import service as evidence
from sekisho.kernel.db import Database
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.settings import Address, Settings
from sekisho.server.changes import record_settings


def test_only_a_change_is_recorded(database: Database, tmp_path: Path) -> None:
    first = Settings(tmp_path, organisation="港設計", database_url="postgresql://u:secret@h/d")
    second = replace(
        first, organisation="港建設", admin=Address("127.0.0.1", 1), database_url="sqlite://"
    )
    with database.write(SYSTEM) as tx:
        assert record_settings(tx, first) == []
        assert record_settings(tx, first) == []
        assert record_settings(tx, second) == ["organisation"]
        (record,) = evidence.list_records(tx, kind="settings.changed")

    assert record.detail == {"organisation": {"before": "港設計", "after": "港建設"}}

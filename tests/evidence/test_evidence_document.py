"""The verifier printed in docs/evidence.md agrees with ours."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from fakes.clock import FakeClock
from sekisho.evidence import service
from sekisho.kernel.db import Database
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.secrets import SecretBox

DOCUMENT = Path(__file__).parents[2] / "docs" / "evidence.md"


@pytest.fixture(scope="module")
def stranger() -> Callable[[str, list[str]], str]:
    """The verifier of the document, as somebody would copy it."""
    found = re.search(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    names: dict[str, Any] = {"__name__": "copied"}
    exec(compile(found.group(1), str(DOCUMENT), "exec"), names)  # noqa: S102 - our own document
    verify: Callable[[str, list[str]], str] = names["verify"]
    return verify


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        ("", "sound"),
        ("UPDATE evidence_records SET actor='x' WHERE seq=3", "record 3 is not"),
        ("UPDATE evidence_payloads SET payload=payload||' '", "payload of record"),
        ("DELETE FROM evidence_payloads", "payload is missing"),
        ("DELETE FROM evidence_records WHERE seq=6", "ends at record 5"),
    ],
)
def test_a_stranger_finds_what_we_find(
    stranger: Callable[[str, list[str]], str], sqlite_url: str, box: SecretBox, attack: str,
    said: str,
) -> None:  # fmt: skip
    database = Database(sqlite_url, FakeClock())
    with database.write(SYSTEM) as tx:
        made = [
            service.record(tx, kind="x.acted", subject="x:1", detail={"語": i}) for i in range(4)
        ]
        service.erase_payload(tx, records=made[:1], reason="asked for")
        service.write_checkpoint(tx, [], box=box)
        lines = service.export_checkpoints(tx).decode().splitlines()
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        for name in ("records_no_update", "records_no_delete", "payloads_no_update"):
            connection.exec_driver_sql(f"DROP TRIGGER evidence_{name}")
        connection.execute(text(attack or "SELECT 1"))
        connection.commit()
    outside = [service.OutsideLine("line", line.encode()) for line in lines]
    ours = service.verify_database(database, outside=outside)
    database.close()

    assert said in stranger(sqlite_url.removeprefix("sqlite:///"), lines)
    assert ours.sound == (said == "sound")

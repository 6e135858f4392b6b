"""``sekisho admin link``: whoever may read the key on the machine gets a way back in."""

import json
from pathlib import Path

import pytest

from sekisho.cli.main import main
from sekisho.evidence import service as evidence
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.secrets import SecretBox


def test_a_link_is_printed_and_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    SecretBox.load_or_create(tmp_path / "secret.key")

    code = main(["admin", "link", "--data", str(tmp_path), "--format", "json"])

    said = json.loads(capsys.readouterr().out)
    assert code == 0
    assert said["purpose"] == "first-admin"
    assert said["minutes"] == 60
    assert said["url"].startswith("http://localhost:8480/start/")
    database = Database(f"sqlite:///{tmp_path}/sekisho.db", SystemClock())
    with database.write(SYSTEM) as tx:
        evidence.seal_records(tx)
        record = evidence.list_records(tx)[0]
    database.close()
    assert (record.kind, record.actor.split(":")[0]) == ("identity.link_issued", "command")


def test_what_stands_in_the_way_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["admin", "link", "--data", str(tmp_path)]) == 2
    assert "no installation" in capsys.readouterr().err
    SecretBox.load_or_create(tmp_path / "secret.key")
    assert main(["admin", "link", "--data", str(tmp_path), "--person", "x@example.jp"]) == 2
    assert "x@example.jp" in capsys.readouterr().err
    (tmp_path / "secret.key").chmod(0o644)
    assert main(["admin", "link", "--data", str(tmp_path)]) == 2
    assert "Others" in capsys.readouterr().err


def test_what_a_role_asks_for_is_set_on_the_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    SecretBox.load_or_create(tmp_path / "secret.key")
    where = ["--data", str(tmp_path)]

    assert main(["admin", "require", "admin", "one", *where, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"role": "admin", "strength": "one"}
    assert main(["admin", "require", "emperor", "one", *where]) == 2
    assert "role:emperor" in capsys.readouterr().err
    database = Database(f"sqlite:///{tmp_path}/sekisho.db", SystemClock())
    with database.write(SYSTEM) as tx:
        evidence.seal_records(tx)
        record = evidence.list_records(tx)[0]
    database.close()
    assert record.kind == "identity.requirement_changed"

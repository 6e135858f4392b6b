"""``sekisho evidence`` says what was found, what it is worth, and how it ended."""

import json
from pathlib import Path

import pytest

from fakes.clock import FakeClock
from sekisho.cli import main
from sekisho.evidence import service
from sekisho.kernel.db import Database
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.secrets import SecretBox


@pytest.fixture
def data(sqlite_url: str, tmp_path: Path) -> Path:
    """A data folder with three sealed records."""
    box = SecretBox.load_or_create(tmp_path / "secret.key")
    database = Database(sqlite_url, FakeClock())
    with database.write(SYSTEM) as tx:
        for step in range(2):
            service.record(tx, kind="x.acted", subject=f"x:{step}", detail={})
        service.write_checkpoint(tx, [], box=box)
    database.close()
    return tmp_path


def run(*arguments: str) -> int:
    return main.main(["evidence", *arguments])


def test_without_outside_lines_it_says_what_that_is_worth(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("verify", "--data", str(data)) == 0

    said = capsys.readouterr().out
    assert "3 records in the chain" in said
    assert "whoever rules this machine could have rewritten" in said


def test_a_checkpoint_that_left_finds_the_forged_chain(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("checkpoint", "--data", str(data)) == 0
    kept = tmp_path / "kept.jsonl"
    kept.write_text(capsys.readouterr().out)
    assert run("verify", "--data", str(data), "--checkpoints", str(kept)) == 0
    assert "Records 1 to 4 are those of the checkpoints" in capsys.readouterr().out
    database = Database(f"sqlite:///{data}/sekisho.db", FakeClock())
    with database.engine.connect() as connection:
        for statement in (
            "DROP TRIGGER evidence_records_no_update", "DELETE FROM evidence_deliveries",
            "DELETE FROM evidence_checkpoints", "UPDATE evidence_records SET seq=NULL",
            "UPDATE evidence_records SET subject='x:forged' WHERE subject='x:1'",
            "UPDATE evidence_chain SET seq=0, chain=replace(hex(zeroblob(32)), '', '')",
        ):  # fmt: skip
            connection.exec_driver_sql(statement)
        connection.commit()
    with database.write(SYSTEM) as tx:
        service.seal_records(tx)
    database.close()

    assert run("verify", "--data", str(data)) == 0, "in itself the forged chain is sound"
    capsys.readouterr()
    assert run("verify", "--data", str(data), "--checkpoints", str(kept), "--format", "json") == 1

    problem, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert (problem["found"], problem["seq"]) == ("chain_rewritten", 1)
    assert (summary["sound"], summary["problems"]) == (False, 1)


def test_a_file_that_is_no_database_is_a_finding(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("sekisho.db-wal", "sekisho.db-shm"):
        (data / name).unlink(missing_ok=True)
    (data / "sekisho.db").write_bytes(b"x" * 9000)

    assert run("verify", "--data", str(data)) == 1
    assert "damaged" in capsys.readouterr().out


@pytest.mark.parametrize("content", [None, "", "\n\n"])
def test_it_could_not_verify_without_what_was_named(
    data: Path, tmp_path: Path, content: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    named = tmp_path / "named.jsonl"
    if content is not None:
        named.write_text(content)

    assert run("verify", "--data", str(data), "--checkpoints", str(named)) == 2
    assert "named.jsonl" in capsys.readouterr().err


def test_a_root_that_is_no_certificate_is_refused(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "root.pem").write_text("no")

    assert run("verify", "--data", str(data), "--tsa-root", str(tmp_path / "root.pem")) == 2
    assert "root.pem" in capsys.readouterr().err


def test_a_destination_that_fails_is_said(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "checkpoints").write_text("a file where the folder should be")

    assert run("checkpoint", "--data", str(data)) == 1
    assert "could not be appended" in capsys.readouterr().err


def test_keys_are_shown(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("keys", "--data", str(data), "--format", "json") == 0

    assert len(json.loads(capsys.readouterr().out)["public_key"]) == 44
    assert run("keys", "--data", str(data)) == 0

"""``sekisho devices``: kits and lists from the command line."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from sekisho.cli.main import main


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[Any]]:
    code = main(["devices", *words, "--format", "json"])
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_kit_is_made_listed_and_revoked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = str(tmp_path / "data"), tmp_path / "kit.zip"
    where = ("--data", data)
    code, [made] = run(capsys, "kit", "create", *where, "--label", "佐伯", "--out", str(out))
    assert code == 0
    assert out.stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(out) as archive:
        kit = json.loads(archive.read("sekisho-kit.json"))
        assert archive.read("sekisho.secret").decode() == kit["secret"]
        flags = archive.read("linux/osquery.flags").decode()
    assert "--distributed_interval=60" in flags
    assert kit["secret"] not in json.dumps(made)
    assert main(["devices", "kit", "create", *where, "--out", str(out)]) == 2
    capsys.readouterr()
    assert run(capsys, "kit", "list", *where)[1][0]["state"] == "open"
    assert run(capsys, "kit", "revoke", *where, kit["kit_id"])[0] == 0
    assert run(capsys, "kit", "list", *where)[1][0]["state"] == "revoked"
    assert run(capsys, "list", *where) == (0, [])


def test_a_group_kit_waits_for_approval_unless_told_otherwise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--data", str(tmp_path / "data"), "--devices", "30")
    _, [one] = run(capsys, "kit", "create", *where, "--out", str(tmp_path / "1.zip"))
    _, [two] = run(
        capsys, "kit", "create", *where, "--no-approval", "--out", str(tmp_path / "2.zip")
    )
    assert (one["kit"]["approval"], two["kit"]["approval"]) == (True, False)
    assert main(["devices", "kit", "create", *where[:2], "--days", "0"]) == 2

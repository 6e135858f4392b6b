"""``sekisho check``: the contract of its lines, its exit codes, its words."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sekisho.agent.builtin import Identity
from sekisho.agent.sql import Engine
from sekisho.agent.tables import tables_for
from sekisho.cli.check import check_controls, describe, draw, sort_worst_first
from sekisho.cli.columns import measure
from sekisho.controls.catalogue import load_catalogue
from sekisho.controls.model import VerdictKind
from sekisho.wire.kit import Ownership
from support.agent import sample_tables

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="checks this Linux computer")


def quiet(_done: int, _total: int) -> None:
    """Show no progress."""


def check(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sekisho", "check", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_line_keeps_the_contract() -> None:
    done = check("--format", "json", "--language", "en")
    lines = [json.loads(line) for line in done.stdout.splitlines()]

    assert done.returncode in {0, 1}, done.stderr
    assert lines
    verdicts = [line["verdict"] for line in lines]
    assert done.returncode == int(not set(verdicts) <= {"pass", "exempt"})
    for line in lines:
        assert {"control", "title", "verdict", "proven", "evidence", "fix"} <= set(line)
        assert line["proven"] == "machine"
        assert line["verdict"] in {"pass", "fail", "unknown", "exempt"}
        assert line["title"]
        assert line["evidence"]["sql"]
    order = ["fail", "unknown", "exempt", "pass"]
    assert verdicts == sorted(verdicts, key=order.index)


def test_people_read_it_in_their_language() -> None:
    japanese = check("--language", "ja").stdout
    english = check("--language", "en").stdout

    assert "ルール" in japanese
    assert "rules: " in english
    assert "\033" not in japanese + english


def test_a_broken_catalogue_is_exit_code_2_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "controls").mkdir()
    (tmp_path / "controls" / "bad.yaml").write_text("id: 5\n")

    done = check("--controls", str(tmp_path))

    assert done.returncode == 2
    assert "controls/bad.yaml" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("ownership", list(Ownership))
def test_a_computer_whose_tables_do_not_answer_is_unknown_and_never_fine(
    ownership: Ownership,
) -> None:
    engine = Engine({"locked": sample_tables()["locked"]}, Identity("linux"))

    checked = check_controls(engine, load_catalogue(), "linux", ownership, quiet)

    assert checked
    assert {one.verdict.kind for one in checked} == {VerdictKind.UNKNOWN}


def test_a_private_check_shows_no_rows_of_details() -> None:
    engine = Engine(tables_for("linux"), Identity("linux"))
    checked = check_controls(engine, load_catalogue(), "linux", Ownership.PRIVATE, quiet)

    assert all(describe(one, "linux", "en")["evidence"]["detail"] == [] for one in checked)


def test_the_table_is_aligned_in_wide_characters_and_ends_with_a_sum() -> None:
    engine = Engine(tables_for("linux"), Identity("linux"))
    checked = sort_worst_first(
        check_controls(engine, load_catalogue(), "linux", Ownership.COMPANY, quiet)
    )

    lines = list(draw(checked, "linux", "ja", colour=True))
    plain = list(draw(checked, "linux", "ja", colour=False))
    assert max(map(measure, plain)) <= 80
    assert not any("\033" in line for line in plain)
    assert any(line.startswith("まず「") for line in plain[-5:])

    assert any(f"ルール{len(checked)}件：" in line for line in lines[-5:])
    assert "\033[" in lines[0]

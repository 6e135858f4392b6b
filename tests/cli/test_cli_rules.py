"""``sekisho rules`` and ``sekisho hunt --library``: decisions count where logs are hunted."""

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest

from detection.test_detection_library import pack, rule_id, write_rule
from sekisho.cli import hunt_library
from sekisho.cli.main import main
from sekisho.detection import service
from sekisho.detection.hunting.rulesets import cache_folder
from sekisho.kernel.settings import Settings
from sekisho.server.auth import command_principal
from sekisho.server.bootstrap import open_house

EVENTS = [
    {"product": "x", "CommandLine": "run mimi", "User": "svc_backup"},
    {"product": "x", "CommandLine": "run mimi", "User": "taro"},
]


@pytest.fixture
def data(data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LANG", "C.UTF-8")
    with open_house(Settings(data=data_folder, organisation="x")):
        pass
    return data_folder


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str]:
    code = main([str(word) for word in words])
    return code, capsys.readouterr().out


def test_rules_are_planned_imported_listed_and_updated_by_their_name(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "team"
    folder.mkdir()
    (folder / "a.yml").write_bytes(write_rule(1))
    code, out = run(capsys, "rules", "import", folder, "--data", data, "--plan", "--format", "json")
    assert (code, json.loads(out)["added"], json.loads(out)["taken"]) == (1, 1, False)
    assert run(capsys, "rules", "import", folder, "--data", data)[0] == 0
    (folder / "b.yml").write_bytes(write_rule(2))
    code, out = run(capsys, "rules", "import", folder, "--data", data, "--format", "json")
    assert (code, json.loads(out)["added"], json.loads(out)["kept"]) == (0, 1, 1)
    _, out = run(capsys, "rules", "list", "--data", data, "--search", "Sample", "--format", "json")
    assert {json.loads(line)["id"] for line in out.splitlines()} == {rule_id(1), rule_id(2)}
    assert run(capsys, "rules", "update", "--data", data)[0] == 2  # nothing has an address


def test_a_rule_with_a_fault_is_named_with_file_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yml").write_bytes(write_rule(1))
    (tmp_path / "b.yml").write_bytes(write_rule(2).replace(b"|contains", b"|contian"))
    code, out = run(capsys, "rules", "test", tmp_path, "--format", "json")
    fault = json.loads(out)
    assert (code, Path(fault["file"]).name, fault["line"]) == (1, "b.yml", 9)
    assert "contian" in fault["got"]
    assert run(capsys, "rules", "test", tmp_path / "a.yml")[0] == 0
    assert run(capsys, "rules", "test", tmp_path / "nowhere")[0] == 2


def test_rules_in_an_archive_are_tested_and_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = write_rule(2).replace(b"|contains", b"|contian")
    (tmp_path / "r.zip").write_bytes(pack({"a.yml": write_rule(1), "deep/b.yml": bad}))
    code, out = run(capsys, "rules", "test", tmp_path / "r.zip", "--format", "json")
    assert (code, json.loads(out)["file"]) == (1, f"{tmp_path / 'r.zip'}!deep/b.yml")
    _, out = run(capsys, "rules", "list", "--rules", tmp_path / "r.zip", "--format", "json")
    assert [json.loads(line)["id"] for line in out.splitlines()] == [rule_id(1)]


def test_a_hunt_with_the_library_follows_levels_and_suppressions(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = write_rule(1).replace(b"windows, category: process_creation", b"x")
    with open_house(Settings(data=data, organisation="x")) as house:
        who = command_principal(house.box)
        prepared = service.prepare_files(
            house.database, who, service.new_source("T"), "r.zip", pack({"a.yml": rule})
        )
        with house.database.write(who) as tx:
            service.take_over(tx, prepared)
            service.tune_rule(tx, rule_id(1), "critical", "here it is")
            service.suppress_matches(
                tx, rule_id=rule_id(1), condition="User|startswith: svc_", reason="backup",
                ends_at=tx.now + timedelta(days=3),
            )  # fmt: skip
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps(event) + "\n" for event in EVENTS))
    words = ("hunt", log, "--library", "--data", data, "--logsource", "product=x", "--format",
             "json", "--quiet")  # fmt: skip
    for _ in range(2):  # fresh, and out of the cache of compiled rules
        code, out = run(capsys, *words)
        found = [json.loads(line) for line in out.splitlines()]
        assert code == 1
        assert [(f["level"], f["record"]) for f in found] == [("critical", 2)]
    code, out = run(capsys, "rules", "why", rule_id(1), f"{log}:2", "--library", "--data", data,
                    "--logsource", "product=x")  # fmt: skip
    assert (code, "✔ CommandLine is “*mimi*”  ← run mimi" in out) == (0, True)
    with open_house(Settings(data=data, organisation="x")) as house:
        who = command_principal(house.box)
        with house.database.write(who) as tx:
            service.tune_rule(tx, rule_id(1), "off", "no longer")
    assert run(capsys, *words)[0] in {0, 2}  # no other rule is for such logs


def test_a_hunt_begins_no_installation_where_none_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log.jsonl").write_text("{}\n")
    asked = ("hunt", str(tmp_path / "log.jsonl"), "--library", "--data", str(tmp_path / "typo"))
    assert main(asked) == 2
    assert "typo" in capsys.readouterr().err
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize("named", ["T1562.001", "t1685"])
@pytest.mark.parametrize("tag", ["t1562.001", "t1685"])
def test_a_technique_is_found_by_its_id_of_any_version(
    named: str, tag: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yml").write_bytes(write_rule(1, tag=tag))
    asked = ("rules", "list", "--technique", named, "--format", "json")
    code, out = run(capsys, *asked, "--rules", tmp_path / "a.yml")
    assert (code, [json.loads(line)["id"] for line in out.splitlines()]) == (0, [rule_id(1)])
    assert run(capsys, "rules", "import", tmp_path / "a.yml", "--data", data)[0] == 0
    _, out = run(capsys, *asked, "--data", data, "--search", "Sample")
    assert [json.loads(line)["id"] for line in out.splitlines()] == [rule_id(1)]


def test_earlier_states_of_a_library_do_not_pile_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    shelf = cache_folder().parent / "library"
    for n in range(9):
        laid = hunt_library.lay_out({"a.yml": b"%d" % n})
        assert (laid / "a.yml").read_bytes() == b"%d" % n
        os.utime(laid, (n, n))
    assert len(list(shelf.iterdir())) <= 5
    assert hunt_library.lay_out({"a.yml": b"8"}).is_dir()

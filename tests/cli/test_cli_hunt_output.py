"""Where ``sekisho hunt`` writes: whole or not at all, and never over what it reads."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sekisho.cli.main import main
from support.logs import json_lines, windows_event

RULE = """title: A Failed Log-on
id: 6f1c0f3e-6d0b-4a59-9a77-3b0a5a9e9f11
level: high
logsource: {product: windows, service: security}
detection: {selection: {EventID: 4625}, condition: selection}
"""


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep compiled rules out of the home of whoever runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rule.yml"
    path.write_text(RULE, encoding="utf-8")
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    path = folder / "a.jsonl"
    path.write_bytes(json_lines([windows_event(4624), windows_event(4625)]))
    return path


def hunt(*arguments: object) -> int:
    return main(["hunt", *map(str, arguments), "--language", "en", "--timezone", "UTC"])


def test_a_result_is_written_whole_and_what_stood_there_is_replaced(
    rules: Path, log: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.json"
    target.write_text("what was there before and is far longer than the result " * 100)
    assert hunt(log, "--rules", rules, "--format", "json", "--output", target) == 1
    assert json.loads(target.read_text())["record"] == 2
    assert [p.name for p in tmp_path.iterdir() if p.name.endswith(".part")] == []


@pytest.mark.parametrize("named", ["itself", "its folder", "a link to it"])
def test_what_is_read_is_never_written_over(
    named: str, rules: Path, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = log.read_bytes()
    target = log
    if named == "a link to it":
        target = tmp_path / "link.json"
        target.symlink_to(log)
    read = log.parent if named == "its folder" else log
    assert hunt(read, "--rules", rules, "--format", "json", "--output", target) == 2
    assert "would destroy it" in capsys.readouterr().err
    assert log.read_bytes() == before


@pytest.mark.parametrize("target", ["none/out.json", "logs"])
def test_where_nothing_can_be_written_is_said_before_the_hunt(
    target: str, rules: Path, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hunt(log, "--rules", rules, "--output", tmp_path / target) == 2
    captured = capsys.readouterr()
    assert "cannot be written" in captured.err
    assert not captured.out


@pytest.mark.skipif(not os.access("/dev/full", os.W_OK), reason="Linux has a disk that is full")
def test_a_full_disk_is_no_finding(
    rules: Path, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hunt(log, "--rules", rules, "--output", "/dev/full") == 2
    assert "No space left on device" in capsys.readouterr().err


def test_an_error_is_said_in_the_language_asked_for(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert main(["hunt", str(log), "--timezone", "Mars/Base", "--language", "ja"]) == 2
    assert "時間帯「Mars/Base」" in capsys.readouterr().err


def test_the_whole_summary_is_there_for_machines(
    rules: Path, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people = [f"person{n}" for n in range(40)]
    failed = [
        windows_event(4625, TargetUserName=name, IpAddress="203.0.113.9", LogonType=10)
        for name in people
    ]
    log.write_bytes(json_lines([*failed, windows_event(4624)]) + b"{bad}\n")
    assert hunt(log, "--rules", rules, "--format", "json", "--only-summary") == 1
    captured = capsys.readouterr()
    said = json.loads(captured.out)
    assert (said["matches"], said["levels"]) == (40, {"high": 40})
    assert (said["read"]["events"], said["read"]["records_left_out"]) == (41, 1)
    assert said["rules"][0]["hosts"] == {"GATE-01": 40}
    assert sorted(one["user"] for one in said["logons"]) == sorted(people)
    assert sorted(one["value"] for one in said["pivots"]["users"]) == sorted(people)
    assert said["histogram"]["bins"][0]["levels"] == {"high": 40}
    assert "■" not in captured.err


def test_only_a_summary_leaves_the_timeline_out_of_a_page(
    rules: Path, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.write_bytes(json_lines([windows_event(4625, TargetUserName="taro", LogonType=10)]))
    asked = (log, "--rules", rules, "--format", "html", "--output", tmp_path / "page.html")
    for more, there in (((), True), (("--only-summary",), False)):
        assert hunt(*asked, *more) == 1
        page = (tmp_path / "page.html").read_text(encoding="utf-8")
        assert ('id="timeline"' in page) is there
        assert "A Failed Log-on" in page
        assert "4625/10" in page  # what a row of the log-ons was read from
    assert hunt(log, "--rules", rules, "--format", "csv", "--only-summary") == 2
    assert "--format json" in capsys.readouterr().err


STARVED = """
import resource, sys
from sekisho.cli import hunt, main
pages = int(open("/proc/self/statm").read().split()[0])
bound = pages * resource.getpagesize() + 60 * 1024 * 1024
resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
sys.argv = ["sekisho", "hunt", *sys.argv[1:]]
main.run()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="bounds the memory as Linux does")
def test_too_little_memory_is_no_finding(rules: Path, log: Path, tmp_path: Path) -> None:
    with log.open("wb") as file:
        for n in range(60_000):
            file.write(json_lines([windows_event(4625, TargetUserName=f"{n:0500}")]))
    command = [sys.executable, "-c", STARVED, str(log), "--rules", str(rules), "--jobs", "1"]
    environment = {**os.environ, "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "too little memory" in done.stderr
    assert "Traceback" not in done.stderr

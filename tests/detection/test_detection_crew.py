"""Processes that share a hunt: one that is killed costs nothing but the file that kills it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sekisho.detection.hunting.collecting import Part
from sekisho.detection.hunting.crew import Crew, Share, Work
from sekisho.detection.sources.walking import Found
from support.logs import json_lines, windows_event

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
RULE = """title: Failed
id: 6f1c0f3e-6d0b-4a59-9a77-3b0a5a9e9f11
level: high
logsource: {product: windows, service: security}
detection: {selection: {EventID: 4625}, condition: selection}
"""


def make_work() -> Work:
    """Count the files of shares; be killed by one of a certain name."""

    def work(files: Share, told: Callable[[int], None]) -> Part:
        part = Part()
        for found in files:
            if "deadly" in found.name:
                os.kill(os.getpid(), signal.SIGKILL)
            told(found.size)
            part.read.files += 1
        return part

    return work


def run_crew(shares: list[list[str]], jobs: int) -> tuple[Part, int]:
    heard: list[int] = []
    whole = Part()
    listed = [[Found(Path(name), 7) for name in share] for share in shares]
    for part in Crew(make_work, heard.append).run(listed, jobs):
        whole.add(part)
    return whole, sum(heard)


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_every_share_is_worked_on_once(jobs: int) -> None:
    whole, size = run_crew([["a", "b"], ["c"], ["d", "e", "f"], ["g"]], jobs)
    assert (whole.read.files, size) == (7, 49)
    assert not whole.troubles


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_file_that_ends_its_process_is_told_and_costs_no_other(jobs: int) -> None:
    whole, _ = run_crew([["a", "deadly 1", "b"], ["deadly 2"], ["c"], ["deadly 3", "d"]], jobs)
    assert whole.read.files == 4
    assert whole.read.files_skipped == 3
    assert sorted(one.file for one in whole.troubles) == ["deadly 1", "deadly 2", "deadly 3"]
    assert "SIGKILL" in str(whole.troubles[0].what)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("whom", [signal.SIGKILL, signal.SIGTERM])
def test_a_hunt_whose_process_is_killed_finds_all_the_same(
    whom: signal.Signals, tmp_path: Path
) -> None:
    (tmp_path / "rule.yml").write_text(RULE, encoding="utf-8")
    logs = tmp_path / "logs"
    logs.mkdir()
    lines = json_lines([windows_event(4625, Padding="x" * 2000)] * 3_000)
    for n in range(6):
        (logs / f"{n}.jsonl").write_bytes(lines)
    command = [sys.executable, "-m", "sekisho", "hunt", str(logs), "--quiet", "--jobs", "2"]
    command += ["--rules", str(tmp_path / "rule.yml"), "--format", "json"]
    environment = {**os.environ, "HOME": str(tmp_path)}
    hunt = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    os.kill(wait_for_child(hunt.pid), whom)
    out, _ = hunt.communicate(timeout=60)
    assert len(out.splitlines()) == 18_000
    assert hunt.returncode == 1


def wait_for_child(pid: int) -> int:
    listing = Path(f"/proc/{pid}/task/{pid}/children")
    for _ in range(2_000):
        if children := listing.read_text().split():
            return int(children[0])
        time.sleep(0.005)
    raise AssertionError("no other process was started")

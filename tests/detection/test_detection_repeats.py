"""Lines by which syslog stands for several: each counts."""

import json
from pathlib import Path

import pytest

from sekisho.cli.main import main
from sekisho.detection.engine.repeats import MOST, Repeats
from sekisho.detection.engine.textlogons import TextLogons
from support.logs import read_bytes

FAILED = "Failed password for root from 203.0.113.11 port 5 ssh2"
FIRST = f"Nov 23 01:20:55 gw sshd[5]: {FAILED}\n"
QUOTED = f"Nov 23 01:20:59 gw sshd[5]: message repeated 11 times: [ {FAILED}]\n"
LAST = "Nov 23 01:20:59 gw last message repeated 11 times\n"


@pytest.mark.parametrize("second", [QUOTED, LAST])
def test_every_failure_counts(second: str) -> None:
    events, troubles = read_bytes((FIRST + second).encode())
    assert not troubles
    assert [event.record for event in events] == [1] + [2] * 11
    assert all(event.fields["message"] == FAILED for event in events)
    assert len({(event.record, event.time) for event in events}) == 12
    logs = TextLogons()
    assert sum(len(list(logs.see(event))) for event in events) == 12


@pytest.mark.parametrize("second", [QUOTED, LAST])
def test_passwords_guessed_in_one_line_are_as_many_as_it_says(
    second: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "auth.log"
    log.write_text(FIRST + second)

    assert main(["hunt", str(log), "--format", "json", "--quiet"]) == 1
    found = [json.loads(line)["rule_title"] for line in capsys.readouterr().out.splitlines()]
    assert "VPN or SSH Passwords Guessed From One Address" in found


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("gw last message repeated 3 times", 1),  # with nothing before it
        ("gw app: message repeated x times: [ a]", 1),
        ("gw app: message repeated 3 times: [ a", 1),
        ("gw app: message repeated 0 times: [ a]", 0),
        ("gw app: message repeated 999999999 times: [ a]", MOST),
        ("gw app: a message repeated in vain", 1),
        ("message repeated " * 100_000, 1),
    ],
)
def test_what_is_no_such_line_stays_and_none_runs_away(line: str, count: int) -> None:
    assert len(list(Repeats().unfold(line))) == count

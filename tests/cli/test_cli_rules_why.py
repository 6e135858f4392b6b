"""``sekisho rules why``: one rule, one event of any log, and every step of the judgement."""

import gzip
import io
import json
import zipfile
from pathlib import Path

import pytest

from sekisho.cli.main import main
from sekisho.detection.hunting.records import find_event
from sekisho.detection.sources.reading import Reading
from support.logs import json_lines, windows_event, windows_xml

RULE = """title: A Failed Log-on
id: 6f1c0f3e-6d0b-4a59-9a77-3b0a5a9e9f11
level: high
logsource: {product: windows, service: security}
detection:
    selection: {EventID: 4625, TargetUserName|startswith: adm}
    known: {IpAddress|cidr: 10.0.0.0/8}
    condition: selection and not known
---
title: Several Failed Log-ons
id: 6f1c0f3e-6d0b-4a59-9a77-3b0a5a9e9f12
correlation: {type: event_count, rules: [6f1c0f3e-6d0b-4a59-9a77-3b0a5a9e9f11], group-by: [User],
    timespan: 1m, condition: {gte: 3}}
"""
SHARED = Path(__file__).parents[3] / "shared" / "data" / "evtx"


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.fixture
def rule(tmp_path: Path) -> Path:
    path = tmp_path / "rule.yml"
    path.write_text(RULE, encoding="utf-8")
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "a.jsonl"
    events = [
        windows_event(4625, TargetUserName="admin", IpAddress="203.0.113.9"),
        windows_event(4625, TargetUserName="admin", IpAddress="10.1.2.3"),
        windows_event(4625, IpAddress="203.0.113.9"),
        {"Event": {"System": {"Channel": "System", "EventID": 1}}},
    ]
    path.write_bytes(json_lines(events) + b"{bad}\n")
    return path


def why(*words: object) -> int:
    return main(["rules", "why", *map(str, words)])


def test_every_step_is_said_down_to_the_field(
    rule: Path, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert why(rule, f"{log}:1") == 0
    out = capsys.readouterr().out
    assert "matches" in out
    assert "✔ TargetUserName is “adm*”  ← admin" in out
    assert "✖ IpAddress is an address in 10.0.0.0/8  ← 203.0.113.9" in out
    assert why("A Failed Log-on", f"{log}:2", "--rules", rule) == 1
    assert "✔ IpAddress is an address in 10.0.0.0/8  ← 10.1.2.3" in capsys.readouterr().out
    assert why("6f1c0f3e-6d0b-4a59-9a77-3b0a5a9e9f11", f"{log}:3", "--rules", rule) == 1
    assert "✖ TargetUserName is “adm*”  ← the event has no such field" in capsys.readouterr().out
    assert why(rule, f"{log}:4") == 1
    assert "of another kind than the rule is for: Security" in capsys.readouterr().out


def test_the_answer_is_there_for_machines(
    rule: Path, log: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    event = json.dumps(windows_event(4625, TargetUserName="admin"))
    monkeypatch.setattr("sys.stdin", io.StringIO(event))
    assert why(rule, "-", "--format", "json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["matched"] is True
    steps = [step for kind in said["kinds"] for step in kind["steps"]]
    assert {"TargetUserName", "IpAddress"} <= {step["field"] for step in steps}
    assert why(rule, f"{log}:2", "--format", "json") == 1
    assert json.loads(capsys.readouterr().out)["matched"] is False


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("RULE", "LOG:99"), "There is no event 99"),
        (("RULE", "LOG:5"), "It is no JSON"),
        (("RULE", "LOG"), "names no event"),
        (("RULE", "LOG:x"), "names no event"),
        (("RULE", "/nowhere/a.jsonl:1"), "It cannot be opened"),
        (("no such rule", "LOG:1", "--rules", "RULE"), "There is no rule “no such rule”"),
        (("Several Failed Log-ons", "LOG:1", "--rules", "RULE"), "judges matches of other rules"),
        (("BAD", "LOG:1"), "bad.yml:"),
    ],
)
def test_what_cannot_be_told_says_why_not(
    words: tuple[str, ...], said: str, rule: Path, log: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    bad = tmp_path / "bad.yml"
    bad.write_text(RULE.partition("---")[0].replace("startswith", "begins"), encoding="utf-8")
    for name, path in (("RULE", rule), ("LOG", log), ("BAD", bad)):
        words = tuple(word.replace(name, str(path)) for word in words)
    assert why(*words) == 2
    assert said in capsys.readouterr().err


def test_an_event_is_found_in_every_packing(tmp_path: Path) -> None:
    lines = json_lines([windows_event(4624), windows_event(4625)])
    (tmp_path / "a.gz").write_bytes(gzip.compress(lines))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x/b.jsonl", lines)
        archive.writestr("c.xml", windows_xml(4625))
    for place in ("a.gz:2", "a.zip » x/b.jsonl:2", "a.zip » c.xml:1"):
        event = find_event(str(tmp_path / place), Reading())
        assert (event.event_id, f"{event.file}:{event.record}") == (4625, str(tmp_path / place))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared EVTX files are not here")
def test_an_event_of_evtx_is_the_one_that_a_hunt_names() -> None:
    sample = next(SHARED.rglob("DE_RDP_Tunneling_4624.evtx"))
    event = find_event(f"{sample}:15", Reading())
    assert (event.record, event.event_id) == (15, 4624)
    assert event.fields["IpAddress"] == "127.0.0.1"

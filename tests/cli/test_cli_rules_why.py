"""``sekisho rules why``: one rule, one event of any log, and every step of the judgement."""

import gzip
import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest

from detection.test_detection_library import pack
from sekisho.cli.main import main
from sekisho.detection import service
from sekisho.detection.hunting.records import find_events
from sekisho.detection.sources.reading import Reading
from sekisho.detection.wording import own_words
from sekisho.kernel.settings import Settings
from sekisho.server.auth import command_principal
from sekisho.server.bootstrap import open_house
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
SSH_RULE = """title: Somebody Came In By SSH
logsource: {product: linux}
detection:
    selection: {logon_service: SSH, logon_user: taro}
    condition: selection
"""
SHARED = Path(__file__).parents[3] / "shared" / "data" / "evtx"


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


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
        (("6f1c0f3e", "LOG:1", "--rules", "RULE"), "“6f1c0f3e” may be any of 2 rules."),
        ((" ", "LOG:1", "--rules", "RULE"), "There is no rule “ ”"),
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


def test_a_rule_is_named_by_how_its_title_begins_in_either_language(
    rule: Path, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert why("a failed", f"{log}:1", "--rules", rule) == 0
    assert "“A Failed Log-on” matches" in capsys.readouterr().out
    own = next(iter(own_words().items()))
    assert why(own[1].title.ja[:-1], f"{log}:4") == 1
    assert own[1].title.en in capsys.readouterr().out


def test_what_stood_there_is_said_once_for_tests_in_a_row(
    rule: Path, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = rule.read_text(encoding="utf-8").partition("---")[0]
    rule.write_text(text.replace("startswith: adm", "contains|all: [x, d, m]"), encoding="utf-8")
    assert why(rule, f"{log}:1") == 1
    out = capsys.readouterr().out
    assert [out.count(part) for part in ("“*x*”  ← admin", "“*d*”", "← admin")] == [1, 1, 1]


def test_a_line_that_tells_of_a_log_on_is_seen_as_a_hunt_sees_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rule, log = tmp_path / "ssh.yml", tmp_path / "auth.log"
    rule.write_text(SSH_RULE, encoding="utf-8")
    log.write_text(
        "2026-11-23T01:20:54Z gate sshd[7]: Server listening on 0.0.0.0 port 22.\n"
        "2026-11-23T01:20:55Z gate sshd[8]: Accepted publickey for taro from 203.0.113.9 port 5\n"
    )
    assert main(["hunt", str(log), "--rules", str(rule), "--quiet", "--format", "json"]) == 1
    shown = json.loads(capsys.readouterr().out)
    assert why(rule, f"{shown['file']}:{shown['record']}") == 0
    assert "✔ logon_user is “taro”  ← taro" in capsys.readouterr().out
    assert why(rule, f"{log}:1") == 1


def test_every_event_of_a_record_is_judged(
    rule: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = [windows_event(4624), windows_event(4625, TargetUserName="admin")]
    log = tmp_path / "two.jsonl"
    log.write_bytes(json_lines([windows_event(4624), {"Records": two}]))
    assert why(rule, f"{log}:2", "--format", "json") == 0
    said = [json.loads(line)["matched"] for line in capsys.readouterr().out.splitlines()]
    assert said == [False, True]


def test_with_the_library_it_says_what_was_decided(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    first = RULE.partition("---")[0].encode()
    id_ = "6f1c0f3e-6d0b-4a59-9a77-3b0a5a9e9f11"
    with open_house(Settings(data=data, organisation="x")) as house:
        who = command_principal(house.box)
        prepared = service.prepare_files(
            house.database, who, service.new_source("T"), "r.zip", pack({"a.yml": first})
        )
        with house.database.write(who) as tx:
            service.take_over(tx, prepared)
            service.suppress_matches(
                tx, rule_id=id_, condition="IpAddress: 203.0.113.9", reason="our own scanner",
                ends_at=tx.now + timedelta(days=3),
            )  # fmt: skip
    asked = (id_, f"{log}:1", "--library", "--data", data)
    assert why(*asked) == 0
    assert "known and harmless (our own scanner)" in capsys.readouterr().out
    with open_house(Settings(data=data, organisation="x")) as house:
        who = command_principal(house.box)
        with house.database.write(who) as tx:
            service.tune_rule(tx, id_, "off", "too loud here")
    assert why(*asked, "--format", "json") == 0
    assert "turned off (too loud here)" in json.loads(capsys.readouterr().out)["left_out"]


def test_an_event_is_found_in_every_packing(tmp_path: Path) -> None:
    lines = json_lines([windows_event(4624), windows_event(4625)])
    (tmp_path / "a.gz").write_bytes(gzip.compress(lines))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x/b.jsonl", lines)
        archive.writestr("c.xml", windows_xml(4625))
    for place in ("a.gz:2", "a.zip » x/b.jsonl:2", "a.zip » c.xml:1"):
        (event,) = find_events(str(tmp_path / place), Reading())
        assert (event.event_id, f"{event.file}:{event.record}") == (4625, str(tmp_path / place))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared EVTX files are not here")
def test_an_event_of_evtx_is_the_one_that_a_hunt_names() -> None:
    sample = next(SHARED.rglob("DE_RDP_Tunneling_4624.evtx"))
    (event,) = find_events(f"{sample}:15", Reading())
    assert (event.record, event.event_id) == (15, 4624)
    assert event.fields["IpAddress"] == "127.0.0.1"

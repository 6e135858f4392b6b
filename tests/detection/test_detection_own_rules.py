"""Our own rules on telework: each finds what it is for, and not its neighbour."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sekisho.cli.main import main
from sekisho.detection.engine.reference import matches
from sekisho.detection.engine.shaping import Shaping, shape_value
from sekisho.detection.hunting.rulesets import own_rules
from sekisho.detection.language.loading import load_folder
from sekisho.detection.mapping import own_routing
from sekisho.detection.wording import find_in_titles, own_words, say_rule
from support.logs import json_lines, windows_event

CASES = Path(__file__).with_name("own_rules.json")


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep compiled rules out of the home of whoever runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def cases() -> Iterator[tuple[str, dict[str, Any], bool]]:
    for name, sides in msgspec.json.decode(CASES.read_bytes()).items():
        for side in ("hit", "miss"):
            for event in sides[side]:
                yield name, event, side == "hit"


def test_every_rule_loads_and_has_its_hit_and_its_miss() -> None:
    rules = load_folder([own_rules()])
    assert not rules.faults
    tested = msgspec.json.decode(CASES.read_bytes())
    assert {rule.name for rule in rules.rules} == set(tested)
    assert all(sides["hit"] and sides["miss"] for sides in tested.values())


@pytest.mark.parametrize(("name", "event", "wanted"), list(cases()))
def test_a_rule_finds_what_it_is_for(name: str, event: dict[str, Any], wanted: bool) -> None:
    rule = next(rule for rule in load_folder([own_rules()]).rules if rule.name == name)
    made = shape_value(event, Shaping(recognise=own_routing().recognise), "f", 1)
    if "logon_outcome" in event:
        made = msgspec.structs.replace(
            made, source=msgspec.structs.replace(made.source, category="authentication")
        )
    assert matches(rule, made, own_routing()) is wanted


def ssh_lines(failures: int, users: int) -> str:
    lines = [
        f"Nov 23 01:20:{n:02} gw sshd[7]: Failed password for user{n % users} from 198.51.100.7 "
        "port 4 ssh2\n"
        for n in range(failures)
    ]
    good = "Nov 23 01:25:00 gw sshd[7]: Accepted password for taro from 198.51.100.7 port 4 ssh2\n"
    return "".join(lines) + good


def titles(log: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    main(["hunt", str(log), "--format", "json", "--quiet", "--timezone", "UTC"])
    return [json.loads(line)["rule_title"] for line in capsys.readouterr().out.splitlines()]


def test_guessing_at_any_server_and_what_came_of_it_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "auth.log"
    log.write_text(ssh_lines(12, 1), encoding="utf-8")
    assert set(titles(log, capsys)) == {
        "VPN or SSH Passwords Guessed From One Address",
        "VPN or SSH Log-on After Guessing From the Same Address",
    }
    log.write_text(ssh_lines(6, 6), encoding="utf-8")
    assert set(titles(log, capsys)) == {"VPN or SSH Passwords Sprayed Over Many Accounts"}
    log.write_text(ssh_lines(5, 5), encoding="utf-8")
    assert not titles(log, capsys)


def test_spraying_over_windows_log_ons_is_found_from_six_accounts_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "spray.jsonl"
    bad = [
        windows_event(4625, LogonType=3, IpAddress="203.0.113.9", TargetUserName=f"user{n % 5}")
        for n in range(8)
    ]
    log.write_bytes(json_lines(bad))
    assert not titles(log, capsys)
    sixth = windows_event(4625, LogonType=10, IpAddress="203.0.113.9", TargetUserName="user5")
    elsewhere = windows_event(4625, LogonType=10, IpAddress="10.0.0.7", TargetUserName="user5")
    log.write_bytes(json_lines([*bad, elsewhere]))
    assert not titles(log, capsys)
    log.write_bytes(json_lines([*bad, sixth]))
    assert set(titles(log, capsys)) == {"Passwords Sprayed Over Many Accounts From One Address"}


def test_our_rules_speak_japanese_wherever_people_read_and_english_in_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = load_folder([own_rules()])
    documents = [*loaded.rules, *loaded.correlations]
    assert set(own_words()) == {document.id for document in documents}
    japanese = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
    for document in documents:
        words = own_words()[document.id]
        assert (words.title.en, words.description.en) == (document.title, document.description)
        assert tuple(each.en for each in words.harmless) == document.falsepositives
        for said in (words.title, words.description, *words.harmless):
            assert japanese.search(said.ja)
            assert not japanese.search(said.en)
    log = tmp_path / "auth.log"
    log.write_text(ssh_lines(6, 6), encoding="utf-8")
    asked = ["hunt", str(log), "--quiet", "--timezone", "UTC", "--language", "ja"]
    for form in ("text", "html"):
        main([*asked, "--format", form])
        written = capsys.readouterr().out
        assert "多数のアカウントへのVPN・SSHパスワードスプレー" in written
        assert "VPN or SSH Passwords Sprayed" not in written


def test_a_rule_under_another_title_goes_by_that() -> None:
    rule_id = "b493d476-8d6b-596d-b64b-ae7ed6f65cb2"
    assert say_rule(rule_id, "Ours Alone", "ja") == "Ours Alone"
    assert say_rule(rule_id, "Shadow Copies or Recovery Deleted", "en").startswith("Shadow")
    assert find_in_titles("シャドウコピー") == [rule_id]


def test_guessing_over_rdp_and_what_came_of_it_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = [windows_event(4625, LogonType=3, IpAddress="203.0.113.9", TargetUserName="taro")] * 10
    good = [windows_event(4624, LogonType=10, IpAddress="10.0.0.5", TargetUserName="taro")]
    log = tmp_path / "rdp.jsonl"
    log.write_bytes(json_lines(bad + good))
    assert set(titles(log, capsys)) == {"RDP or Windows Passwords Guessed From One Address"}
    (log_on,) = good
    log_on["Event"]["EventData"]["IpAddress"] = "203.0.113.9"
    log.write_bytes(json_lines([*bad, log_on]))
    assert "RDP Log-on After Guessing From the Same Address" in titles(log, capsys)

"""Events of Windows as other tools export them: opened, rules on their fields apply."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.cli.main import main
from sekisho.detection.engine.exports import open_export
from support.logs import json_lines, read_bytes

RULE = """title: Whoami
id: 6f1c0f3e-6d0b-4a59-9a77-3b0a5a9e9f14
logsource: {product: windows, category: process_creation}
detection:
    selection: {Image|endswith: '\\\\whoami.exe', CommandLine|contains: ' /all'}
    condition: selection
"""
SYSMON, PROVIDER = "Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-Sysmon"
DATA = {"Image": "C:\\Windows\\System32\\whoami.exe", "CommandLine": "whoami /all", "User": "taro"}
AT = 1_795_396_855_123_456
EVTXECMD = {
    "RecordNumber": 7, "TimeCreated": "2026-11-23 01:20:55.1234560", "EventId": 1, "Level": "Info",
    "Provider": PROVIDER, "Channel": SYSMON, "Computer": "GATE-01", "PayloadData1": "…",
    "Payload": json.dumps(
        {"EventData": {"Data": [{"@Name": name, "#text": text} for name, text in DATA.items()]}}
    ),
}  # fmt: skip
MESSAGE = "Process Create:\r\nRuleName: -\r\n" + "\r\n".join(f"{n}: {v}" for n, v in DATA.items())
POWERSHELL = {
    "Id": 1, "LogName": SYSMON, "ProviderName": PROVIDER, "MachineName": "GATE-01",
    "TimeCreated": "2026-11-23T01:20:55.123456Z", "Message": MESSAGE,
}  # fmt: skip
WAZUH = {
    "timestamp": "2026-11-23T01:21:00Z", "agent": {"name": "GATE-01"},
    "data": {"win": {
        "system": {"channel": SYSMON, "eventID": "1", "computer": "GATE-01",
                   "providerName": PROVIDER, "systemTime": "2026-11-23T01:20:55.123456Z"},
        "eventdata": {name[0].lower() + name[1:]: text for name, text in DATA.items()},
    }},
}  # fmt: skip
VIEWER = {
    "Level": "Information", "Date and Time": "11/23/2026 1:20:55 AM", "Source": PROVIDER,
    "Event ID": "1", "Task Category": "(1)", "extra": MESSAGE,
}  # fmt: skip
JAPANESE = {
    "レベル": "情報", "日付と時刻": "2026/11/23 1:20:55", "ソース": PROVIDER,
    "イベント ID": "1", "タスクのカテゴリ": "(1)", "extra": MESSAGE,
}  # fmt: skip


def as_csv(row: dict[str, Any]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, row)
    writer.writeheader()
    writer.writerow(row)
    return out.getvalue().encode()


FORMS = {
    "EvtxECmd as CSV": ("a.csv", as_csv(EVTXECMD)),
    "EvtxECmd as JSON": ("a.json", json_lines([EVTXECMD])),
    "PowerShell as CSV": ("a.csv", b"#TYPE x\r\n" + as_csv(POWERSHELL)),
    "PowerShell as JSON": ("a.json", json.dumps([POWERSHELL]).encode()),
    "Wazuh": ("a.jsonl", json_lines([WAZUH])),
}


VIEWED = (
    f'Information,2026/11/23 10:20:55,Microsoft-Windows-Sysmon,1,Process Create,"{MESSAGE}"\r\n'
)


@pytest.mark.parametrize(
    "names",
    [
        ("Level", "Date and Time", "Source", "Event ID", "Task Category"),
        ("レベル", "日付と時刻", "ソース", "イベント ID", "タスクのカテゴリ"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "cp932"])
def test_the_event_viewers_table_is_read_as_it_is_saved_in_japan(
    names: tuple[str, ...], encoding: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "rule.yml").write_text(RULE)
    (tmp_path / "a.csv").write_bytes(f"{','.join(names)}\r\n{VIEWED}".encode(encoding))
    rules = ("--rules", str(tmp_path / "rule.yml"), "--format", "json", "--quiet")
    assert main(["hunt", str(tmp_path / "a.csv"), *rules, "--timezone", "Asia/Tokyo"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["time"], found["details"]["User"]) == ("2026-11-23T01:20:55.000000Z", "taro")


@pytest.mark.parametrize("form", FORMS)
def test_an_exported_event_is_what_its_log_held(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name, content = FORMS[form]
    (event,), troubles = read_bytes(content, name)
    assert not troubles
    assert (event.channel, event.event_id, event.time) == (SYSMON, 1, AT)
    wanted = {**DATA, "Computer": "GATE-01", "Provider_Name": PROVIDER}
    assert {name: event.fields.get(name) for name in wanted} == wanted
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "rule.yml").write_text(RULE)
    (tmp_path / name).write_bytes(content)
    rules = ("--rules", str(tmp_path / "rule.yml"), "--format", "json", "--quiet")
    assert main(["hunt", str(tmp_path / name), *rules, "--timezone", "Asia/Tokyo"]) == 1
    assert json.loads(capsys.readouterr().out)["time"] == "2026-11-23T01:20:55.123456Z"


@pytest.mark.parametrize("row", [VIEWER, JAPANESE], ids=["English", "日本語"])
def test_the_table_of_the_event_viewer_is_opened_though_it_names_no_channel(
    row: dict[str, str],
) -> None:
    (event,), troubles = read_bytes(as_csv(row).replace(b",extra\r\n", b"\r\n"), "a.csv")

    assert not troubles
    assert (event.channel, event.event_id) == (SYSMON, 1)
    assert {name: event.fields.get(name) for name in DATA} == DATA
    assert event.time == AT // 1_000_000 * 1_000_000


def test_a_row_of_the_viewer_by_an_unknown_source_keeps_what_it_says() -> None:
    row = {**VIEWER, "Source": "Some Service"}
    assert open_export(row) is row


@pytest.mark.parametrize(
    "first",
    [
        "Creating Scriptblock text (2 of 3):",
        "スクリプト ブロック テキストを作成しています (2 個中 3 個目):",
    ],
)
def test_a_script_is_taken_out_of_its_message(first: str) -> None:
    message = f"{first}\r\n$a = 1\r\n\r\niex $a\r\n\r\nScriptBlock ID: 0f\r\nPath: C:\\a.ps1"
    provider = "Microsoft-Windows-PowerShell"
    opened = open_export({**POWERSHELL, "ProviderName": provider, "Message": message})

    assert opened["EventData"] == {
        "MessageNumber": "2", "MessageTotal": "3", "ScriptBlockText": "$a = 1\n\niex $a",
        "ScriptBlockId": "0f", "Path": "C:\\a.ps1",
    }  # fmt: skip


@pytest.mark.parametrize(
    "message",
    ["", "\n" * 300_000, "(1" * 200_000, "(1 of 1)" + "\nScriptBlock ID" * 50_000, "(1 of 1):\nx"],
    ids=["empty", "line breaks", "pieces", "ids", "no end"],
)
def test_a_message_that_is_no_script_costs_next_to_nothing(message: str) -> None:
    row = {**POWERSHELL, "ProviderName": "Microsoft-Windows-PowerShell", "Message": message}
    assert open_export(row) is row


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"C:\\Windows\\a.exe", r"C:\Windows\a.exe"),
        (r"\\\\srv\\share", r"\\srv\share"),
        (r"\\srv\share", r"\\srv\share"),
        (r"C:\Windows\a.exe", r"C:\Windows\a.exe"),
    ],
)
def test_backslashes_that_wazuh_doubled_are_single_again(written: str, meant: str) -> None:
    win = {"system": {"channel": SYSMON, "eventID": "1"}, "eventdata": {"image": written}}
    assert open_export({"data": {"win": win}})["Image"] == meant


def test_lines_of_several_systems_are_opened_each_for_itself(tmp_path: Path) -> None:
    """Wazuh's archive holds what every agent sent; what the first line says counts for it alone."""
    (tmp_path / "rule.yml").write_text(RULE)
    other = {"timestamp": "2026-11-23T01:20:00Z", "full_log": "sshd[1]: x", "data": {"srcip": "x"}}
    (tmp_path / "archives.json").write_bytes(json_lines([other, WAZUH, other]))
    out = tmp_path / "out.jsonl"
    rules = ("--rules", str(tmp_path / "rule.yml"), "--format", "json", "--quiet")
    assert main(["hunt", str(tmp_path / "archives.json"), *rules, "--output", str(out)]) == 1
    assert [json.loads(line)["record"] for line in out.read_text().splitlines()] == [2]


@pytest.mark.parametrize(
    ("payload", "data"),
    [
        ({"EventData": {"Data": {"@Name": "A", "#text": "b"}}}, {"A": "b"}),
        ({"EventData": {"Data": {"@Name": "A"}}}, {"A": ""}),
        ({"EventData": {"Data": "text"}}, {"Data": "text"}),
        ({"EventData": {"Data": ["a", "b"], "Binary": "00"}}, {"Data": ["a", "b"], "Binary": "00"}),
    ],
)
def test_payloads_of_every_shape_are_opened(payload: object, data: dict[str, Any]) -> None:
    opened = open_export({**EVTXECMD, "Payload": json.dumps(payload)})
    assert opened["EventData"] == data


def test_what_is_no_export_stays_what_it_is() -> None:
    values: list[dict[str, Any]] = [
        {"Payload": "no JSON", "EventId": 1}, {"Payload": "[1]", "EventId": 1}, {"Payload": "{}"},
        {"Message": MESSAGE, "ProviderName": "Other"}, {"data": {"win": 1}}, {"data": {}},
        {"data": {"win": {"eventdata": {}}}}, {"Message": None, "ProviderName": PROVIDER},
    ]  # fmt: skip
    for value in values:
        assert open_export(value) is value


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["Data", "@Name", "#text", "win", "system", "x"]), inner)
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(st.sampled_from([*EVTXECMD, *POWERSHELL, *WAZUH]), VALUES | st.just(MESSAGE))
)
def test_nothing_that_looks_like_an_export_makes_it_fail(value: dict[str, Any]) -> None:
    open_export(value)
    if isinstance(value.get("Payload"), dict | list):
        open_export({**value, "Payload": json.dumps(value["Payload"])})
    read_bytes(json_lines([value]))

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

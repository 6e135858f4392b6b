"""Records in which something was found: the short way and the long one make the same event."""

import json
from datetime import timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.detection.engine.compiled.found import read_event, read_json
from sekisho.detection.engine.shaping import Shaping, shape_value
from sekisho.detection.engine.windows import shape_windows

DEFENDER = "Microsoft-Windows-Windows Defender/Operational"
SYSTEM: dict[str, Any] = {
    "Provider": {"#attributes": {"Name": "Microsoft-Windows-Sysmon", "Guid": "5770385F"}},
    "EventID": 1,
    "Version": 5,
    "Level": 4,
    "Task": 1,
    "Opcode": 0,
    "Keywords": "0x8000000000000000",
    "TimeCreated": {"#attributes": {"SystemTime": "2026-11-29T01:02:03.456789Z"}},
    "EventRecordID": 77,
    "Correlation": {"#attributes": {"ActivityID": "74A48CA1", "RelatedActivityID": "0"}},
    "Execution": {"#attributes": {"ProcessID": 4, "ThreadID": 8, "KernelTime": 1}},
    "Channel": "Microsoft-Windows-Sysmon/Operational",
    "Computer": "PC-0001",
    "Security": {"#attributes": {"UserID": "S-1-5-18"}},
}
DATA: dict[str, Any] = {"Image": "C:\\\\a.exe", "ProcessId": 12, "Initiated": True, "Nothing": None}
ODD_VALUES: list[Any] = [
    None, "", 0, -1, 1.5, True, "text", 1 << 70, [], ["a", 1], {}, {"#text": 3}, {"a": {"b": 1}},
    {"#attributes": {}}, {"#attributes": {"Name": "x", "UserID": 1, "SystemTime": "1601-01-01"}},
    {"#attributes": {"Qualifiers": 0}, "#text": 4624}, "2026-11-29 01:02:03", "4624", "日本語",
]  # fmt: skip


def record(system: dict[str, Any], data: Any, **more: Any) -> bytes:
    event = {"#attributes": {"xmlns": "x"}, "System": system, "EventData": data, **more}
    return json.dumps({"Event": event}).encode()


def same(text: bytes, how: Shaping | None = None) -> None:
    """Hold both ways against each other, the order of the fields too."""
    how = how or Shaping()
    long = shape_value(read_json(text), how, "a.evtx", 3)
    short = read_event(text, how, "a.evtx", 3)
    assert short == long
    assert [*short.fields.items()] == [*long.fields.items()]
    assert [*map(type, short.fields.values())] == [*map(type, long.fields.values())]


def test_a_usual_record_is_read_with_all_its_fields() -> None:
    event = read_event(record(SYSTEM, DATA), Shaping(), "a.evtx", 3)

    assert event.fields == {
        "Provider_Name": "Microsoft-Windows-Sysmon", "Provider_Guid": "5770385F", "EventID": 1,
        "Version": 5, "Level": 4, "Task": 1, "Opcode": 0, "Keywords": "0x8000000000000000",
        "TimeCreated": "2026-11-29T01:02:03.456789Z", "EventRecordID": 77,
        "Correlation_ActivityID": "74A48CA1", "Execution_ProcessID": 4, "Execution_ThreadID": 8,
        "Channel": "Microsoft-Windows-Sysmon/Operational", "Computer": "PC-0001",
        "Security_UserID": "S-1-5-18", **DATA,
    }  # fmt: skip
    assert (event.channel, event.event_id) == ("Microsoft-Windows-Sysmon/Operational", 1)
    assert event.time == 1_795_914_123_456_789


def test_what_is_usual_is_not_taken_the_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this a name that Windows adds tomorrow would make the short way useless unseen."""
    monkeypatch.setattr("sekisho.detection.engine.compiled.found.shape_value", None)

    read_event(record(SYSTEM, DATA), Shaping(), "a.evtx", 3)


@pytest.mark.parametrize("name", ["Correlation", "Security"])
def test_elements_without_attributes_are_no_fields(name: str) -> None:
    text = record({**SYSTEM, name: None}, DATA)

    same(text)
    assert not any(field.startswith(name) for field in read_event(text, Shaping(), "", 1).fields)


@pytest.mark.parametrize("name", [*SYSTEM, "Computer", "User Name", "Provider_Name", "TimeCreated"])
def test_data_with_a_name_of_system_is_taken_alike(name: str) -> None:
    same(record(SYSTEM, {**DATA, name: "from the data"}))


@pytest.mark.parametrize("value", ODD_VALUES)
@pytest.mark.parametrize("name", SYSTEM)
def test_an_odd_value_in_system_is_taken_alike(name: str, value: Any) -> None:
    same(record({**SYSTEM, name: value}, DATA))


@pytest.mark.parametrize("name", SYSTEM)
def test_what_system_lacks_is_taken_alike(name: str) -> None:
    left = {other: value for other, value in SYSTEM.items() if other != name}
    same(record(left, DATA))


@pytest.mark.parametrize("data", [None, "", [], {}, "text", {"#attributes": "x", "a": 1}, 7])
def test_odd_data_is_taken_alike(data: Any) -> None:
    same(record(SYSTEM, data))


def test_names_of_defender_lose_their_blanks() -> None:
    text = record({**SYSTEM, "Channel": DEFENDER}, {"Threat Name": "EICAR"})

    same(text)
    assert read_event(text, Shaping(), "", 1).fields["ThreatName"] == "EICAR"


@pytest.mark.parametrize(
    "how",
    [Shaping(time_field="UtcTime"), Shaping(zone=timezone(timedelta(hours=9)))],
    ids=["a field of the time", "a zone"],
)
@pytest.mark.parametrize("time", ["2026-11-29T01:02:03.456789Z", "2026-11-29 01:02:03", "", "x"])
def test_times_are_read_alike(how: Shaping, time: str) -> None:
    system = {**SYSTEM, "TimeCreated": {"#attributes": {"SystemTime": time}}}
    same(record(system, {"UtcTime": "2026-11-28 10:00:00.123"}), how)


def test_wrong_utf_8_is_taken_alike() -> None:
    same(record(SYSTEM, {"Image": "C:\\a.exe"}).replace(b"a.exe", b"a\xff.exe"))


def test_a_name_that_stands_twice_counts_as_it_stands_last() -> None:
    same(record(SYSTEM, DATA).replace(b'"Version": 5', b'"Version": 5, "Version": 6'))
    same(record(SYSTEM, DATA).replace(b'"ProcessId": 12', b'"ProcessId": 12, "ProcessId": {}'))


VALUES = st.sampled_from(ODD_VALUES)
NAMES = st.sampled_from([*SYSTEM, "#attributes", "Image", "Provider_Name", "a b", "Threat.Name"])


@given(
    st.dictionaries(NAMES, VALUES, max_size=3),
    st.dictionaries(NAMES, VALUES, max_size=4),
    st.dictionaries(st.sampled_from(["UserData", "RenderingInfo", "System"]), VALUES, max_size=1),
)
def test_whatever_a_record_says_both_ways_agree(
    system: dict[str, Any], data: dict[str, Any], more: dict[str, Any]
) -> None:
    text = record({**SYSTEM, **system}, data, **more)
    try:
        shape_windows(read_json(text)["Event"])
    except (TypeError, AttributeError, KeyError, ValueError):
        return  # its System is no mapping
    same(text)

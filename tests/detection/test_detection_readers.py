"""Every format of logs, read to the same events, with bad records told and passed over."""

import csv
import io
import json
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sekisho.detection.sources.limits import Limits
from sekisho.detection.sources.sniffing import Format, sniff
from support.logs import json_lines, read_bytes, windows_event, windows_xml

AT = int(datetime(2026, 11, 23, 1, 20, 55, 123456, UTC).timestamp() * 1_000_000)
FLAT = {
    "EventID": "4625", "Channel": "Security", "Hostname": "GATE-01", "TargetUserName": "taro",
    "@timestamp": "2026-11-23T01:20:55.123456Z",
}  # fmt: skip
WINLOG = {
    "@timestamp": "2026-11-23T01:20:55.123456Z",
    "winlog": {
        "event_id": 4625, "channel": "Security", "computer_name": "GATE-01",
        "event_data": {"TargetUserName": "taro"},
    },
}  # fmt: skip


def as_csv(delimiter: str) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, FLAT, delimiter=delimiter)
    writer.writeheader()
    writer.writerow(FLAT)
    return out.getvalue()


FORMS = {
    "json lines": json_lines([windows_event()]),
    "json array": json.dumps([windows_event()]).encode(),
    "json pretty": json.dumps(windows_event(), indent=2).encode(),
    "json in UTF-16": json.dumps(windows_event()).encode("utf-16"),
    "xml bare": windows_xml().encode(),
    "xml wrapped": f'<?xml version="1.0"?><Events>{windows_xml()}</Events>'.encode("utf-8-sig"),
    "xml in UTF-16": windows_xml().encode("utf-16"),
    "flat": json_lines([FLAT]),
    "winlogbeat": json_lines([WINLOG]),
    "csv": as_csv(",").encode(),
    "csv with a mark": as_csv(",").encode("utf-8-sig"),
    "csv by semicolons": as_csv(";").encode(),
    "csv of PowerShell": b"#TYPE System.Diagnostics.Eventing.Reader\r\n" + as_csv(",").encode(),
    "csv of Excel": b"sep=;\r\n" + as_csv(";").encode(),
    "tsv in UTF-16": as_csv("\t").encode("utf-16"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_windows_event_is_the_same_in_every_format(form: str) -> None:
    events, troubles = read_bytes(FORMS[form])
    assert not troubles
    assert [(e.channel, e.event_id, e.time, e.record) for e in events] == [
        ("Security", 4625, AT, 1)
    ]
    assert events[0].fields["TargetUserName"] == "taro"
    assert "GATE-01" in events[0].fields.values()
    assert events[0].source.product == "windows"


VELOCIRAPTOR = {
    "System": {
        "Provider": {"Name": "P"}, "EventID": {"Value": 4625}, "Channel": "Security",
        "TimeCreated": {"SystemTime": 1795396855.25}, "Computer": "GATE-01",
    },
    "EventData": {"TargetUserName": "taro"},
}  # fmt: skip
FLATTENED = {
    "EventTime": "2026-11-23T01:20:55Z", "Computer": "GATE-01", "Channel": "Security",
    "EventID": 4625, "EventData": {"TargetUserName": "taro"}, "Message": "An account failed",
}  # fmt: skip
SYSMON = (
    "<Event><System><EventID>1</EventID><Channel>Linux-Sysmon/Operational</Channel></System>"
    '<EventData><Data Name="TargetUserName">taro</Data></EventData></Event>'
)


@pytest.mark.parametrize(
    ("content", "channel"),
    [
        (json_lines([VELOCIRAPTOR]), "Security"),
        (json_lines([FLATTENED]), "Security"),
        (b"Nov 23 01:20:55 GATE-01 nxlog: " + json_lines([FLAT]), "Security"),
        (b"<13>1 2026-11-23T01:20:55Z GATE-01 app - - - @cee: " + json_lines([FLAT]), "Security"),
        (f"Nov 23 01:20:55 GATE-01 sysmon: {SYSMON}\n".encode(), "Linux-Sysmon/Operational"),
    ],
)
def test_an_event_is_found_in_what_carries_it(content: bytes, channel: str) -> None:
    events, troubles = read_bytes(content)
    assert not troubles
    assert [(e.channel, e.fields["TargetUserName"]) for e in events] == [(channel, "taro")]
    assert events[0].time is not None


def test_json_within_a_line_changes_nothing_that_the_line_says() -> None:
    line = b'Nov 23 01:20:55 gate app[7]: {"host": "x", "program": "sshd", "user": "taro"}\n'
    (event,), _ = read_bytes(line)
    assert {n: event.fields[n] for n in ("host", "program", "user")} == {
        "host": "gate", "program": "app", "user": "taro",
    }  # fmt: skip
    assert event.fields["message"].startswith("{")
    assert event.source.product == "linux"
    (broken,), troubles = read_bytes(b"Nov 23 01:20:55 gate app[7]: {broken}\n")
    assert broken.fields["message"] == "{broken}"
    assert not troubles


@pytest.mark.parametrize(
    "encoding", ["utf-8", "cp932", "euc_jp", "utf-16", "utf-16-le", "utf-16-be"]
)
def test_japanese_text_is_read_in_the_encodings_of_japan(encoding: str) -> None:
    text = "日時,利用者,結果\n2026-11-23 10:20:55,太郎,認証に失敗しました\n"
    events, troubles = read_bytes((text * 1).encode(encoding), "ログ.csv")
    assert not troubles
    assert [dict(e.fields) for e in events] == [
        {"日時": "2026-11-23 10:20:55", "利用者": "太郎", "結果": "認証に失敗しました"}
    ]


def test_half_width_kana_of_windows_stay_what_they_are() -> None:
    line = "Nov 23 01:20:55 gate app[7]: ﾛｸﾞｵﾝ ｼｯﾊﾟｲ ﾃﾞｽ\n"
    (event,), _ = read_bytes(line.encode("cp932"))
    assert event.fields["message"] == "ﾛｸﾞｵﾝ ｼｯﾊﾟｲ ﾃﾞｽ"


def test_a_bad_line_is_told_with_its_number_and_the_others_are_read() -> None:
    content = json_lines([windows_event()]) + b'{"broken": \n' + json_lines([windows_event(4624)])
    events, troubles = read_bytes(content)
    assert [(e.event_id, e.record) for e in events] == [(4625, 1), (4624, 3)]
    assert [(t.file, t.record) for t in troubles] == [("some.log", 2)]


def test_a_bad_value_between_pretty_printed_ones_is_passed_over() -> None:
    good = json.dumps(windows_event(), indent=1)
    events, troubles = read_bytes(f"{good}\n{{'single': quotes}}\n{good}\n".encode())
    assert [e.event_id for e in events] == [4625, 4625]
    assert [t.record for t in troubles] == [2]


def test_a_bad_event_between_xml_ones_is_passed_over() -> None:
    events, troubles = read_bytes(
        f"<Events>{windows_xml(1)}<Event><System></Event>{windows_xml(2)}</Events>".encode()
    )
    assert [(e.event_id, e.record) for e in events] == [(1, 1), (2, 3)]
    assert [t.record for t in troubles] == [2]


def test_xml_without_any_event_says_so() -> None:
    events, troubles = read_bytes(b'<?xml version="1.0"?><Objects><Object/></Objects>')
    assert (events, [t.record for t in troubles]) == ([], [None])
    assert read_bytes(b'<?xml version="1.0"?><Events></Events>') == ([], [])


def test_entities_of_xml_are_never_expanded() -> None:
    bomb = '<!DOCTYPE Events [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'
    hostile = windows_xml(1, "&b;") + windows_xml(2, '&file;<!DOCTYPE x SYSTEM "/etc/passwd">')
    events, troubles = read_bytes(f"{bomb}<Events>{hostile}{windows_xml(3)}</Events>".encode())
    assert [e.event_id for e in events] == [3]
    assert [t.record for t in troubles] == [1, 2]


def test_a_line_that_is_too_long_is_passed_over_without_being_held() -> None:
    limits = Limits(record=1000)
    content = json_lines([windows_event()]) + b'{"a": "' + b"x" * 5000 + b'"}\n'
    events, troubles = read_bytes(content + json_lines([windows_event(4624)]), limits=limits)
    assert [(e.event_id, e.record) for e in events] == [(4625, 1), (4624, 3)]
    assert [t.record for t in troubles] == [2]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_one_value_without_an_end_does_not_fill_the_memory(encoding: str) -> None:
    content = ('[{"a": [' + "1," * 3_000_000).encode(encoding)
    events, troubles = read_bytes(content, limits=Limits(record=100_000))
    assert not events
    assert troubles


def test_wrapped_events_are_taken_out_of_their_wrapper() -> None:
    for wrapper in ({"Records": [FLAT, FLAT]}, {"hits": {"hits": [{"_source": FLAT}] * 2}}):
        events, _ = read_bytes(json.dumps(wrapper, indent=1).encode())
        assert [(e.event_id, e.record) for e in events] == [(4625, 1), (4625, 2)]


def test_a_cell_may_hold_line_feeds() -> None:
    content = 'user,what,when\ntaro,"two\nlines",2026-11-23T01:20:55Z\nhanako,one,\n'
    events, troubles = read_bytes(content.encode())
    assert [e.fields["what"] for e in events] == ["two\nlines", "one"]
    assert [e.record for e in events] == [1, 2]
    assert not troubles


def test_a_mark_within_a_cell_opens_none_so_it_hides_no_rows() -> None:
    content = 'user,what\ntaro,5" disk\nhanako,attack\njiro,"two\nlines"\nsaburo,9" disk\n'
    events, troubles = read_bytes(content.encode(), "a.csv")
    assert [e.fields["user"] for e in events] == ["taro", "hanako", "jiro", "saburo"]
    assert not troubles


def test_a_long_cell_is_read_and_the_limit_of_the_process_stays() -> None:
    before = csv.field_size_limit()
    long = "x" * (before + 1)
    events, _ = read_bytes(f"user,what\ntaro,{long}\n".encode(), "a.csv")
    assert events[0].fields["what"] == long
    assert csv.field_size_limit() == before


def test_iis_names_its_columns_itself() -> None:
    content = (
        "#Software: Microsoft Internet Information Services 10.0\r\n#Fields: date time c-ip "
        "cs-method cs-uri-stem sc-status\r\n2026-11-23 01:20:55 203.0.113.9 GET /owa/ 401\r\n"
    )
    (event,), troubles = read_bytes(content.encode())
    assert event.fields["c-ip"] == "203.0.113.9"
    assert event.time == AT - 123456
    assert not troubles


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"ElfFile\x00rest", Format.EVTX),
        (b"", Format.EMPTY),
        (b"\x00" * 500, Format.EMPTY),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x01", Format.UNKNOWN),
        (b"[01:07:45:069] [1:2] [ERROR][com.x] - no JSON\n", Format.TEXT),
        (b"<34>Oct 11 22:14:15 host su: no XML\n", Format.TEXT),
        (b"2026-11-23,01:30:45.481,SID,-,a table without a header\n", Format.TEXT),
        (b'the end of a line"}\n{"a": 1}\n{"a": 2}\n', Format.JSONL),
        (b'[[[[\n{"a": 1}\n{"a": 2}\n{"a": ', Format.JSONL),
        (b'Nov 23 01:20:55 host app: got\n{"a": 1}\nNov 23 01:20:56 host app: x\n', Format.TEXT),
    ],
)
def test_the_first_bytes_tell_the_format(content: bytes, wanted: Format) -> None:
    assert sniff(content).format is wanted


@settings(deadline=None)
@example(b"ElfChnk\x00", "")
@example(b"ElfFile\x00" + b"x" * 200, "")
@given(
    st.binary(max_size=4000),
    st.sampled_from(["", "[", "{", "<Event>", "<", "a,b\n", "#Fields: a\n"]),
)
def test_no_bytes_make_a_reader_fail(content: bytes, start: str) -> None:
    events, _ = read_bytes(start.encode() + content, limits=Limits(record=500))
    assert all(e.record >= 1 for e in events)


@settings(deadline=None)
@given(st.text(max_size=2000), st.sampled_from(["[", "{", "<Event>", "a,b\n", "Nov 23 01:02:03 "]))
def test_no_text_makes_a_reader_fail(content: str, start: str) -> None:
    events, _ = read_bytes((start + content).encode("utf-8", "surrogatepass"))
    assert all(e.record >= 1 for e in events)

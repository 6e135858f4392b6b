"""Exports as they come: encodings, broken files, dates, mappings, and which row is which device."""

import contextlib
import csv
import io
import json
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.controls.catalogue import load_catalogue
from sekisho.controls.exports.dates import Order, parse_date
from sekisho.controls.exports.grid import LARGEST_FILE, Grid, read_grid
from sekisho.controls.exports.mapping import (
    ColumnMapping,
    FactRule,
    own_mappings,
    propose_columns,
    rank_mappings,
    read_mapping,
    write_mapping,
)
from sekisho.controls.exports.matching import (
    KnownDevice,
    MatchedBy,
    Outcome,
    Row,
    clean_serial,
    clean_uuid,
    read_export,
)
from sekisho.controls.model import VerdictKind
from sekisho.controls.reading import Source
from sekisho.kernel.errors import InvalidInputError, TooLargeError
from sekisho.kernel.ids import ControlID

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
TOKYO = ZoneInfo("Asia/Tokyo")
INTUNE = own_mappings()["intune-devices"]
HEAD = "Device name,Serial number,Primary user UPN,OS,Ownership,Last check-in,Encrypted\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp932"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_a_list_reads_the_same_whatever_wrote_it(encoding: str, delimiter: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows(
        [["端末名", "シリアル番号"], ["営業①の髙橋", "PF-2ABC\n9"], ["経理, 総務", "0012"]]
    )

    found = read_grid(text.getvalue().encode(encoding))

    assert found.columns == ("端末名", "シリアル番号")
    assert [cells for _, cells in found.rows] == [
        ("営業①の髙橋", "PF-2ABC\n9"), ("経理, 総務", "0012"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04rest", "Excel"),
        (b"%PDF-1.7", "PDF"),
        (b"\x1f\x8b\x08", "compressed"),
        (b"MZ\x90\x00", "program"),
        (b"<html><body>login</body></html>", "web page"),
        (b"", "headings"),
        (b"\n\n  \n", "headings"),
        (b"one column\nvalue\n", "headings"),
        (b'a,b\n1,2\n"x,3\n', "line 3"),
        (b"a,b\n1,\x00\n", "Line 2"),
        (b"[1, 2]", "no list of devices"),
        (b'{"value": []}', "no list of devices"),
        (b'{"value": [\n{"a": 1},\n{"a": }]}', "Line 3, column 7"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_export_is_told_by_what_it_is(content: bytes, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        read_grid(content)


def test_mixed_encodings_are_told_by_line_and_column() -> None:
    content = "名前,番号\n髙橋,1\n".encode() + "森下,2\n".encode("cp932")

    with pytest.raises(InvalidInputError, match="neither UTF-8 nor CP932") as error:
        read_grid(content)
    assert "Line " in str(error.value.message)


def test_a_million_rows_are_refused_early() -> None:
    with pytest.raises(TooLargeError, match="more than 200000 rows"):
        read_grid(b"a,b\n" + b"1,2\n" * 1_000_000)
    with pytest.raises(TooLargeError, match="bytes"):
        read_grid(b"a" * (LARGEST_FILE + 1))


def test_too_many_columns_and_too_long_cells_are_refused() -> None:
    with pytest.raises(TooLargeError, match="columns"):
        read_grid(",".join("c" * 600).encode())
    with pytest.raises(InvalidInputError, match="no CSV"):
        read_grid(b"a,b\n1," + b"x" * 200_000)
    csv.field_size_limit(500)  # as whoever read CSV before us in this process may have left it
    long = read_grid(b"a,b\n1," + b"x" * 20_000 + b"\n1,2\n")
    assert [problem.line for problem in long.problems] == [2]
    assert len(long.rows) == 1


def test_lines_that_do_not_fit_are_left_out_and_told() -> None:
    found = read_grid(b"a,b\n1,2\n3\n4,5,6\n7,8\n")

    assert [line for line, _ in found.rows] == [2, 5]
    assert [problem.line for problem in found.problems] == [3, 4]


def test_formulas_are_text_and_a_title_above_the_headings_is_passed_over() -> None:
    found = read_grid(b"Asset list,\nname,serial\n=cmd|' /C calc'!A0,=\"0012\"\n")

    assert found.columns == ("name", "serial")
    assert found.rows[0][1] == ("=cmd|' /C calc'!A0", "0012")


def test_json_of_graph_and_jamf_becomes_flat() -> None:
    found = read_grid(json.dumps(
        {"results": [{"udid": "A", "hardware": {"serialNumber": "S1"}, "groups": [1, 2],
                      "security": {"firewallEnabled": True, "x": None}}]}
    ).encode())  # fmt: skip

    assert dict(zip(found.columns, found.rows[0][1], strict=True)) == {
        "udid": "A", "hardware.serialNumber": "S1", "security.firewallEnabled": "true",
        "security.x": "",
    }  # fmt: skip


@given(st.binary(max_size=400))
def test_no_bytes_break_the_reader(content: bytes) -> None:
    with contextlib.suppress(InvalidInputError):
        found = read_grid(content)
        assert all(len(cells) == len(found.columns) for _, cells in found.rows)


JST = timezone(timedelta(hours=9))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T04:05:06Z", datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)),
        ("2026-11-23 04:05:06.1234567", datetime(2026, 11, 23, 4, 5, 6, tzinfo=JST)),
        ("2026/11/23 4:05", datetime(2026, 11, 23, 4, 5, tzinfo=JST)),
        ("2026-11-23T04:05:06+00:00", datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)),
        ("2026年11月23日 14時05分", datetime(2026, 11, 23, 14, 5, tzinfo=JST)),
        ("2026年11月23日(月)", datetime(2026, 11, 23, tzinfo=JST)),
        ("令和8年11月23日", datetime(2026, 11, 23, tzinfo=JST)),
        ("令和元年5月1日", datetime(2019, 5, 1, tzinfo=JST)),
        ("R8.11.23 午後 2:05", datetime(2026, 11, 23, 14, 5, tzinfo=JST)),
        ("H31/4/30", datetime(2019, 4, 30, tzinfo=JST)),
        ("11/23/2026, 2:05:00 PM", datetime(2026, 11, 23, 14, 5, tzinfo=JST)),
        ("23/11/2026 14:05", datetime(2026, 11, 23, 14, 5, tzinfo=JST)),
        ("２０２６／１１／２３", datetime(2026, 11, 23, tzinfo=JST)),
        ("46349.5", datetime(2026, 11, 23, 12, 0, tzinfo=JST)),
        ("1795406400", datetime.fromtimestamp(1795406400, UTC)),
        ("1795406400000", datetime.fromtimestamp(1795406400, UTC)),
        ("11/11/2026", datetime(2026, 11, 11, tzinfo=JST)),
        ("03/04/2026", None),
        ("2026-13-01", None),
        ("2026-02-30", None),
        ("令和99年13月1日", None),
        ("99999", None),
        ("yesterday", None),
        ("", None),
        ("x" * 500, None),
        ("2026-11-23 25:00", None),
    ],
)
def test_dates_as_programs_and_people_write_them(text: str, expected: datetime | None) -> None:
    assert parse_date(text, TOKYO) == expected


def test_who_says_the_order_gets_the_day() -> None:
    assert parse_date("03/04/2026", UTC, Order.MONTH_FIRST) == datetime(2026, 3, 4, tzinfo=UTC)
    assert parse_date("03/04/2026", UTC, Order.DAY_FIRST) == datetime(2026, 4, 3, tzinfo=UTC)


@given(st.text(max_size=40))
def test_no_text_breaks_the_dates(text: str) -> None:
    found = parse_date(text, TOKYO)
    assert found is None or found.tzinfo is not None


def test_own_mappings_are_sound_dated_and_about_rules_that_exist() -> None:
    known = load_catalogue().controls

    assert len(own_mappings()) >= 7
    for mapping in own_mappings().values():
        assert {rule.control_id for rule in mapping.facts} <= set(known), mapping.id
        assert "2026-" in mapping.source, "the source says when it was looked at"
        assert mapping.max_age <= timedelta(days=31)


@pytest.mark.parametrize(
    ("yaml", "line"),
    [
        ("columns: {serial: S}\nfacts: []\nmax_age: 3d\ntitle: {ja: あ, en: a}\nid: X!", 5),
        ("id: a-b\ntitle: {ja: あ, en: a}\nmax_age: 3d\nfacts: []\ncolumns: {seen: S}", 5),
        (("id: a-b\ntitle: {ja: あ, en: a}\nmax_age: 3d\ncolumns: {serial: S}\n"
         "facts:\n - {control: firewall, column: F, pass: [on], fail: [ON]}"), 6),
        (("id: a-b\ntitle: {ja: あ, en: a}\nmax_age: 3d\ncolumns: {serial: S}\nfacts: []\n"
         "time_zone: Mars/Base"), 6),
    ],
)  # fmt: skip
def test_faults_of_a_mapping_name_their_line(yaml: str, line: int) -> None:
    source = Source("m")
    read_mapping(yaml, source)
    assert line in {fault.line for fault in source.faults}


def test_a_mapping_made_in_the_page_reads_back_the_same() -> None:
    rule = FactRule(ControlID("firewall"), ("FW 状態",), frozenset({"有効"}), frozenset({"無効"}))
    text = write_mapping(
        "our-list", "資産台帳", {"serial": "製造番号", "seen": "最終: 確認"}, [rule],
        max_age_days=10, time_zone="Asia/Tokyo", order=Order.AUTO,
        values={"ownership": {"private": ["私物"], "company": []}},
    )  # fmt: skip
    source = Source("m")
    made = read_mapping(text, source)

    assert source.faults == []
    assert made is not None
    assert made.facts == (rule,)
    assert made.columns["seen"] == ("最終: 確認",)
    assert made.values["ownership"] == {"私物": "private"}


def test_japanese_headings_are_proposed() -> None:
    columns = (
        "No",
        "コンピュータ名",
        "製造番号",
        "使用者",
        "メールアドレス",
        "OS名",
        "最終通信日時",
    )
    assert propose_columns(columns) == {
        "name": 1, "serial": 2, "email": 4, "platform": 5, "seen": 6,
    }  # fmt: skip
    assert next(iter(rank_mappings(own_mappings(), HEAD.strip().split(",")))).id == "intune-devices"


KNOWN = [
    KnownDevice("dev_a", "company", "windows", serial="PF-2ABC9", name="MNT-L-0231"),
    KnownDevice("dev_b", "company", "windows", serial="PF2ABC10", name="MNT-L-0232",
                email="tanaka@example.jp"),
    KnownDevice("dev_p", "private", "darwin", email="mori@example.jp"),
]  # fmt: skip


def read(lines: str, mapping: ColumnMapping = INTUNE) -> list[Row]:
    return list(read_export(read_grid((HEAD + lines).encode()), mapping, KNOWN, NOW, NOW).rows)


@pytest.mark.parametrize(
    ("line", "outcome", "by", "device"),
    [
        ("X,pf2abc9,,Windows,Corporate,2026-11-23 01:00,True", "matched", "serial", "dev_a"),
        ("mnt-l-0231.corp.example.jp,,,Windows,Corporate,2026-11-23 01:00,True",
         "matched", "name", "dev_a"),
        ("MNT-L-0231,OTHER999,,Windows,Corporate,2026-11-23 01:00,True", "unmatched", "", None),
        ("MNT-L-0231,,,macOS,Corporate,2026-11-23 01:00,True", "unmatched", "", None),
        ("NEW,NEW12345,,Windows,Corporate,2026-11-23 01:00,True", "unmatched", "", None),
        ("NEW,To be filled by O.E.M.,tanaka@example.jp,Windows,Corporate,2026-11-23 01:00,True",
         "ambiguous", "email", None),
        ("MacBook,C02XYZ99,mori@example.jp,macOS,Personal,2026-11-23 01:00,True",
         "ambiguous", "email", None),
        ("MacBook,C02XYZ99,else@example.jp,macOS,Personal,2026-11-23 01:00,True",
         "left_out", "", None),
        ("iPhone,F4GH5678,,iOS,Corporate,2026-11-23 01:00,True", "left_out", "", None),
        (",,,Windows,Corporate,2026-11-23 01:00,True", "left_out", "", None),
    ],
)  # fmt: skip
def test_a_row_is_a_device_only_if_nothing_speaks_against_it(
    line: str, outcome: str, by: str, device: str | None
) -> None:
    (row,) = read(line + "\n")

    assert (row.outcome.value, row.matched_by.value, row.device_id) == (outcome, by, device)
    if "Personal" in line and outcome != "left_out":
        assert (row.name, row.serial) == ("", ""), "what names a private device is not kept"


@pytest.mark.parametrize(
    ("cell", "said"),
    [("True", "pass"), ("YES", "pass"), ("False", "fail"), ("", "unknown"), ("?", "unknown"),
     ("ｔｒｕｅ", "pass"), ("=TRUE()", "unknown"), ("<b>true</b>", "unknown")],
)  # fmt: skip
def test_any_value_that_was_not_named_is_unknown(cell: str, said: str) -> None:
    (row,) = read(f"X,PF2ABC9,,Windows,Corporate,2026-11-23 01:00,{cell}\n")
    assert row.facts == {"disk-encrypted": said}


@pytest.mark.parametrize("time", ["", "03/04/2026", "2031-01-01", "soon"])
def test_a_row_without_a_time_that_can_be_trusted_says_nothing(time: str) -> None:
    reading = read_export(
        read_grid(f"{HEAD}X,PF2ABC9,,Windows,Corporate,{time},True\n".encode()), INTUNE, KNOWN, NOW,
        NOW,
    )  # fmt: skip
    assert reading.rows[0].facts == {"disk-encrypted": "unknown"}
    assert [problem.line for problem in reading.problems] == [2]


def test_of_two_rows_about_one_device_the_latest_counts() -> None:
    rows = read(
        "A,PF2ABC9,,Windows,Corporate,2026-11-22 01:00,True\n"
        "B,PF2ABC9,,Windows,Corporate,2026-11-23 01:00,False\n"
    )
    assert [row.outcome for row in rows] == [Outcome.LEFT_OUT, Outcome.MATCHED]
    assert rows[1].facts == {"disk-encrypted": "fail"}
    twins = read(
        "A,PF2ABC9,,Windows,Corporate,2026-11-23 01:00,True\n"
        "B,PF2ABC9,,Windows,Corporate,2026-11-23 01:00,False\n"
    )
    assert twins[0].facts == {"disk-encrypted": "unknown"}, "at one time they differ"


def test_the_time_of_the_export_is_never_the_upload_where_rows_tell() -> None:
    (row,) = read("X,PF2ABC9,,Windows,Corporate,2026-10-01 01:00,True\n")
    assert row.seen_at == datetime(2026, 10, 1, 1, 0, tzinfo=UTC)


def test_two_enrolled_devices_with_one_serial_are_shown_and_not_guessed() -> None:
    known = [KnownDevice(f"dev_{n}", "company", "windows", serial="SAME1234") for n in range(2)]
    found = read_export(
        read_grid(f"{HEAD}X,SAME1234,,Windows,Corporate,2026-11-23,True\n".encode()), INTUNE, known,
        NOW, NOW,
    )  # fmt: skip
    assert found.rows[0].outcome is Outcome.AMBIGUOUS
    assert found.rows[0].matched_by is MatchedBy.SERIAL
    assert found.rows[0].candidates == ("dev_0", "dev_1")


def test_words_that_makers_put_in_place_of_numbers_are_none() -> None:
    nothing = (
        "To Be Filled By O.E.M.",
        "Default string",
        "0000000",
        "None",
        "N/A",
        "123456789",
        "X",
    )
    assert {clean_serial(word) for word in nothing} == {""}
    assert clean_uuid("00000000-0000-0000-0000-000000000000") == ""
    assert clean_uuid("FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF") == ""
    assert clean_uuid("4D8CD419-1892-4CFE-8D18-D1DD53CC7970") == "4d8cd41918924cfe8d18d1dd53cc7970"


cells = st.text(alphabet=st.characters(blacklist_categories=["Cs"]), max_size=20)


@given(st.lists(st.tuples(cells, cells, cells, cells, cells, cells, cells), max_size=5))
def test_no_row_breaks_the_matching_and_no_odd_word_passes(
    rows: list[tuple[str, ...]],
) -> None:
    grid = Grid(tuple(HEAD.strip().split(",")), tuple(enumerate(rows, 2)), "utf-8", "csv")
    reading = read_export(grid, INTUNE, KNOWN, NOW, NOW)

    assert len(reading.rows) == len(rows)
    for row, told in zip(reading.rows, rows, strict=True):
        if row.facts.get("disk-encrypted") == VerdictKind.PASS.value:
            assert told[6].strip().casefold() in {"true", "yes", "はい"} or not told[6].isascii()

"""Logs in bulk: every record counts once, bad ones are told, nothing is fatal or unbounded."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sekisho.detection.engine.compiled.matcher import Matcher
from sekisho.detection.engine.compiled.plan import make_plan
from sekisho.detection.engine.compiled.remembered import Remembered, Room
from sekisho.detection.hunting.processes import spread
from sekisho.detection.language.loading import RuleText, load_rules
from sekisho.detection.mapping import own_routing
from sekisho.detection.model import Event
from sekisho.detection.sources.bulk import Hunter
from sekisho.detection.sources.limits import Limits, Trouble, UnreadableError
from sekisho.detection.sources.stretches import Between, cut_lines
from sekisho.detection.sources.walking import Found

SHARED = Path(__file__).parents[3] / "shared" / "data" / "evtx"
PANACHE = "PanacheSysmon_vs_AtomicRedTeam01.evtx"
needs_evtx = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the shared EVTX files are not beside this checkout"
)
RULES = b"""
title: Whoami
id: 8b1b6a7e-6a53-4a3e-9d0e-3d3b4d6f0a01
logsource: {product: windows, category: process_creation}
detection: {s: {CommandLine|contains: whoami}, condition: s}
---
title: A word anywhere
id: 8b1b6a7e-6a53-4a3e-9d0e-3d3b4d6f0a02
logsource: {product: windows}
detection:
  words: ['sekurlsa::', "\\u30d1\\u30b9\\u30ef\\u30fc\\u30c9"]
  condition: words
---
title: Blank
id: 8b1b6a7e-6a53-4a3e-9d0e-3d3b4d6f0a03
logsource: {product: windows, service: system}
detection: {s: {EventID: 7045, Path: null}, condition: s}
"""
SYSMON = "Microsoft-Windows-Sysmon/Operational"


class Log:
    """Hunts, and keeps what came of it."""

    def __init__(self, limits: Limits | None = None, *, rules: bytes = RULES) -> None:
        loaded = load_rules([RuleText("rules.yml", rules)])
        assert not loaded.faults
        self.titles = {rule.id: rule.title for rule in loaded.rules}
        self.found: list[tuple[str, int, list[str]]] = []
        self.troubles: list[Trouble] = []
        self.hunter = Hunter(
            Matcher(make_plan(loaded.rules, own_routing())),
            self._found,
            self.troubles.append,
            watched=frozenset({("security", 4624)}),
            limits=limits or Limits(),
        )

    def _found(self, event: Event, ids: tuple[str, ...]) -> None:
        self.found.append((event.file, event.record, [self.titles[one] for one in ids]))

    def lines(self, *lines: bytes, name: str = "a.jsonl") -> None:
        self.hunter.jsonl(io.BytesIO(b"\n".join(lines)), name)
        self.hunter.finish()

    @property
    def events(self) -> int:
        return sum(self.hunter.tally.by.values())


def line(event_id: Any, data: Any, *, channel: str = SYSMON, escaped: bool = False) -> bytes:
    system = {
        "Provider": {"#attributes": {"Name": "P"}},
        "EventID": event_id,
        "TimeCreated": {"#attributes": {"SystemTime": "2026-11-02T03:04:05.000001Z"}},
        "Channel": channel,
        "Computer": "PC-1",
    }
    event = {"Event": {"System": system, "EventData": data}}
    return json.dumps(event, ensure_ascii=escaped).encode()


def test_both_kinds_of_process_events_are_found_in_one_pass() -> None:
    log = Log()
    log.lines(
        line(1, {"CommandLine": "WhoAmI /all"}),
        line(4688, {"CommandLine": "whoami"}, channel="Security"),
        line(1, {"CommandLine": "net"}),
    )
    assert log.found == [("a.jsonl", 1, ["Whoami"]), ("a.jsonl", 2, ["Whoami"])]
    assert log.hunter.tally.by == {(SYSMON, "PC-1"): 2, ("Security", "PC-1"): 1}
    assert log.hunter.tally.span() == (1793588645000001, 1793588645000001)


@pytest.mark.parametrize("escaped", [False, True])
@pytest.mark.parametrize("word", ["SEKURLSA::logon", "パスワード", "\u017fekurl\u017fa::"])
def test_keywords_are_found_however_they_are_written(word: str, escaped: bool) -> None:
    log = Log()
    log.lines(line(9999, {"Anything": f"x {word}"}, channel="Odd/Log", escaped=escaped))
    assert log.found == [("a.jsonl", 1, ["A word anywhere"])]


@pytest.mark.parametrize(
    ("wanted", "written"),
    [
        (b"whoami", b"who\\u0061mi"),
        (b"whoami", b"\\u0057HO\\u0041MI"),
        (b"'/all'", b"\\/ALL"),
        (b"'a\\\\b\"c'", b'a\\\\b\\"c'),
        (b"'a\\\\b\"c'", b"a\\u005cb\\u0022c"),
        (b"skip", b"\\u017fKIP"),
        (b"'\xd0\xba'", b"\\u041a"),
        (b"'\xd0\xba'", b"\xd0\x9a"),
    ],
)
def test_a_text_is_found_however_its_letters_are_written(wanted: bytes, written: bytes) -> None:
    log = Log(rules=RULES.replace(b"whoami", wanted))
    log.lines(line(1, {"CommandLine": "-X-"}).replace(b"-X-", b"-" + written + b"-"))
    assert log.found == [("a.jsonl", 1, ["Whoami"])]


FIELDS = b"""
title: By number
id: 8b1b6a7e-6a53-4a3e-9d0e-3d3b4d6f0b01
logsource: {product: windows, service: security}
detection: {s: {EventID: 4624, LogonType: 9, ElevatedToken: true}, condition: s}
---
title: By program
id: 8b1b6a7e-6a53-4a3e-9d0e-3d3b4d6f0b02
logsource: {product: windows, service: security}
detection: {s: {EventID: 4624, Image|endswith: '\\explorer.exe'}, condition: s}
---
title: By start
id: 8b1b6a7e-6a53-4a3e-9d0e-3d3b4d6f0b03
logsource: {product: windows, service: security}
detection: {s: {EventID: 4624, ParentImage|startswith: 'C:\\Windows\\'}, condition: s}
---
title: By digits
id: 8b1b6a7e-6a53-4a3e-9d0e-3d3b4d6f0b04
logsource: {product: windows, service: security}
detection: {s: {EventID: 4624, CommandLine|contains: '12345'}, condition: s}
---
title: By breaks
id: 8b1b6a7e-6a53-4a3e-9d0e-3d3b4d6f0b05
logsource: {product: windows, service: security}
detection: {s: {EventID: 4624, OriginalFileName|re: '\\n\\tb[\\n]c'}, condition: s}
"""


@pytest.mark.parametrize(
    ("data", "title"),
    [
        (b'"LogonType":9,"ElevatedToken":true', "By number"),
        (b'"ElevatedToken" : "True" , "LogonType" :\t"9"', "By number"),
        (b'"LogonType": [3, 9], "ElevatedToken": {"#text": "TRUE"}', "By number"),
        (b'"Logon\\u0054ype":9,"ElevatedToken":true', "By number"),
        (b'"LogonType":99,"ElevatedToken":true', None),
        (b'"LogonType":3,"Other":9,"ElevatedToken":true', None),
        (b'"LogonType":9.0,"ElevatedToken":true', "By number"),
        (b'"LogonType":0.9e1,"ElevatedToken":true', "By number"),
        (b'"LogonType":9.5,"ElevatedToken":true', None),
        (b'"Image":"C:\\\\EXPLORER.exe"', "By program"),
        (b'"Image" :\t"a\\\\\\"b\\"\\\\explorer.exe"', "By program"),
        (b'"Image":["x",["c:\\\\explorer.exe"]]', "By program"),
        (b'"Image":{"#attributes":{"a":"b"},"#text":"c:\\\\explorer.exe"}', "By program"),
        (b'"ParentImage":"c:\\\\explorer.exe","Image":"a"', None),
        (b'"ParentImage": "c:\\\\WINDOWS\\\\a"', "By start"),
        (b'"CommandLine":"a\\t\\n12345b"', "By digits"),
        (b'"CommandLine":912345', "By digits"),
        (b'"CommandLine":["a12345"]', "By digits"),
        (b'"CommandLine":"a","Other":12345', None),
        (b'"OriginalFileName":"a\\n\\tb\\u000Ac"', "By breaks"),
        (b'"OriginalFileName":"a\\u000a\\tb\\nc"', "By breaks"),
        (b'"OriginalFileName":"a\\n \\tb\\nc"', None),
        (b'"ParentImage":"d:\\\\c:\\\\windows\\\\a"', None),
    ],
)
def test_a_value_is_found_in_its_field_however_that_is_written(
    data: bytes, title: str | None
) -> None:
    log = Log(rules=FIELDS)
    log.lines(line(4624, "-", channel="Security").replace(b'"-"', b"{" + data + b"}"))
    assert log.found == [("a.jsonl", 1, [title] if title else [])]  # watched, so always there


def test_a_keyword_too_short_to_look_for_is_found_all_the_same() -> None:
    short = RULES.replace(b"'sekurlsa::'", b"'~'")
    log = Log(rules=short)
    log.lines(line(9999, {"Anything": "a~b"}, channel="Odd/Log"), line(9999, {}, channel="Odd/Log"))
    assert log.found == [("a.jsonl", 1, ["A word anywhere"])]


def test_an_empty_element_of_windows_is_null() -> None:
    log = Log()
    log.lines(
        line({"#text": 7045, "#attributes": {"Qualifiers": 16384}}, {"Path": ""}, channel="System"),
        line("7045", {"Path": "x"}, channel="System"),
        line(7045, {}, channel="System"),
    )
    assert [record for _, record, _ in log.found] == [1, 3]


def test_a_record_without_a_channel_is_held_against_every_rule() -> None:
    log = Log(rules=RULES.replace(b"{product: windows}", b"{product: windows, service: dhcp}"))
    lines = [
        line(1, {"CommandLine": "WhoAmI"}),
        line(7045, {"Other": "x"}),
        line(6, {"Anything": "x sekurlsa::y"}),
        line(6, {"CommandLine": "net"}),
    ]
    log.lines(*(one.replace(json.dumps(SYSMON).encode(), b"null") for one in lines))
    assert log.found == [
        ("a.jsonl", 1, ["Whoami"]),
        ("a.jsonl", 2, ["Blank"]),
        ("a.jsonl", 3, ["A word anywhere"]),
    ]
    assert log.hunter.tally.by == {(None, "PC-1"): 4}


@pytest.mark.parametrize("channel", [b"null", b'"System"'])
def test_data_called_as_a_part_of_system_is_found(channel: bytes) -> None:
    rule = RULES.replace(b", category: process_creation", b"").replace(
        b"CommandLine|", b"Security|"
    )
    log = Log(rules=rule.replace(b"whoami", b"explorer.exe"))
    text = line(1, {"Security": "C:\\explorer.exe"})
    log.lines(text.replace(json.dumps(SYSMON).encode(), channel))
    assert log.found == [("a.jsonl", 1, ["Whoami"])]


def test_unnamed_data_is_found_under_its_name() -> None:
    rule = RULES.replace(b"CommandLine|contains: whoami", b"Data|contains: svchost.exe")
    log = Log(rules=rule)
    log.lines(line(1, "C:\\svchost.exe"), line(1, ["a", "svchost.exe"]), line(1, {"Data": "a"}))
    assert [record for _, record, _ in log.found] == [1, 2]


def test_a_watched_event_is_handed_out_without_rules() -> None:
    log = Log()
    log.lines(line(4624, {"LogonType": 10}, channel="Security"))
    assert log.found == [("a.jsonl", 1, [])]


def test_bad_lines_are_told_and_the_others_read() -> None:
    log = Log()
    good = line(1, {"CommandLine": "whoami"})
    log.lines(b"\xef\xbb\xbf" + good, b"{", b"", b"[1]", b"\xff\xfe", good, b'{"Event": 1}', good)
    assert [record for _, record, _ in log.found] == [1, 6, 8]
    assert [trouble.record for trouble in log.troubles] == [2, 4, 5]


def test_wrong_utf8_does_not_hide_a_match() -> None:
    log = Log()
    log.lines(line(1, {"CommandLine": "whoami X"}).replace(b"X", b"\xff\xc0"))
    assert log.found == [("a.jsonl", 1, ["Whoami"])]


class Endless(io.RawIOBase):
    """A line of so many bytes without an end, then two that are fine; never in memory at once."""

    def __init__(self, size: int, after: bytes) -> None:
        super().__init__()
        self._left, self._after = size, after

    def read(self, size: int = -1, /) -> bytes:
        if self._left:
            block = min(size, self._left)
            self._left -= block
            return b"x" * block
        after, self._after = self._after, b""
        return after


def test_a_gigabyte_without_a_line_feed_takes_little_memory() -> None:
    log = Log(Limits(record=1 << 20))
    good = line(1, {"CommandLine": "whoami"})
    log.hunter.jsonl(Endless(1 << 30, b"\n" + good + b"\n" + good), "big.jsonl")
    log.hunter.finish()
    assert [record for _, record, _ in log.found] == [2, 3]
    assert [trouble.record for trouble in log.troubles] == [1]


def test_batches_run_over_files_and_keep_their_order() -> None:
    log = Log()
    for name in ("b", "a"):
        log.hunter.jsonl(io.BytesIO(line(1, {"CommandLine": "whoami"})), name)
    assert not log.found
    log.hunter.finish()
    assert [file for file, _, _ in log.found] == ["b", "a"]


@pytest.mark.parametrize("target", [1, 300, 1000, 4096])
def test_stretches_of_a_file_give_what_the_whole_does(tmp_path: Path, target: int) -> None:
    lines = [
        line(1, {"CommandLine": "whoami" if n % 3 else "net", "n": "x" * n}) for n in range(40)
    ]
    lines[7:7] = [b"", b"{bad}", b""]
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    whole, parts = Log(), Log()
    whole.lines(*lines, name="log")
    stretches = list(cut_lines(path, path.stat().st_size, target))
    for stretch in stretches:
        with path.open("rb") as file:
            parts.hunter.jsonl(Between(file, stretch), "log", stretch.first)
    parts.hunter.finish()
    assert len(stretches) > 1
    assert (parts.found, parts.troubles) == (whole.found, whole.troubles)
    assert parts.hunter.tally.by == whole.hunter.tally.by


def test_only_large_files_of_json_lines_are_spread(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(line(1, {"CommandLine": "whoami"}) * 1 + b"\n" + line(1, {}) + b"\n")
    size = path.stat().st_size
    spread_out = spread(Found(path, size), size // 3)
    assert [one.stretch and one.stretch.first for one in spread_out] == [1, 2]
    assert sum(one.size for one in spread_out) == size
    assert spread(Found(path, size), size) == [Found(path, size)]
    path.write_bytes(b"plain text\n" * 100)
    assert spread(Found(path, 1100), 100) == [Found(path, 1100)]
    path.unlink()
    assert spread(Found(path, 1100), 100) == [Found(path, 1100)]


def test_what_is_no_evtx_file_says_so() -> None:
    for content in (b"", b"ElfFile\x00", b"\x00" * 70_000):
        with pytest.raises(UnreadableError):
            Log().hunter.evtx(io.BytesIO(content), "x.evtx")


def _panache() -> bytes:
    return next(SHARED.rglob(PANACHE)).read_bytes()


def _torn() -> Iterator[tuple[str, bytes, int]]:
    whole = bytearray(_panache())
    yield "cut", bytes(whole[: 4096 + 65536 + 30000]), 66
    body = bytearray(whole)
    body[4096 + 65536 + 512 : 4096 + 65536 + 2000] = b"\xff" * 1488
    yield "block", bytes(body), 522
    head = bytearray(whole)
    head[4096 + 65536 : 4096 + 65536 + 8] = b"XXXXXXXX"
    yield "head", bytes(head), 522


@needs_evtx
def test_torn_blocks_are_told_and_the_others_read() -> None:
    whole = Log()
    whole.hunter.evtx(io.BytesIO(_panache()), "whole")
    whole.hunter.finish()
    assert whole.events == 565
    for name, content, left in _torn():
        log = Log()
        log.hunter.evtx(io.BytesIO(content), name)
        log.hunter.finish()
        assert log.events == left, name
        assert log.troubles, name


def test_what_the_same_values_came_to_is_not_taken_for_other_values() -> None:
    rules = RULES.replace(b"{s: {CommandLine|contains: whoami}, condition: s}", b"""
  s: {CommandLine|contains: whoami}
  t: {Elevated: 'true'}
  condition: s and t""")  # fmt: skip
    log = Log(rules=rules)
    values = [True, 1, True, 1, 1.0, "true", [True], [1], True, None, "TRUE", {"a": 1}]
    log.lines(*(
        line(1, {"CommandLine": "whoami", "Elevated": value, "ProcessId": at})
        for at, value in enumerate(values)
    ))  # fmt: skip
    assert [record for _, record, _ in log.found] == [1, 3, 6, 7, 9, 11]


def test_what_is_remembered_has_a_bound() -> None:
    room = Room(size=1_000)
    kinds = [Remembered(room, lambda _worth: [0]) for _ in range(2)]
    worth = frozenset({1})
    for at in range(100):
        key = kinds[at % 2].key(worth, (f"{at:0100}",))
        kinds[at % 2].keep(key, (at,))
    known = [
        kind.get(kind.key(worth, (f"{at:0100}",))) for at in range(100) for kind in kinds
    ]  # fmt: skip
    assert sum(one is not None for one in known) <= 5
    assert known[-1] == (99,)
    kinds[0].keep(key := kinds[0].key(worth, ("x" * 10_000,)), (1,))
    assert kinds[0].get(key) is None


def test_a_provider_without_a_name_leaves_the_word_to_the_data() -> None:
    log = Log(rules=RULES.replace(b"CommandLine|contains: whoami", b"Provider_Name: who"))
    record = json.loads(line(1, {"Provider_Name": "WHO"}))
    record["Event"]["System"]["Provider"] = {"#attributes": {}}
    log.lines(json.dumps(record).encode())
    assert [number for _, number, _ in log.found] == [1]

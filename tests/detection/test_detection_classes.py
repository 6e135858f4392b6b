"""Kinds with many rules are told apart by values: the same rules as by the reference, for less."""

import json
from typing import Any

import pytest

from sekisho.detection.engine.compiled.bulk import Bulk, Seen
from sekisho.detection.engine.compiled.lines import Lines
from sekisho.detection.engine.compiled.literals import required_run
from sekisho.detection.engine.compiled.matcher import Matcher
from sekisho.detection.engine.compiled.plan import make_plan
from sekisho.detection.engine.reference import matches
from sekisho.detection.engine.shaping import Shaping, shape_value
from sekisho.detection.language.loading import RuleText, load_rules
from sekisho.detection.mapping import own_routing

SYSMON = "Microsoft-Windows-Sysmon/Operational"
CONDITIONS = {
    "program": r"{s: {Image|endswith: '\cmd.exe'}, condition: s}",
    "either": r"{s: [{Image|endswith: '\cmd.exe'}, {OriginalFileName: Cmd.Exe}], condition: s}",
    "both": r"{s: {Image|endswith: '\cmd.exe', CommandLine|contains: whoami}, condition: s}",
    "mixed": r"{s: {ParentImage|endswith: '\a.exe'}, t: {CommandLine|contains: ' -q'},"
    " condition: s or t}",
    "two texts": "{s: {CommandLine|contains|all: [whoami, priv]}, condition: s}",
    "parent": "{s: {ParentCommandLine|contains: -enc, CommandLine|contains: dir}, condition: s}",
    "not": r"{s: {Image|contains: '\'}, f: {Image|endswith: .exe}, condition: not f and s}",
    "no path": r"{f: {Image|contains: '\'}, g: {Image: Registry}, condition: not f and not g}",
    "same": "{s: {Image|fieldref: ParentImage}, condition: s}",
    "null": "{s: {OriginalFileName: null, CommandLine|contains: whoami}, condition: s}",
    "exists": "{s: {Product|exists: true, CommandLine|contains: whoami}, condition: s}",
    "long run": r"{s: {CommandLine|re: '\s[a-fA-F0-9]{40}\s'}, condition: s}",
    "some": r"{a1: {Image|endswith: .com}, a2: {CommandLine|contains: dir},"
    " a3: {Company: Evil}, condition: 2 of a*}",
    "cased": "{s: {Image|cased: 'C:\\A.EXE'}, condition: s}",
    "letters": "{s: {Description|contains: straße}, condition: s}",
    "word": "{k: [sekretwort], s: {Image|endswith: '.exe'}, condition: s and not k}",
}
RULES = "\n---\n".join(
    f"title: 'When {title}'\nid: 8b1b6a7e-6a53-4a3e-9d0e-3d3b4d6f{number:04x}\n"
    f"logsource: {{category: process_creation, product: windows}}\ndetection: {detection}"
    for number, (title, detection) in enumerate(CONDITIONS.items())
)
RUN = "0123456789abcdefABCDEF0123456789abcdef01"
PROCESSES: tuple[dict[str, Any], ...] = (
    {"Image": r"C:\Windows\cmd.exe", "CommandLine": "cmd /c WHOAMI /priv"},
    {"Image": r"C:\Windows\CMD.EXE", "CommandLine": "x -q", "OriginalFileName": "Cmd.Exe"},
    {"Image": r"C:\b.com", "CommandLine": "dir", "Company": "Evil"},
    {"Image": r"C:\b.com", "CommandLine": "x", "Company": "Evil"},
    {"Image": "Registry", "CommandLine": ""},
    {"Image": "vmmem"},
    {"CommandLine": "whoami"},
    {"Image": r"C:\A.EXE", "ParentImage": r"c:\a.exe", "CommandLine": "whoami", "Product": ""},
    {"Image": r"C:\A.EXE", "OriginalFileName": "", "CommandLine": "whoami", "Product": None},
    {"Image": None, "OriginalFileName": None, "CommandLine": "whoami"},
    {"Image": ["x", r"C:\Windows\cmd.exe"], "CommandLine": "whoami"},
    {"Image": r"C:\Windows\cmd.exe", "CommandLine": ["x", "whoami"]},
    {"Image": 7, "CommandLine": 12, "OriginalFileName": True},
    {"Image": {"#text": r"C:\Windows\cmd.exe"}, "CommandLine": "whoami"},
    {"Image": r"C:\x.exe", "CommandLine": f"x {RUN} y"},
    {"Image": r"C:\x.exe", "CommandLine": f"x {RUN[:30]} y"},
    {"Image": r"C:\x.exe", "CommandLine": "x", "Description": "STRASSE 1"},
    {"Image": r"C:\x.exe", "CommandLine": "sekretwort"},
    {"Image": r"C:\x.scr", "CommandLine": "dir", "ParentCommandLine": "p -ENC x"},
)


def bulk() -> tuple[Bulk, Any]:
    loaded = load_rules([RuleText("rules.yml", RULES.encode())])
    assert not loaded.faults
    return Bulk(Matcher(make_plan(loaded.rules, own_routing(), classes_from=1)), Shaping()), loaded


def record(data: dict[str, Any]) -> dict[str, Any]:
    system = {"Provider": {"#attributes": {"Name": "P"}}, "EventID": 1, "Channel": SYSMON,
              "TimeCreated": {"#attributes": {"SystemTime": "2026-11-02T00:00:00Z"}}}  # fmt: skip
    return {"Event": {"System": system, "EventData": data}}


def test_the_kind_is_told_apart_by_values() -> None:
    judging, _ = bulk()
    group = judging.matcher.group(SYSMON, 1)
    assert group is not None
    assert group.classes is not None


@pytest.mark.parametrize("escaped", [False, True])
def test_every_process_matches_as_by_the_reference(escaped: bool) -> None:
    judging, rules = bulk()
    table = own_routing()
    values = [record(one) for one in PROCESSES * 2]
    text = "\n".join(json.dumps(one, ensure_ascii=escaped) for one in values).encode()
    got = {
        one.event.record: judging.matcher.ids(one.rules)
        for one in judging.feed(Lines(text), lambda at: ("", at))
        if isinstance(one, Seen)
    }
    for at, value in enumerate(values):
        event = shape_value(value, Shaping(), "", at)
        wanted = tuple(rule.id for rule in rules.rules if matches(rule, event, table))
        assert got.get(at, ()) == wanted, PROCESSES[at % len(PROCESSES)]
    assert len(set().union(*got.values())) == len(CONDITIONS)


@pytest.mark.parametrize("values", [(..., "", None, "x"), ("x", None, "", ...)])
def test_what_is_not_there_is_remembered_apart_from_what_is_empty(values: tuple[Any, ...]) -> None:
    asked = ("|exists: true", "|exists: false", ": ''", ": null", "|re: '^$'")
    rules = "\n---\n".join(
        f"title: '{number}'\nid: rule-{number}\nlogsource: {{product: windows, "
        "category: process_creation}\n"
        f"detection: {{s: {{Image|endswith: a.exe, CommandLine{how}}}, condition: s}}"
        for number, how in enumerate(asked)
    )
    loaded = load_rules([RuleText("rules.yml", rules.encode())])
    assert not loaded.faults
    judging = Bulk(Matcher(make_plan(loaded.rules, own_routing(), classes_from=1)), Shaping())
    for value in values * 2:
        data = {"Image": "a.exe"} if value is ... else {"Image": "a.exe", "CommandLine": value}
        event = shape_value(record(data), Shaping(), "", 0)
        wanted = [rule.id for rule in loaded.rules if matches(rule, event, own_routing())]
        found = judging.feed(Lines(json.dumps(record(data)).encode()), lambda at: ("", at))
        seen = [judging.matcher.ids(one.rules) for one in found if isinstance(one, Seen)]
        assert list(seen[0] if seen else ()) == wanted


def test_only_records_of_another_form_go_the_exact_way() -> None:
    judging, _ = bulk()
    text = "\n".join(json.dumps(record(one)) for one in PROCESSES).encode()
    judging.feed(Lines(text), lambda at: ("", at))
    # A list, a number or parts where a text is usual, and a keyword.
    assert judging.exactly == 5  # as many as there are above


def test_after_many_of_another_form_a_kind_is_searched_as_a_whole() -> None:
    judging, _ = bulk()
    odd = json.dumps(record({"Image": r"C:\cmd.exe", "CommandLine": 7})).encode()
    even = json.dumps(record({"Image": r"C:\cmd.exe", "CommandLine": "whoami"})).encode()
    for _ in range(3):
        judging.feed(Lines(b"\n".join([odd] * 500)), lambda at: ("", at))
    exactly = judging.exactly
    found = judging.feed(Lines(even), lambda at: ("", at))
    assert [len(one.rules) for one in found if isinstance(one, Seen)] == [5]
    assert judging.exactly == exactly


@pytest.mark.parametrize(
    ("pattern", "run"),
    [
        (r"\s[a-fA-F0-9]{64}\s[a-fA-F0-9]{16}", ("0123456789abcdef", 64)),
        (r"x[0-9]{40,}y", ("0123456789", 40)),
        (r"[a-z_]{40}", ("", 0)),
        (r"[^a]{40}", ("", 0)),
        (r"\w{40}", ("", 0)),
        (r"(?:[0-9]{40})?", ("", 0)),
        (r"[0-9]{0,40}", ("", 0)),
        ("[", ("", 0)),
    ],
)
def test_a_run_of_letters_is_known_only_where_it_is_sure(
    pattern: str, run: tuple[str, int]
) -> None:
    assert required_run(pattern) == run

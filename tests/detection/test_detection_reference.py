"""What rules mean for events, where they go, and why they did or did not match."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.detection.engine.derive import derive
from sekisho.detection.engine.explain import Joint, explain
from sekisho.detection.engine.globs import glob_matches
from sekisho.detection.engine.reference import matches
from sekisho.detection.engine.regexes import MOST_TIMEOUTS, RegexError, compile_regex
from sekisho.detection.engine.routing import suits
from sekisho.detection.engine.values import MISSING, addresses_in
from sekisho.detection.mapping import own_routing
from sekisho.detection.model import Derivation, Derived, Event, LogSource, Rule, RuleSet, Wildcard
from support.often import often
from support.sigma_rules import load_rule, load_text, verdicts, windows_event
from support.sigma_strategies import events, rule_sets

SYSMON = "Microsoft-Windows-Sysmon/Operational"
PROCESS = {"category": "process_creation", "product": "windows"}


@pytest.mark.parametrize(
    ("detection", "values", "held"),
    [
        ({"f": "münchen"}, ["MÜNCHEN", "munchen"], [0]),
        ({"f": "strasse"}, ["STRAẞE", "Strasse"], [0, 1]),
        ({"f|cased": "Ab"}, ["Ab", "ab"], [0]),
        ({"f": "a*c?"}, ["a\nbcd", "ac", "acx", "xacx"], [0, 2]),
        ({"f": r"a\*\\?"}, [r"a*\x", r"a*x", "ab\\x"], [0]),
        ({"f": 5}, [5, "5", 5.0, "5.0", True, [4, 5]], [0, 1, 2, 5]),
        ({"f": True}, [True, "TRUE", 1], [0, 1]),
        ({"f": ""}, ["", None, "x"], [0]),
        ({"f": None}, ["", None, "x", [], [None]], [1, 4]),
        ({"f|exists": True}, ["", None, {"g": 1}], [0, 1, 2]),
        ({"f|neq": "a"}, ["a", "b", ["a", "b"]], [1]),
        ({"f|gt": 5}, ["10", "9e0", " 6 ", "5", "x", "nan", "1e999", None, -7, 10**400], [0, 1, 2]),
        ({"f|lte": -1.5}, ["-1.5", -2, "-1"], [0, 1]),
        ({"f|cidr": "10.0.0.0/8"}, ["10.1.2.3", "::ffff:10.0.0.1", "10.1.2", "", "11.0.0.1"],
         [0, 1]),
        ({"f|cidr": "2001:db8::/33"},
         ["2001:DB8::1", "[2001:db8::2]", "2001:db8:8000::", "fe80::1%1"],
         [0, 1]),
        ({"f|windash|contains": " -e"}, ["x /E", "x –e", "x ‐e"], [0, 1]),
        ({"f|re": "^a.c$"}, ["abc", "abc\n", "ABC", "a\nc"], [0, 1]),
        ({"f|re|i|s": "^a.c$"}, ["ABC", "a\nc"], [0, 1]),
        ({"f|re|m": "^b$"}, ["a\nb\nc"], [0]),
        ({"f|re|startswith": "b|a"}, ["ab", "xa"], [0]),
        ({"f|re": "(?<!x)a(?=b)"}, ["ab", "xab"], [0]),
        ({"f|base64": "日本"}, ["5pel5pys", "5PEL5PYS"], [0]),
        ({"f|wide|base64offset|contains": "ping"}, ["xx cABpAG4AZw b", "AHAAaQBuAGcA"], [0, 1]),
        ({"f|hour|gte": 22}, ["2026-01-02T22:00:00+09:00", "2026-01-02", 1767394800, "x"], [0, 2]),
        ({"f|week": 53}, ["2026-12-31 00:00", "2026-02-30T00:00"], [0]),
        ({"f.g": "b"}, [{"g": "b"}, [{"g": "a"}, {"g": "b"}], {"g": {"h": "b"}}], [0, 1]),
        (["needle"], [{"deep": [{"er": "a NEEDLE"}]}, "need le"], [0]),
        ({"|re": "n[e]+dle"}, ["needle", "x"], [0]),
    ],
)  # fmt: skip
def test_a_test_holds_for_these_values_alone(
    detection: Any, values: list[Any], held: list[int]
) -> None:
    assert verdicts(detection, [{"f": value} for value in values]) == held
    if detection != {"f": None}:
        assert verdicts(detection, [{"needle": "x"}]) == []


@pytest.mark.parametrize("place", ["", "|startswith", "|endswith", "|contains"])
def test_a_field_is_held_against_another_as_plain_text(place: str) -> None:
    rule = {f"f|fieldref{place}": "g"}
    assert verdicts(
        rule, [{"f": "A*", "g": "a*"}, {"f": "ab", "g": "a*"}, {"f": "a"}, {"g": "a"}]
    ) == [0]


@settings(max_examples=often(300), deadline=None)
@given(
    st.lists(st.sampled_from(("a", "b", "*", "?")), max_size=7),
    st.text(alphabet="abc", max_size=8),
)
def test_a_pattern_matches_as_a_backtracking_one_would(signs: list[str], text: str) -> None:
    def slow(rest: list[str], left: str) -> bool:
        if not rest:
            return not left
        if rest[0] == "*":
            return any(slow(rest[1:], left[at:]) for at in range(len(left) + 1))
        return bool(left) and rest[0] in {"?", left[0]} and slow(rest[1:], left[1:])

    rule = load_rule({"f": "".join(signs) or "x"})
    event = Event({"f": text}, source=LogSource(category="conformance"))
    assert matches(rule, event, own_routing()) == slow(signs or ["x"], text)


def test_many_stars_cost_no_more_than_text_times_stars() -> None:
    parts = (Wildcard.MANY, "a") * 30 + (Wildcard.MANY, "b")
    begun = time.process_time()
    assert not glob_matches(parts, False, "a" * 50_000)
    assert time.process_time() - begun < 2


def test_expressions_that_would_never_end_are_given_up_and_counted() -> None:
    searcher = compile_regex("(?=(a+)+$)x|^(a|aa)+\\1$")
    begun = time.process_time()
    for _ in range(MOST_TIMEOUTS + 30):
        assert not searcher.found("a" * 60 + "b")
    assert searcher.timeouts == MOST_TIMEOUTS + 30
    assert time.process_time() - begun < 20


def test_an_expression_without_look_around_is_linear() -> None:
    searcher = compile_regex("(a+)+$")
    assert not searcher.found("a" * 100_000 + "b")
    assert searcher.timeouts == 0


@pytest.mark.parametrize(
    ("text", "found"), [("x" * 5, True), ("xxx\nxxxx", False), ("語" * 5, True)]
)
def test_a_long_line_is_told_by_its_length(text: str, found: bool) -> None:
    assert compile_regex(".{5,}").found(text) is found
    assert compile_regex(".{5,}", "s").found(text)
    assert compile_regex(".{5,}()").found(text) is found  # the same through RE2


@pytest.mark.parametrize(
    ("text", "least"),
    [
        ("10.0.0.255", 1),
        ("10.0.0.256", 0),
        ("010.0.0.1", 0),
        ("1.2.3.4\n", 1),
        ("::ffff:1.2.3.4", 2),
    ],
)
def test_addresses_are_read_strictly(text: str, least: int) -> None:
    assert len(addresses_in(text)) == least


@pytest.mark.parametrize(
    "pattern", ["(?=a)" + "(" * 40 + "a" + "+)+" * 20 + ")" * 20, "(", "x" * 30_000, "(?=" * 3000]
)
def test_an_expression_that_cannot_be_searched_safely_is_refused(pattern: str) -> None:
    with pytest.raises(RegexError):
        compile_regex(pattern)


def test_lone_surrogates_and_bytes_are_no_error() -> None:
    assert verdicts({"f|re": "a"}, [{"f": "\udc80a"}, {"f": b"\xffa"}]) == [0, 1]
    assert verdicts({"f|contains": "a"}, [{"f": "\udc80a"}, {"f": b"\xffa"}]) == [0, 1]


@settings(max_examples=often(100), deadline=None)
@given(rule_sets(most=3), st.lists(events(), max_size=4))
def test_the_explanation_comes_to_the_verdict_of_the_reference(
    loaded: RuleSet, some: list[Event]
) -> None:
    for rule in loaded.rules:
        for event in some:
            told = explain(rule, event, own_routing())
            assert told.matched == matches(rule, event, own_routing())
            for route in told.routes:
                assert route.condition is not None
                assert route.condition.held == route.matched


def test_the_explanation_says_what_was_tested_on_what() -> None:
    rule = load_rule(
        {
            "sel": {"Image|endswith": "\\a.exe"},
            "filter": {"User": "x"},
            "condition": "sel and not filter",
        },
        logsource=PROCESS,
    )
    event = windows_event(
        "Security", 4688, NewProcessName="C:\\b.exe", SubjectUserName="x", SubjectDomainName="-"
    )
    told = explain(rule, event, own_routing())
    assert not told.matched
    (route,) = [one for one in told.routes if one.fits]
    assert route.condition is not None
    selection, exclusion = route.condition.parts
    assert (selection.joint, selection.name, selection.held) == (Joint.NAMED, "sel", False)
    tested = selection.parts[0].tested
    assert tested is not None
    assert (tested.got, tested.sources) == (("C:\\b.exe",), ("NewProcessName",))
    assert (exclusion.joint, exclusion.held) == (Joint.NOT, False)


def test_the_explanation_tells_filters_apart() -> None:
    loaded = load_text(
        "title: R\nid: r\nlogsource: {category: conformance}\n"
        "detection: {s: {a: x}, condition: s}\n---\n"
        "title: F\nid: f\nlogsource: {category: conformance}\n"
        "filter: {rules: any, s: {u: b}, condition: not s}\n"
    )
    event = Event({"a": "x", "u": "b"}, source=LogSource(category="conformance"))
    (route,) = explain(loaded.rules[0], event, own_routing(), loaded.filters).routes
    assert route.condition is not None
    assert route.condition.held
    assert [(name, branch.held) for name, branch in route.filters] == [("f", False)]
    assert not route.matched


def process_rule(detection: Any) -> Rule:
    return load_rule(detection, logsource=PROCESS)


@pytest.mark.parametrize(
    ("detection", "fields"),
    [
        ({"Image|endswith": "\\cmd.exe"}, {"NewProcessName": "C:\\Windows\\cmd.exe"}),
        ({"ParentImage": "C:\\p.exe"}, {"ParentProcessName": "c:\\P.exe"}),
        ({"IntegrityLevel": "High"}, {"MandatoryLabel": "S-1-16-12288"}),
        ({"User": "CORP\\taro"},
         {"TargetUserName": "-", "TargetDomainName": "-",
          "SubjectUserName": "taro", "SubjectDomainName": "CORP"}),
        ({"ProcessId": 420}, {"NewProcessId": "0x1a4", "ProcessId": "0x1"}),
        ({"ParentProcessId": 1}, {"NewProcessId": "0x1a4", "ProcessId": "0x1"}),
        ({"CommandLine|contains": "whoami"}, {"CommandLine": "cmd /c WHOAMI"}),
        ({"OriginalFileName": None}, {"CommandLine": ""}),
    ],
)  # fmt: skip
def test_a_rule_on_processes_finds_them_in_the_security_log(
    detection: Any, fields: dict[str, str]
) -> None:
    rule = process_rule(detection)
    assert matches(rule, windows_event("Security", 4688, **fields), own_routing())
    assert not matches(rule, windows_event("Security", 4689, **fields), own_routing())


def test_a_rule_on_processes_finds_them_in_sysmon_whatever_the_case_of_the_channel() -> None:
    rule = process_rule({"Image|endswith": "\\cmd.exe"})
    assert matches(rule, windows_event(SYSMON.upper(), 1, Image="C:\\cmd.exe"), own_routing())
    assert not matches(rule, windows_event(SYSMON, 3, Image="C:\\cmd.exe"), own_routing())


def test_an_empty_text_is_null_in_windows_and_nowhere_else() -> None:
    rule = process_rule({"CommandLine": None})
    assert matches(rule, windows_event(SYSMON, 1, CommandLine=""), own_routing())
    stated = Event({"CommandLine": ""}, source=LogSource("process_creation", "windows"))
    assert not matches(rule, stated, own_routing())


@pytest.mark.parametrize(
    ("operation", "category"),
    [("%%1904", "registry_set"), ("%%1905", "registry_set"), ("%%1906", "registry_delete")],
)
def test_the_registry_is_found_in_the_security_log(operation: str, category: str) -> None:
    rule = load_rule(
        {
            "TargetObject": "HKLM\\SYSTEM\\CurrentControlSet\\Control\\Lsa\\x",
            "Details": "DWORD (0x00000001)",
        },
        logsource={"product": "windows", "category": category},
    )
    fields = {
        "ObjectName": "\\REGISTRY\\MACHINE\\SYSTEM\\ControlSet001\\Control\\Lsa",
        "ObjectValueName": "x",
        "NewValue": "1", "NewValueType": "%%1876", "OperationType": operation,
    }  # fmt: skip
    assert matches(rule, windows_event("Security", 4657, **fields), own_routing())
    other = {**fields, "OperationType": "%%1906" if category == "registry_set" else "%%1904"}
    assert not matches(rule, windows_event("Security", 4657, **other), own_routing())


@pytest.mark.parametrize(
    ("how", "values", "made"),
    [
        (Derivation.SAME, (MISSING, "x"), "x"),
        (Derivation.SAME, (MISSING, MISSING), MISSING),
        (Derivation.INTEGER, ("0x1A",), "26"),
        (Derivation.INTEGER, ("?",), "?"),
        (Derivation.ACCOUNT, ("-", "-", "D", "u"), "D\\u"),
        (Derivation.ACCOUNT, ("-", "u"), "u"),
        (Derivation.ACCOUNT, ("-", "-"), MISSING),
        (Derivation.INTEGRITY, ("s-1-16-8448",), "Medium"),
        (Derivation.INTEGRITY, ("S-1-16-1",), "S-1-16-1"),
        (Derivation.REGISTRY_PATH, ("\\REGISTRY\\USER\\S-1-5-21\\Run", "-"), "HKU\\S-1-5-21\\Run"),
        (Derivation.REGISTRY_DETAILS, ("17", "%%1883"), "QWORD (0x00000000-0x00000011)"),
        (Derivation.REGISTRY_DETAILS, ("00ff", "%%1875"), "Binary Data"),
        (Derivation.REGISTRY_DETAILS, ("calc", "%%1873"), "calc"),
        (Derivation.REGISTRY_DETAILS, (MISSING, MISSING), MISSING),
        (Derivation.REGISTRY_OPERATION, ("%%1906",), "DeleteValue"),
        (Derivation.DEVICE_PATH, (r"\device\HarddiskVolume12\Windows\a.exe",), r"C:\Windows\a.exe"),
        (Derivation.DEVICE_PATH, ("System",), "System"),
        (Derivation.DIRECTION, ("%%14593",), "true"),
        (Derivation.PROTOCOL, (17,), "udp"),
        (Derivation.PROGRAM, ("curl",), "/curl"),
        (Derivation.PROGRAM, ("./curl",), "./curl"),
        (Derivation.ARGUMENTS, ("curl", "-d", "a b", MISSING, MISSING), "curl -d a b"),
    ],
)
def test_fields_are_made_of_what_is_there(
    how: Derivation, values: tuple[Any, ...], made: Any
) -> None:
    held = {str(number): value for number, value in enumerate(values)}
    assert derive(Derived(tuple(held), how), held.__getitem__) == made


def test_what_no_event_log_holds_is_said() -> None:
    routed = own_routing().route(LogSource("file_rename", "windows"))
    assert "Kernel-File" in str(routed.reason)
    assert [route.channel for route in routed.routes] == [None]
    assert own_routing().route(LogSource("process_creation", "windows")).reason is None
    assert "No channel" in str(own_routing().route(LogSource(None, "windows", "nosuch")).reason)


@pytest.mark.parametrize(
    ("asked", "stated", "fits"),
    [
        (LogSource("webserver"), LogSource("webserver", "apache"), True),
        (LogSource("webserver", "apache"), LogSource("webserver"), True),
        (LogSource("webserver", "apache"), LogSource("webserver", "nginx"), False),
        (LogSource("webserver"), LogSource(None, "linux"), False),
        (LogSource("webserver"), LogSource(), False),
        (LogSource(), LogSource(), True),
        (LogSource(None, "linux", "sshd"), LogSource(None, "linux"), True),
    ],
)
def test_a_stated_source_must_say_some_of_what_is_asked_and_nothing_against_it(
    asked: LogSource, stated: LogSource, fits: bool
) -> None:
    assert suits(asked, stated) is fits


@pytest.mark.parametrize(
    ("fields", "source"),
    [
        (
            {"eventSource": "s3", "eventName": "x", "awsRegion": "r"},
            LogSource(None, "aws", "cloudtrail"),
        ),
        ({"cs-method": "GET", "cs-uri-stem": "/", "s-ip": "10.0.0.1"}, LogSource("webserver")),
        ({"_path": "rdp"}, LogSource(None, "zeek", "rdp")),
        ({"a": "b"}, None),
    ],
)
def test_a_log_is_told_by_fields_that_only_it_has(
    fields: dict[str, str], source: LogSource | None
) -> None:
    assert own_routing().recognise(fields) == source

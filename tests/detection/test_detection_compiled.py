"""The compiled matcher gives what the slow reference gives, for whatever rules and events."""

import json
from datetime import UTC
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sekisho.detection.engine.compiled.bulk import Bulk, Seen
from sekisho.detection.engine.compiled.classplan import LEAST_RULES
from sekisho.detection.engine.compiled.lines import Lines
from sekisho.detection.engine.compiled.matcher import Matcher
from sekisho.detection.engine.compiled.plan import make_plan
from sekisho.detection.engine.compiled.terms import Plan
from sekisho.detection.engine.reference import matches
from sekisho.detection.engine.shaping import Shaping, shape_line, shape_value, unwrap
from sekisho.detection.engine.textlines import Clock
from sekisho.detection.language.loading import RuleText, load_rules
from sekisho.detection.mapping import own_routing
from sekisho.detection.model import Event, LogSource, RuleSet
from support.often import often
from support.sigma_cases import Case, needs_shared, shared_cases
from support.sigma_strategies import events, rule_sets
from support.windows_strategies import crowds, lines, process_rules, records, windows_rules

TABLE = own_routing()
RELAXED: Any = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.filter_too_much],
}


def compiled(rules: RuleSet, classes_from: int = LEAST_RULES) -> Matcher:
    """Return a matcher whose plan went through its saved form."""
    packed = msgspec.msgpack.encode(make_plan(rules.rules, TABLE, classes_from=classes_from))
    return Matcher(msgspec.msgpack.decode(packed, type=Plan))


def by_reference(rules: RuleSet, event: Event) -> tuple[str, ...]:
    return tuple(rule.id for rule in rules.rules if matches(rule, event, TABLE))


def by_matcher(matcher: Matcher, event: Event) -> tuple[str, ...]:
    return matcher.ids(matcher.match(event))


@settings(max_examples=often(60), **RELAXED)
@given(rule_sets(), st.lists(events(), min_size=1, max_size=6))
def test_events_of_any_source_match_as_by_the_reference(rules: RuleSet, some: list[Event]) -> None:
    matcher = compiled(rules)
    for _ in range(2):
        for event in some:
            assert by_matcher(matcher, event) == by_reference(rules, event)


@settings(max_examples=often(60), **RELAXED)
@given(windows_rules(), st.lists(records(), min_size=1, max_size=6))
def test_events_of_windows_match_as_by_the_reference(rules: RuleSet, some: list[dict]) -> None:  # type: ignore[type-arg]
    matcher = compiled(rules)
    for record in some:
        event = shape_value(record, Shaping(), "", 1)
        assert by_matcher(matcher, event) == by_reference(rules, event)


@settings(max_examples=often(60), **RELAXED)
@given(
    windows_rules(),
    st.builds(
        Event,
        st.fixed_dictionaries(
            {},
            optional={
                "Channel": st.sampled_from(("Security", 1)),
                "EventID": st.sampled_from((1, "4688", True)),
            },
        ),
        st.sampled_from((None, "Security", "System")),
        st.sampled_from((None, 1, 4688)),
        st.sampled_from((LogSource(), LogSource(product="windows"), LogSource("process_creation"))),
    ),
)
def test_events_that_contradict_themselves_match_as_by_the_reference(
    rules: RuleSet, event: Event
) -> None:
    assert by_matcher(compiled(rules), event) == by_reference(rules, event)


@pytest.mark.parametrize("classes_from", [LEAST_RULES, 1])
@settings(max_examples=often(60), **RELAXED)
@given(windows_rules(), st.lists(lines(), min_size=1, max_size=8))
def test_records_in_bulk_match_as_by_the_reference(
    classes_from: int, rules: RuleSet, texts: list[bytes]
) -> None:
    hold_equal(classes_from, rules, texts)


@pytest.mark.parametrize("classes_from", [LEAST_RULES, 1])
@settings(max_examples=often(60), **RELAXED)
@given(process_rules(), crowds())
def test_records_that_are_alike_match_as_by_the_reference(
    classes_from: int, rules: RuleSet, texts: list[bytes]
) -> None:
    hold_equal(classes_from, rules, texts)


def hold_equal(classes_from: int, rules: RuleSet, texts: list[bytes]) -> None:
    """Judge records in bulk, twice, and by the reference; fail where the two differ."""
    bulk = Bulk(compiled(rules, classes_from), Shaping())
    wanted = []
    for at, text in enumerate(b"\n".join(texts).split(b"\n")):
        try:
            values = list(unwrap(json.loads(text.decode("utf-8", "replace"))))
        except ValueError:
            continue
        for value in values:
            if isinstance(value, dict):
                event = shape_value(value, Shaping(), "log", at + 1)
                wanted.append((at + 1, by_reference(rules, event)))
    for _ in range(2):
        results = bulk.feed(Lines(b"\n".join(texts)), lambda at: ("log", at + 1))
        got = {
            one.event.record: bulk.matcher.ids(one.rules)
            for one in results
            if isinstance(one, Seen)
        }
        assert got == {record: ids for record, ids in wanted if ids}


OTHER_WORDS = b"""
title: Connection
id: 8b1b6a7e-6a53-4a3e-9d0e-3d3b4d6f0c01
logsource: {product: windows, category: network_connection}
detection:
  s: {Image|endswith: ':\\Windows\\a.exe', Initiated: 'true', Protocol: tcp, DestinationPort: 88}
  condition: s
---
title: Access
id: 8b1b6a7e-6a53-4a3e-9d0e-3d3b4d6f0c02
logsource: {product: windows, category: file_access}
detection:
  s: {FileName|contains: '\\Credentials\\'}
  n: {Image: 'C:\\a.exe'}
  condition: s and not n
---
title: Program
id: 8b1b6a7e-6a53-4a3e-9d0e-3d3b4d6f0c03
logsource: {product: linux, category: process_creation}
detection: {s: {Image|endswith: /curl, CommandLine|contains: '-d @/etc/my key'}, condition: s}
"""


def security(event_id: int, **data: Any) -> Event:
    fields = {"Channel": "Security", "EventID": event_id, **data}
    return Event(fields, "Security", event_id, LogSource(product="windows"))


def audited(text: str) -> Event:
    return shape_line(f"type=EXECVE msg=audit(1:2): {text}", Shaping(), Clock(UTC, 0), "a", 1)


@pytest.mark.parametrize(
    ("event", "title"),
    [
        (
            security(
                5156,
                Application=r"\device\harddiskvolume3\windows\a.exe",
                Direction="%%14593",
                Protocol=6,
                DestPort="88",
            ),
            "Connection",
        ),
        (
            security(
                5156,
                Application=r"\device\harddiskvolume3\windows\a.exe",
                Direction="%%14592",
                Protocol=6,
                DestPort="88",
            ),
            None,
        ),
        (security(4663, ObjectType="File", ObjectName=r"C:\U\Credentials\x"), "Access"),
        (security(4663, ObjectType="Key", ObjectName=r"C:\U\Credentials\x"), None),
        (
            security(
                4663, ObjectType="File", ObjectName=r"C:\U\Credentials\x", ProcessName=r"c:\A.exe"
            ),
            None,
        ),
        (audited('argc=3 a0="curl" a1="-d" a2=402F6574632F6D79206B6579'), "Program"),
        (audited('argc=2 a0="/usr/bin/curl" a1="-d" a2="@/etc/my" a3="key"'), "Program"),
        (audited('argc=2 a0="xcurl" a1="-d" a2="@/etc/my" a3="key"'), None),
    ],
)
def test_other_logs_say_the_same_in_their_own_words(event: Event, title: str | None) -> None:
    loaded = load_rules([RuleText("rules.yml", OTHER_WORDS)])
    assert not loaded.faults
    matcher = Matcher(make_plan(loaded.rules, TABLE))
    titles = {rule.id: rule.title for rule in loaded.rules}
    wanted = by_reference(loaded, event)
    assert [titles[one] for one in wanted] == ([title] if title else [])
    assert by_matcher(matcher, event) == wanted


@needs_shared
@pytest.mark.parametrize("case", shared_cases("match"), ids=lambda case: case.name)
def test_a_conformance_case_comes_out_as_written(case: Case) -> None:
    loaded = case.load()
    if loaded.faults:
        assert "outcome" in case.raw
        return
    wanted = case.raw.get("rule")
    ids = {rule.id for rule in loaded.rules if wanted in {None, rule.name, rule.title}}
    matcher = compiled(loaded)
    found = {
        number
        for number, event in enumerate(case.events())
        if ids.intersection(by_matcher(matcher, event))
    }
    if "outcome" not in case.raw:
        case.judge(found)

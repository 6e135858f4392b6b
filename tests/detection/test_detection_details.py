"""What a line of the timeline says of its event: what made the rule match, and who and what."""

import pytest

from sekisho.detection.engine.details import ask_rule, pick_details
from sekisho.detection.language.loading import RuleText, load_rules

ENVELOPE = {
    "Provider_Name": "P", "EventID": 1, "Channel": "Security", "Computer": "GATE-01",
    "TimeCreated": "2026-11-23T01:20:55Z", "Level": 4, "Keywords": "0x0",
}  # fmt: skip
RULE = """
title: Sample
logsource: {{product: windows}}
fields: [{fields}]
detection:
    selection:
        EventID: 4662
        OddField|contains: x
        AccessMask: '0x100'
    known:
        ParentImage: y
    condition: selection and not known
"""


def asked(fields: str = "") -> tuple[str, ...]:
    text = RULE.format(fields=fields).encode()
    return ask_rule(load_rules([RuleText("rule.yml", text)]).rules[0])


def test_what_the_rule_looks_at_is_shown_and_not_its_exceptions() -> None:
    assert asked() == ("AccessMask", "OddField")
    event = {**ENVELOPE, "ParentImage": "p", "OddField": "xyz", "AccessMask": "0x100"}
    assert list(pick_details(asked(), event)) == ["AccessMask", "OddField", "ParentImage"]


def test_what_its_author_asks_for_comes_first() -> None:
    assert asked("Special, OddField")[:2] == ("Special", "OddField")
    picked = pick_details(asked("Special"), {"AccessMask": "1", "Special": "s", "OddField": "x"})
    assert list(picked) == ["Special", "AccessMask", "OddField"]


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        ({"ThreatName": "Trojan:X", "Path": "C:\\x", "SeverityID": "5"}, ["ThreatName", "Path"]),
        ({"Application": "a.exe", "SourcePort": "1", "DestAddress": "203.0.113.9"},
         ["Application", "DestAddress"]),
        ({"Unheard": "of", "Empty": "", "Nothing": None}, ["Unheard"]),
        ({"CommandLine": "", "Configuration": "sysmon -i"}, ["Configuration"]),
    ],
)  # fmt: skip
def test_every_event_says_something(event: dict[str, str], shown: list[str]) -> None:
    assert list(pick_details((), {**ENVELOPE, **event})) == shown


def test_long_values_and_many_fields_are_bounded() -> None:
    event: dict[str, object] = {f"Field{n}": "x" * 5_000 for n in range(50)}
    picked = pick_details(tuple(event), event)
    assert len(picked) == 8
    assert all(len(text) == 1_000 and text.endswith("…") for text in picked.values())
    assert pick_details((), {"CommandLine": ["a", "b"]}) == {"CommandLine": "a, b"}

"""Short ways to a loaded rule and to its verdict on one event."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from sekisho.detection.engine.reference import matches
from sekisho.detection.language.loading import RuleText, load_rules
from sekisho.detection.mapping import own_routing
from sekisho.detection.model import Event, LogSource, Rule, RuleSet


def load_text(text: str, values: Mapping[str, Sequence[str]] | None = None) -> RuleSet:
    """Load documents as they are written in one file ``rules.yml``."""
    return load_rules([RuleText("rules.yml", text.encode())], values=values)


def document(detection: Any, **more: Any) -> dict[str, Any]:
    """Return a rule's document; ``detection`` without a condition is one selection."""
    if not isinstance(detection, dict) or "condition" not in detection:
        detection = {"selection": detection, "condition": "selection"}
    said = {"title": "A rule", "logsource": {"category": "conformance"}, "detection": detection}
    return {**said, **more}


def load_rule(
    detection: Any, values: Mapping[str, Sequence[str]] | None = None, **more: Any
) -> Rule:
    """Load one rule that must be without fault."""
    loaded = load_text(yaml.safe_dump(document(detection, **more), allow_unicode=True), values)
    assert not loaded.faults, [str(fault) for fault in loaded.faults]
    (rule,) = loaded.rules
    return rule


def first_fault(detection: Any, **more: Any) -> str:
    """Load one rule that must be refused and say why (its line and what was got)."""
    loaded = load_text(yaml.safe_dump(document(detection, **more), sort_keys=False))
    assert not loaded.rules
    return f"{loaded.faults[0].line}: {loaded.faults[0].got}"


def verdicts(detection: Any, events: Sequence[dict[str, Any]], **more: Any) -> list[int]:
    """Return the numbers of the events that a rule matches."""
    rule = load_rule(detection, **more)
    source = LogSource(category="conformance")
    return [
        number
        for number, fields in enumerate(events)
        if matches(rule, Event(fields, source=source), own_routing())
    ]


def windows_event(channel: str, event_id: int, **fields: Any) -> Event:
    """Return an event of a Windows channel."""
    return Event(
        {"EventID": event_id, "Channel": channel, **fields},
        channel,
        event_id,
        LogSource(product="windows"),
    )

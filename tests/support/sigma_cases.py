"""Conformance cases of Sigma: a file of cases is a list of documents, events and expectations."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from sekisho.detection.engine.correlation.correlator import Correlator
from sekisho.detection.engine.correlation.plan import Hit, Plan, make_plan
from sekisho.detection.engine.reference import matches
from sekisho.detection.engine.values import text_of
from sekisho.detection.language.loading import RuleText, load_rules
from sekisho.detection.mapping import own_routing
from sekisho.detection.model import MICROSECONDS, Event, LogSource, Record, RuleSet

SHARED = Path(__file__).parents[3] / "shared" / "data"
CONFORMANCE = SHARED / "sigma-conformance"
STATED = LogSource(category="conformance")
needs_shared = pytest.mark.skipif(
    not CONFORMANCE.is_dir(), reason="the shared conformance cases are not beside this checkout"
)


@dataclass(frozen=True)
class Case:
    """One case as it is written in its file."""

    name: str
    raw: dict[str, Any]

    def load(self) -> RuleSet:
        """Load the case's documents, each from a file of its own where the case says so."""
        rules = self.raw["rules"]
        groups = [[one] for one in rules] if self.raw.get("separate_files") else [rules]
        texts = [
            RuleText(f"{number}.yml", yaml.safe_dump_all(group, allow_unicode=True).encode())
            for number, group in enumerate(groups)
        ]
        said = self.raw.get("placeholders", {})
        return load_rules(texts, values={name: [str(v) for v in said[name]] for name in said})

    def events(self) -> list[Event]:
        """Return the events, of the log source that the cases mean."""
        return [Event(fields, source=STATED) for fields in self.raw["events"]]

    def judge(self, matched: set[int]) -> None:
        """Hold the numbers of the events that matched against what the case allows."""
        wanted, allowed = set(self.raw.get("match") or []), set(self.raw.get("either") or [])
        assert wanted <= matched <= wanted | allowed, (self.name, matched)


def shared_cases(kind: str) -> list[Case]:
    """Return the shared cases of a kind, none where they are not there."""
    found = []
    for path in sorted(CONFORMANCE.glob("*.yml")):
        raw = yaml.safe_load(path.read_text("utf-8"))
        if raw["kind"] == kind:
            found.append(Case(path.stem, raw))
    return found


def matched_by_reference(case: Case, loaded: RuleSet) -> set[int]:
    """Return the numbers of the events that a case's rule matches, by the reference."""
    wanted = case.raw.get("rule")
    rules = [rule for rule in loaded.rules if wanted in {None, rule.name, rule.title}]
    return {
        number
        for number, event in enumerate(case.events())
        if any(matches(rule, event, own_routing()) for rule in rules)
    }


def as_group(said: Any) -> tuple[str, ...]:
    """Return a group as cases write it: one value, or a list of them."""
    return tuple(said) if isinstance(said, list) else (said,)


def first_fired(case: Case, loaded: RuleSet) -> dict[tuple[str, ...], int]:
    """Stream a case's events; return group → number of the event with which it first fired."""
    plan = make_plan(loaded)
    correlator = Correlator(plan)
    (judged,) = [one.id for one in loaded.correlations if one.name == case.raw["rule"]]
    first: dict[tuple[str, ...], int] = {}
    for number, event in enumerate(case.events()):
        for hit in _hits(case, loaded, plan, event, number):
            for fired in correlator.step(hit).fired:
                if fired.correlation_id == judged:
                    first.setdefault(tuple(fired.group.values()), number)
    return first


def _hits(case: Case, loaded: RuleSet, plan: Plan, event: Event, number: int) -> list[Hit]:
    written = datetime.fromisoformat(str(event.fields[case.raw["time_field"]]))
    time = round(written.timestamp() * MICROSECONDS)
    return [
        Hit(rule.id, time, Record("case", number + 1), {
            name: str(text_of(event.fields[name]))
            for name in plan.needs[rule.id]
            if name in event.fields
        })
        for rule in loaded.rules
        if rule.id in plan.needs and matches(rule, event, own_routing())
    ]  # fmt: skip

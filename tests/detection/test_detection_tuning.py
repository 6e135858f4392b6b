"""Tunings, suppressions and plans: pure judgement about rules."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from sekisho.cli.hunt_text import Sheet, draw_summary
from sekisho.detection.attack import own_attack_table
from sekisho.detection.engine.correlation.plan import Hit
from sekisho.detection.engine.planning import make_plan
from sekisho.detection.engine.summary import summarise
from sekisho.detection.engine.suppressing import Suppressor, write_rule
from sekisho.detection.engine.tuning import apply_tunings
from sekisho.detection.hunting.collecting import Part, Wanted
from sekisho.detection.hunting.result import make_timeline
from sekisho.detection.language.conditions_alone import read_condition
from sekisho.detection.language.loading import RuleText, load_rules
from sekisho.detection.library import DocumentKind, KeptRule, Suppression, Tuning
from sekisho.detection.model import (
    AllOf,
    Atom,
    Correlation,
    CorrelationKind,
    Exists,
    Level,
    LogSource,
    Node,
    Record,
    Rule,
    RuleFault,
    RuleSet,
)

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def _rule(id_: str, level: Level = Level.LOW) -> Rule:
    node = Atom("a", Exists())
    return Rule(
        id=id_, title=id_, level=level, logsource=LogSource(), selections={}, condition=node,
        tree=node,
    )  # fmt: skip


def _set(*ids: str, fed: tuple[str, ...] = ()) -> RuleSet:
    correlation = Correlation(
        id="c", title="c", kind=CorrelationKind.EVENT_COUNT, rules=fed, timespan=1
    )
    return RuleSet(tuple(map(_rule, ids)), (correlation,) if fed else (), (), (), "d")


def _tuning(id_: str, level: Level | None) -> Tuning:
    return Tuning(id_, level, "why", "per_1", NOW)


def test_a_level_of_ones_own_counts_and_off_is_off() -> None:
    tuned = apply_tunings(
        _set("a", "b", "d"), {"a": _tuning("a", Level.CRITICAL), "b": _tuning("b", None)}
    )
    assert [(r.id, r.level) for r in tuned.rules] == [("a", Level.CRITICAL), ("d", Level.LOW)]
    assert tuned.digest != "d"
    assert apply_tunings(_set("a"), {}).digest == "d"


def test_a_rule_that_is_off_still_feeds_a_correlation_but_silently() -> None:
    tuned = apply_tunings(_set("a", fed=("a",)), {"a": _tuning("a", None)})
    assert [(r.id, r.silent) for r in tuned.rules] == [("a", True)]
    off = {"a": _tuning("a", None), "c": _tuning("c", None)}
    assert apply_tunings(_set("a", fed=("a",)), off).rules == ()


def _suppression(
    rule_id: str = "r", condition: str = "", days: int = 1, ended: datetime | None = None
) -> Suppression:
    ends = NOW + timedelta(days=days)
    return Suppression("s", rule_id, condition, "why", "per_1", NOW, ends, ended)


def _read(text: bytes) -> tuple[Node | None, tuple[RuleFault, ...]]:
    return (None, ()) if b"bad" in text else (AllOf(()), ())


@pytest.mark.parametrize(
    ("suppression", "holds", "held"),
    [
        (_suppression(), False, True),
        (_suppression("other"), True, False),
        (_suppression("", "User: x"), True, True),
        (_suppression("r", "User: x"), False, False),
        (_suppression("r", "User: bad"), True, False),  # unreadable: nothing is held back
        (_suppression(days=0), True, False),  # its time is over
        (_suppression(ended=NOW), True, False),
    ],
)
def test_what_is_held_back(suppression: Suppression, *, holds: bool, held: bool) -> None:
    found = Suppressor([suppression], NOW, _read).find("r", lambda _: holds)
    assert (found is not None) is held


def test_a_condition_can_only_ever_be_a_selection() -> None:
    text = write_rule("User: x\ncondition: '1 of them'").decode()
    assert text.rstrip().endswith("condition: selection")
    assert msgspec.yaml.decode(text)["detection"]["condition"] == "selection"


def _kept(id_: str, digest: str) -> KeptRule:
    return KeptRule(
        id_, "s", "f", 1, DocumentKind.RULE, f"title {id_}", Level.LOW, "", LogSource(), (), digest
    )


def test_a_plan_says_what_comes_goes_and_changes() -> None:
    before = {"a": ("1", "A"), "b": ("1", "B"), "c": ("1", "C")}
    after = {"a": _kept("a", "1"), "b": _kept("b", "2"), "d": _kept("d", "1")}
    plan = make_plan(before, after, faults=[], decided={"c", "a", "zz"})
    assert (plan.added, plan.changed, plan.removed, plan.kept) == (("d",), ("b",), ("c",), 1)
    assert plan.lost == ("c",)
    assert plan.titles == {"c": "C", "b": "title b", "d": "title d"}
    assert not plan.is_empty
    assert make_plan({}, {}, faults=[], decided=()).is_empty


COUNTED = b"""
title: Failed
name: failed
logsource: {product: windows, service: security}
detection: {s: {EventID: 4625}, condition: s}
---
title: Many failed
id: 8b1b6a7e-6a53-4a3e-9d0e-3d3b4d6f0c09
correlation: {type: event_count, rules: [failed], group-by: [User], timespan: 1h,
              condition: {gte: 2}}
"""
COUNTING = "8b1b6a7e-6a53-4a3e-9d0e-3d3b4d6f0c09"


@pytest.mark.parametrize(
    ("suppression", "shown"),
    [
        (None, ["svc_a", "taro"]),
        (_suppression(COUNTING), []),
        (_suppression(COUNTING, "User|startswith: svc_"), ["taro"]),
        (_suppression("", "User|startswith: svc_"), ["taro"]),
        (_suppression("other"), ["svc_a", "taro"]),
    ],
)
def test_a_correlation_is_held_back_by_its_group(
    suppression: Suppression | None, shown: list[str]
) -> None:
    rules = load_rules([RuleText("rules.yml", COUNTED)])
    part = Part(hits=[
        Hit(rules.rules[0].id, at, Record("log", at), {"User": ("taro", "svc_a")[at % 2]})
        for at in range(4)
    ])  # fmt: skip
    given = None if suppression is None else Suppressor([suppression], NOW, read_condition)
    timeline = make_timeline(part, rules, Wanted(), given)
    assert sorted(one.match.group["User"] for one in timeline) == shown
    assert part.read.held_back == 2 - len(shown)


def test_what_correlations_had_no_room_for_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sekisho.detection.engine.correlation.correlator.MOST_A_GROUP", 10)
    rules = load_rules([RuleText("rules.yml", COUNTED)])
    part = Part(hits=[
        Hit(rules.rules[0].id, at, Record("log", at), {"User": "taro"}) for at in range(30)
    ])  # fmt: skip
    assert len(make_timeline(part, rules, Wanted())) == 1
    assert part.read.let_go > 0
    summary = summarise([], part.read, [], 0, UTC, table=own_attack_table())
    lines = draw_summary(summary, Sheet("en", 100))
    assert any("for want of room" in line for line in lines)

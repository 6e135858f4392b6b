"""Our own rules on telework: each finds what it is for, and not its neighbour."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sekisho.detection.engine.reference import matches
from sekisho.detection.engine.shaping import Shaping, shape_value
from sekisho.detection.hunting.rulesets import own_rules
from sekisho.detection.language.loading import load_folder
from sekisho.detection.mapping import own_routing

CASES = Path(__file__).with_name("own_rules.json")


def cases() -> Iterator[tuple[str, dict[str, Any], bool]]:
    for name, sides in msgspec.json.decode(CASES.read_bytes()).items():
        for side in ("hit", "miss"):
            for event in sides[side]:
                yield name, event, side == "hit"


def test_every_rule_loads_and_has_its_hit_and_its_miss() -> None:
    rules = load_folder([own_rules()])
    assert not rules.faults
    tested = msgspec.json.decode(CASES.read_bytes())
    assert {rule.name for rule in rules.rules} == set(tested)
    assert all(sides["hit"] and sides["miss"] for sides in tested.values())


@pytest.mark.parametrize(("name", "event", "wanted"), list(cases()))
def test_a_rule_finds_what_it_is_for(name: str, event: dict[str, Any], wanted: bool) -> None:
    rule = next(rule for rule in load_folder([own_rules()]).rules if rule.name == name)
    made = shape_value(event, Shaping(recognise=own_routing().recognise), "f", 1)
    if "logon_outcome" in event:
        made = msgspec.structs.replace(
            made, source=msgspec.structs.replace(made.source, category="authentication")
        )
    assert matches(rule, made, own_routing()) is wanted

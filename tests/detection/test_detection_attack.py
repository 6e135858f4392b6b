"""ATT&CK: ids of every version are followed, and coverage counts each technique once."""

import pytest

from sekisho.detection.attack import own_attack_table
from sekisho.detection.engine.attack import measure_coverage, read_tags
from sekisho.detection.model import Level

TABLE = own_attack_table()


def test_every_alias_leads_to_a_technique_and_none_hides_one() -> None:
    for old, new in TABLE.aliases.items():
        assert new in TABLE.techniques, (old, new)
        assert old not in TABLE.techniques
    tactics = {tactic.id for tactic in TABLE.tactics}
    for technique in TABLE.techniques.values():
        assert set(technique.tactics) <= tactics
        assert technique.parent in TABLE.techniques
    assert all(set(new) <= tactics for new in TABLE.tactic_aliases.values())


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("attack.t1110", ["T1110"]),
        ("attack.T1021.001", ["T1021.001"]),
        ("attack.t1562.001", ["T1685"]),  # v18 and before
        ("attack.t1070.001", ["T1685.005"]),
        ("attack.t1076", ["T1021.001"]),  # before there were parts
        ("attack.t1073", ["T1574.001"]),  # renamed twice
        ("attack.g0069", []),
        ("attack.s0002", []),
        ("cve.2021-44228", []),
    ],
)
def test_a_tag_means_what_it_means_today(tag: str, expected: list[str]) -> None:
    assert [t.id for t in read_tags([tag], TABLE).techniques] == expected


def test_a_split_tactic_becomes_both() -> None:
    assert read_tags(["attack.defense-evasion"], TABLE).tactics == ("stealth", "defense-impairment")
    assert read_tags(["attack.credential_access"], TABLE).tactics == ("credential-access",)


def test_a_rule_that_names_no_tactic_gets_those_of_its_technique() -> None:
    assert read_tags(["attack.t1133"], TABLE).tactics == ("initial-access", "persistence")


def test_coverage_counts_rules_levels_parts_and_what_nobody_knows() -> None:
    found = measure_coverage(
        [
            (["attack.t1110", "attack.credential-access"], Level.LOW),
            (["attack.t1110"], Level.HIGH),
            (["attack.t1110.003"], Level.MEDIUM),
            (["attack.t9999"], Level.LOW),
            (["detection.threat-hunting"], Level.LOW),
        ],
        TABLE,
    )
    column = next(c for c in found.columns if c.tactic.id == "credential-access")
    cell = next(c for c in column.cells if c.technique.id == "T1110")
    assert (cell.rules, cell.worst, cell.total, cell.covered_parts) == (2, Level.HIGH, 3, 1)
    assert (column.covered, found.covered) == (1, 1)
    assert (dict(found.unknown), found.untagged, found.rules) == ({"T9999": 1}, 2, 5)


def test_a_technique_of_several_tactics_is_counted_once_in_all() -> None:
    found = measure_coverage([(["attack.t1078.002"], Level.LOW)], TABLE)
    assert sum(column.covered for column in found.columns) == 4
    assert found.covered == 1
    assert found.techniques == sum(1 for t in TABLE.techniques.values() if t.id == t.parent)

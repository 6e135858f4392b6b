"""Every shared conformance case, by the reference evaluator."""

import pytest

from support.sigma_cases import (
    Case,
    as_group,
    first_fired,
    matched_by_reference,
    needs_shared,
    shared_cases,
)


@needs_shared
@pytest.mark.parametrize("case", shared_cases("match"), ids=lambda case: case.name)
def test_a_case_about_single_events_comes_out_as_written(case: Case) -> None:
    loaded = case.load()
    if "outcome" in case.raw:
        assert bool(loaded.faults) == (case.raw["outcome"] == "reject")
        return
    assert not loaded.faults
    case.judge(matched_by_reference(case, loaded))


@needs_shared
def test_all_cases_about_single_events_are_there() -> None:
    assert len(shared_cases("match")) == 142


@needs_shared
@pytest.mark.parametrize("case", shared_cases("correlation"), ids=lambda case: case.name)
def test_a_correlation_case_fires_in_time_and_nowhere_else(case: Case) -> None:
    loaded = case.load()
    assert not loaded.faults
    first = first_fired(case, loaded)
    wanted = {as_group(one["group"]): one["first_at"] for one in case.raw["fires"]}
    allowed = {as_group(one) for one in case.raw.get("either") or []}
    for group, at in wanted.items():
        assert first.get(group, 1000) <= at, group
    assert set(first) <= set(wanted) | allowed
    silent = {rule.name for rule in loaded.rules if rule.silent}
    assert silent >= set(case.raw.get("silent_rules", []))


@needs_shared
def test_all_correlation_cases_are_there() -> None:
    assert len(shared_cases("correlation")) == 20

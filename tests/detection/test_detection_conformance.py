"""Every shared conformance case, by the reference evaluator."""

import pytest

from support.sigma_cases import Case, matched_by_reference, needs_shared, shared_cases


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

"""The plan of the loop: pure times in, steps out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.agent import cadence
from sekisho.agent.cadence import CAPS, Step


def test_before_enrolment_only_enrolment_and_local_steps_are_due() -> None:
    plan = cadence.start(0, enrolled=False, splay=0)

    assert cadence.list_due(plan, 0) == (Step.ENROL, Step.WATCH, Step.SCHEDULE)


def test_enrolment_makes_everything_due_at_once() -> None:
    plan = cadence.succeed(cadence.start(0, enrolled=False, splay=0), Step.ENROL, 10)

    assert cadence.list_due(plan, 10) == (
        Step.CONFIG,
        Step.WATCH,
        Step.WORK,
        Step.SCHEDULE,
        Step.WRITE,
        Step.LOG,
        Step.CERTIFICATE,
    )


@pytest.mark.parametrize(("failures", "wait"), [(1, 1), (2, 4), (3, 9), (10, 60), (100, 60)])
def test_work_that_fails_comes_again_after_n_squared_seconds(failures: int, wait: float) -> None:
    plan = cadence.start(0, enrolled=True, splay=0)
    for _ in range(failures):
        plan = cadence.fail(plan, Step.WORK, 100)

    assert plan.next_at[Step.WORK] == 100 + wait
    assert cadence.succeed(plan, Step.WORK, 100).failures == {}


def test_the_server_can_hurry_us_for_a_while() -> None:
    plan = cadence.accelerate(cadence.start(0, enrolled=True, splay=0), 30, 100)

    assert cadence.succeed(plan, Step.WORK, 100).next_at[Step.WORK] == 105
    assert cadence.succeed(plan, Step.WORK, 131).next_at[Step.WORK] == 191
    assert cadence.accelerate(plan, 0, 100) == plan


def test_devices_are_spread_by_a_tenth() -> None:
    early = cadence.start(0, enrolled=True, splay=-1)
    late = cadence.start(0, enrolled=True, splay=1)

    assert cadence.succeed(early, Step.WORK, 0).next_at[Step.WORK] == pytest.approx(54)
    assert cadence.succeed(late, Step.WORK, 0).next_at[Step.WORK] == pytest.approx(66)


def test_losing_the_enrolment_goes_back_to_enrolling() -> None:
    plan = cadence.lose_enrolment(cadence.start(0, enrolled=True, splay=0), 5)

    assert cadence.list_due(plan, 5)[0] is Step.ENROL


def test_a_pause_puts_everything_off() -> None:
    plan = cadence.rest(cadence.start(0, enrolled=True, splay=0), 10)

    assert cadence.list_due(plan, 10) == ()
    assert cadence.find_wake(plan) == 15


STEPS = st.sampled_from(Step)
EVENTS = st.lists(st.tuples(st.sampled_from(["ok", "bad", "lost"]), STEPS), max_size=30)


@given(EVENTS, st.floats(-1, 1))
def test_whatever_happens_every_step_comes_again_within_its_bound(
    events: list[tuple[str, Step]], splay: float
) -> None:
    now = 1_000.0
    plan = cadence.start(now, enrolled=True, splay=splay)
    for what, step in events:
        if what == "ok":
            plan = cadence.succeed(plan, step, now)
        elif what == "bad":
            plan = cadence.fail(plan, step, now)
        else:
            plan = cadence.lose_enrolment(plan, now)

    longest = max(CAPS.values()) * 1.2
    assert all(now <= at <= now + longest for at in plan.next_at.values())
    assert cadence.find_wake(plan) >= now

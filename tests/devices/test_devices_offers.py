"""Due times and leases: every query is asked in time, re-offered when lost, and left in peace."""

from hypothesis import given
from hypothesis import strategies as st

from sekisho.devices import offers
from sekisho.devices.offers import LEASE_SECONDS, MAX_OFFERS, Plan

START = 1_800_000_000
PLAN = Plan.build({"a": "SELECT 1", "b": "SELECT 2"}, {"a": 600, "b": 3600}, 3600)


def test_everything_is_due_at_first_and_then_by_its_own_interval() -> None:
    book = offers.open_book(PLAN)
    assert offers.take_due(book, START) == {"a": "SELECT 1", "b": "SELECT 2"}
    offers.note_answers(book, ["a", "b"], START)
    assert offers.take_due(book, START + 599) == {}
    assert set(offers.take_due(book, START + 600)) == {"a"}


def test_a_device_that_dies_on_the_way_is_asked_again_but_not_for_ever() -> None:
    book = offers.open_book(PLAN)
    now = START
    for _ in range(MAX_OFFERS):
        assert set(offers.take_due(book, now)) == {"a", "b"}
        assert offers.take_due(book, now + LEASE_SECONDS - 1) == {}
        now += LEASE_SECONDS
    assert offers.take_due(book, now) == {}
    assert set(offers.take_due(book, now - LEASE_SECONDS + 600)) == {"a"}


def test_answer_times_survive_a_restart_and_a_changed_plan_asks_what_changed() -> None:
    book = offers.open_book(PLAN)
    stored = offers.times_after(book, ["a", "b"], START)
    again = offers.open_book(PLAN, PLAN.digest, stored)
    assert offers.take_due(again, START + 10) == {}
    changed = Plan.build({"a": "SELECT 1", "b": "SELECT 3", "c": "SELECT 4"}, {}, 3600)
    assert set(offers.take_due(offers.carry_over(again, changed), START + 10)) == {"b", "c"}
    assert offers.open_book(changed, PLAN.digest, stored).due == offers.NEVER
    assert offers.open_book(PLAN, PLAN.digest, b"short").due == offers.NEVER


def test_a_check_on_demand_asks_everything_at_once() -> None:
    book = offers.open_book(PLAN)
    offers.note_answers(book, ["a", "b"], START)
    offers.make_urgent(book, START + 300)
    assert set(offers.take_due(book, START + 1)) == {"a", "b"}
    assert offers.take_due(book, START + 2) == {}


def test_a_clock_set_back_does_not_silence_a_device() -> None:
    book = offers.open_book(PLAN)
    offers.take_due(book, START + 10**6)
    offers.note_answers(book, ["a"], START + 10**6)
    assert offers.take_due(book, START) == {}
    offers.forget_future(book, START)
    assert set(offers.take_due(book, START)) == {"a", "b"}


def test_a_question_asked_once_is_asked_once() -> None:
    book = offers.open_book(PLAN)
    offers.note_answers(book, ["a", "b"], START)
    offers.ask_once(book, "x", "SELECT 9")
    assert offers.take_due(book, START + 1) == {"x": "SELECT 9"}
    assert offers.take_due(book, START + 2) == {}


steps = st.lists(
    st.tuples(st.integers(1, 900), st.booleans(), st.sets(st.sampled_from(["a", "b"]))),
    max_size=40,
)


@given(steps)
def test_what_is_due_is_asked_and_what_is_fresh_is_not(
    moves: list[tuple[int, bool, set[str]]],
) -> None:
    book, now = offers.open_book(PLAN), START
    answered = {"a": 0, "b": 0}
    for wait, asks, answers in moves:
        now += wait
        if asks:
            for name in offers.take_due(book, now):
                at = PLAN.index[name]
                assert now - answered[name] >= PLAN.intervals[at]
                assert book.leases[at][1] <= MAX_OFFERS
        offers.note_answers(book, answers, now)
        answered |= dict.fromkeys(answers, now)
        restored = offers.open_book(PLAN, PLAN.digest, book.answered.tobytes())
        assert restored.answered == book.answered
        assert book.due >= restored.due

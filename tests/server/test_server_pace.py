"""So many requests in a while, by key; memory stays bounded."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sekisho.server.pace import Pace

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_what_is_too_much_waits_until_the_window_is_over() -> None:
    pace = Pace(3, MINUTE)
    assert [pace.seconds_to_wait("a", NOON) for _ in range(5)] == [0, 0, 0, 60, 60]
    assert pace.seconds_to_wait("b", NOON) == 0
    assert pace.seconds_to_wait("a", NOON + timedelta(seconds=59)) == 1
    assert pace.seconds_to_wait("a", NOON + MINUTE) == 0


def test_a_clock_that_was_set_back_locks_nobody_out() -> None:
    pace = Pace(1, MINUTE)
    pace.seconds_to_wait("a", NOON)
    assert pace.seconds_to_wait("a", NOON - timedelta(hours=1)) == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 200)), max_size=200))
def test_nobody_gets_more_than_twice_the_pace_in_any_window(asked: list[tuple[str, int]]) -> None:
    pace, now, allowed = Pace(5, MINUTE), NOON, []
    for key, seconds in asked:
        now += timedelta(seconds=seconds)
        if not pace.seconds_to_wait(key, now):
            allowed.append((key, now))
    for key, start in allowed:
        within = [at for k, at in allowed if k == key and start <= at < start + MINUTE]
        assert len(within) <= 10


def test_memory_is_bounded() -> None:
    pace = Pace(1, MINUTE)
    for number in range(25_000):
        pace.seconds_to_wait(str(number), NOON)
    assert len(pace._seen) <= 10_000  # noqa: SLF001 - nothing else tells

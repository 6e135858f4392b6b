"""Chores run in their time; one that fails waits and does not stop the others."""

import threading
from typing import cast

from sekisho.server.bootstrap import House
from sekisho.server.worker import Chore, run_worker

NO_HOUSE = cast("House", None)


def test_a_failing_chore_waits_longer_each_time() -> None:
    chore = Chore("bad", 1.0, lambda _: 1 // 0)

    chore.turn(NO_HOUSE, 0.0)
    first = chore.due_at
    chore.turn(NO_HOUSE, first)

    assert (first, chore.due_at - first) == (2.0, 4.0)


def test_a_chore_that_recovers_is_forgiven() -> None:
    outcomes = iter([ZeroDivisionError(), None])

    def run(_: House) -> None:
        outcome = next(outcomes)
        if outcome:
            raise outcome

    chore = Chore("bad", 1.0, run)
    chore.turn(NO_HOUSE, 0.0)
    chore.turn(NO_HOUSE, 2.0)

    assert (chore.failures, chore.due_at) == (0, 3.0)


def test_one_failing_chore_does_not_stop_the_rest() -> None:
    stopping = threading.Event()
    done: list[str] = []
    chores = [
        Chore("bad", 0.01, lambda _: 1 // 0),
        Chore("good", 0.01, lambda _: done.append("x")),
        Chore("last", 0.01, lambda _: stopping.set() if len(done) > 2 else None),
    ]

    run_worker(NO_HOUSE, chores, stopping)

    assert len(done) > 2

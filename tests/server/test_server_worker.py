"""Chores run in their time; one that fails waits and does not stop the others."""

import threading
import time
from pathlib import Path
from typing import cast

from sekisho.kernel.db import Transaction
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.settings import Settings
from sekisho.server.bootstrap import House, open_house
from sekisho.server.chores import in_steps
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


def test_work_in_steps_lets_others_write_between_them(data_folder: Path) -> None:
    """A long list of the worker may not hold the only writer until it is done."""
    stopping, waits = threading.Event(), []

    def write_often(house: House) -> None:
        while not stopping.is_set():
            asked = time.monotonic()
            with house.database.write(SYSTEM):
                waits.append(time.monotonic() - asked)

    left = [True] * 5
    with open_house(Settings(data_folder)) as house:
        other = threading.Thread(target=write_often, args=(house,))

        def step(_: Transaction) -> bool:
            held = threading.Event()
            held.wait(0.05)  # work that takes a while, under the lock
            left.pop()
            return bool(left)

        other.start()
        in_steps(step)(house)
        stopping.set()
        other.join()
    assert left == []
    assert len(waits) > 5, "the other wrote between the steps"
    assert max(waits) < 5 * 0.05, "and never waited for all of them"


def test_work_in_steps_ends_with_its_turn(data_folder: Path) -> None:
    """What is left waits for the next turn: the other chores have theirs."""
    began = time.monotonic()
    with open_house(Settings(data_folder)) as house:
        in_steps(lambda _: not threading.Event().wait(0.05))(house)
    assert time.monotonic() - began < 30

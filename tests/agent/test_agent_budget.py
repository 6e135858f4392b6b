"""Time: SQLite's own work is bounded tightly, slow readers by limits of their own."""

from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from sekisho.agent.budget import ENGINE_SECONDS, READING_SECONDS, Budget
from sekisho.agent.builtin import Identity
from sekisho.agent.sql import Engine
from sekisho.agent.table import Column, Row, Table, UnreadableError, Where
from sekisho.agent.tables.commands import run
from support.agent import sample_tables


@dataclass
class SlowClock:
    """Seconds that pass only when a reader says so."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def slow_table(clock: SlowClock, seconds: float, count: int = 1) -> Table:
    """A table whose reader waits for a command, as PowerShell does."""

    def rows(_where: Where) -> Iterable[Row]:
        clock.now += seconds
        return [{"number": number} for number in range(count)]

    return Table("slow", (Column("number", "INTEGER"),), rows)


def make_engine(clock: SlowClock, seconds: float, count: int = 1) -> Engine:
    tables = sample_tables() | {"slow": slow_table(clock, seconds, count)}
    return Engine(tables, Identity("windows"), Budget(clock))


@pytest.mark.parametrize("seconds", [ENGINE_SECONDS + 1, 30.0, 120.0])
def test_a_slow_reader_does_not_use_up_the_time_of_sqlite(seconds: float) -> None:
    engine = make_engine(SlowClock(), seconds, count=5_000)

    found = engine.run("SELECT count(*) AS n FROM slow WHERE number >= 0")

    assert found.rows == ({"n": "5000"},), found.message


def test_time_between_rows_of_a_lazy_reader_is_the_readers_too() -> None:
    clock = SlowClock()

    def rows(_where: Where) -> Iterable[Row]:
        for number in range(2_000):
            clock.now += 0.05
            yield {"number": number}

    table = Table("slow", (Column("number", "INTEGER"),), rows)
    found = Engine({"slow": table}, Identity("linux"), Budget(clock)).run(
        "SELECT max(number) AS n FROM slow"
    )

    assert found.rows == ({"n": "1999"},), found.message


def test_readers_together_have_a_limit_in_one_query() -> None:
    engine = make_engine(SlowClock(), 100.0)
    joined = "SELECT 1 FROM slow a JOIN slow b ON a.number+0=b.number+0 JOIN slow c, slow d"

    found = engine.run(joined)
    again = engine.run("SELECT 1 FROM os_version")

    assert found.status == 1
    assert f"longer than {READING_SECONDS:g} seconds" in found.message
    assert again.status == 0


def test_a_command_that_hangs_makes_its_own_table_unknown_and_no_other() -> None:
    def rows(_where: Where) -> Iterable[Row]:
        run(["sleep", "30"], timeout=0.2)
        raise AssertionError("the command was to be stopped")

    hung = Table("services", (Column("name"),), rows)
    engine = Engine(sample_tables() | {"services": hung}, Identity("linux"))

    unknown = engine.run("SELECT 1 FROM services WHERE name='x'")
    mixed = engine.run("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM services)")
    other = engine.run("SELECT 1 FROM os_version")

    assert [unknown.status, mixed.status, other.status] == [1, 1, 0]
    assert unknown.message == (
        "the table could not be read: sleep gave no answer within 0.2 s; it was stopped"
    )


def test_sqlites_own_work_is_stopped_whatever_was_read_before() -> None:
    clock = SlowClock()
    budget = Budget(clock)
    budget.start()
    budget.begin_reading()
    clock.now += 60
    budget.end_reading()

    assert not budget.is_spent()
    clock.now += ENGINE_SECONDS + 0.1
    assert budget.is_spent()
    budget.start()
    assert not budget.is_spent()


def test_a_reader_that_fails_still_counts_its_time() -> None:
    clock = SlowClock()
    budget = Budget(clock)
    budget.start()
    for _ in range(3):
        budget.begin_reading()
        clock.now += READING_SECONDS / 2
        budget.end_reading()

    with pytest.raises(UnreadableError, match="longer than 240 seconds"):
        budget.begin_reading()

"""The group commit: acknowledged means committed, a bad job fails alone, a full queue says so."""

import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select

from fakes.clock import FakeClock
from sekisho.devices.groupwriter import BATCH_LIMIT, GroupWriter
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import UnavailableError
from sekisho.kernel.principal import SYSTEM

NUMBERS = Table("test_numbers", MetaData(), Column("n", Integer, primary_key=True))


@pytest.fixture
def numbers(database: Database) -> Any:
    NUMBERS.metadata.create_all(database.engine)
    yield lambda: _read(database)
    NUMBERS.metadata.drop_all(database.engine)


def _read(database: Database) -> list[int]:
    with database.read(SYSTEM) as tx:
        return sorted(row.n for row in tx.rows(select(NUMBERS)))


def add(number: int) -> Any:
    def job(tx: Transaction) -> int:
        tx.execute(insert(NUMBERS), {"n": number})
        if number < 0:
            raise ValueError(number)
        return number

    return job


def test_jobs_that_wait_together_are_committed_together(database: Database, numbers: Any) -> None:
    writer = GroupWriter(database)
    futures = [writer.submit(add(number)) for number in range(BATCH_LIMIT)]
    writer.start()
    assert [future.result(10) for future in futures] == list(range(BATCH_LIMIT))
    writer.close()
    assert numbers() == list(range(BATCH_LIMIT))
    assert writer.statistics.commits == 1


def test_one_bad_device_cannot_fail_the_batch(database: Database, numbers: Any) -> None:
    writer = GroupWriter(database)
    futures = {number: writer.submit(add(number)) for number in (1, 2, -3, 4, 1)}
    twice: Future[int] = writer.submit(add(2))
    writer.start()
    with pytest.raises(ValueError, match="-3"):
        futures[-3].result(10)
    with pytest.raises(Exception, match=r"(?i)unique"):
        twice.result(10)
    assert futures[4].result(10) == 4
    writer.close()
    assert numbers() == [1, 2, 4]


def test_a_full_queue_and_a_closed_writer_refuse_at_once(database: Database, numbers: Any) -> None:
    writer = GroupWriter(database, queue_limit=2)
    kept = [writer.submit(add(number)) for number in (1, 2)]
    with pytest.raises(UnavailableError, match="busy"):
        writer.submit(add(3))
    writer.start()
    assert [future.result(10) for future in kept] == [1, 2]
    writer.close()
    with pytest.raises(UnavailableError, match="busy"):
        writer.submit(add(4))
    assert numbers() == [1, 2]
    assert writer.statistics.refused == 2


def test_closing_writes_what_is_queued_first(database: Database, numbers: Any) -> None:
    writer = GroupWriter(database)
    held, go = threading.Event(), threading.Event()

    def slow(_: Transaction) -> None:
        held.set()
        go.wait(10)

    writer.start()
    writer.submit(slow)
    held.wait(10)
    future = writer.submit(add(7))
    closing = threading.Thread(target=writer.close)
    closing.start()
    go.set()
    closing.join(10)
    assert future.result(0) == 7
    assert numbers() == [7]


def test_a_job_that_waited_too_long_is_told_so(database: Database, numbers: Any) -> None:
    writer = GroupWriter(database, patience=-1)
    late = writer.submit(add(1))
    writer.start()
    with pytest.raises(UnavailableError, match="busy"):
        late.result(10)
    writer.close()
    assert numbers() == []


def test_a_database_that_does_not_open_fails_the_whole_batch_at_once(tmp_path: Path) -> None:
    missing = Database(f"sqlite:///{tmp_path}/nowhere/sekisho.db", FakeClock())
    tries: list[int] = []
    writer = GroupWriter(missing)
    futures = [writer.submit(lambda _: tries.append(1)) for _ in range(5)]
    writer.start()
    for future in futures:
        with pytest.raises(UnavailableError):
            future.result(10)
    writer.close()
    missing.close()
    assert not tries
    assert not writer.statistics.retried_alone

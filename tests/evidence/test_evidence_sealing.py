"""One chain, whoever seals; every record with its act, wherever the process dies."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, exc, insert, text

from sekisho.evidence import service
from sekisho.evidence.engine import chain
from sekisho.evidence.model import NewRecord, SealedFields
from sekisho.evidence.store.tables import records
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database
from sekisho.kernel.installation import get_fact, set_fact
from sekisho.kernel.principal import SYSTEM

WANTED = 400


def _seal_until_all(url: str, start: Any) -> int:
    """Seal in small steps until the chain has every record; return how many were ours."""
    database = Database(url, SystemClock())
    mine, total = 0, 0
    start.wait(10)
    while total < WANTED:
        with database.write(SYSTEM) as tx:
            mine += service.seal_records(tx, limit=7)
        with database.read(SYSTEM) as tx:
            total = service.get_state(tx).sealed
    database.close()
    return mine


def test_two_sealers_never_fork_the_chain(database: Database) -> None:
    for part in range(4):
        with database.write(SYSTEM) as tx:
            rows = [NewRecord("x.acted", f"x:{part}", {"i": i}) for i in range(WANTED // 4)]
            service.record_many(tx, rows)
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(2) as pool:
        start = manager.Barrier(2)
        shares = pool.starmap(_seal_until_all, [(database.url, start)] * 2)

    assert sum(shares) == WANTED
    with database.read(SYSTEM) as tx:
        found = service.verify(tx)
    assert (found.problems, found.sealed, found.unsealed) == ((), WANTED, 0)


@contextmanager
def failing_at(database: Database, number: int) -> Iterator[None]:
    """Let the ``number``-th statement fail, as a killed process or a full disk would."""
    count = 0

    def fail(*_: object) -> None:
        nonlocal count
        count += 1
        if count == number:
            raise InterruptedError

    event.listen(database.engine, "before_cursor_execute", fail)
    try:
        yield
    finally:
        event.remove(database.engine, "before_cursor_execute", fail)


def test_no_kill_point_parts_an_act_from_its_record(database: Database) -> None:
    acts = 0
    for number in range(1, 25):
        try:
            with failing_at(database, number), database.write(SYSTEM) as tx:
                set_fact(tx, "acts", get_fact(tx, "acts", 0) + 1)
                service.record(tx, kind="x.acted", subject="x:1", detail={})
                service.seal_records(tx)
                set_fact(tx, "done", number)
            acts += 1
        except InterruptedError:
            pass

        with database.read(SYSTEM) as tx:
            found = service.verify(tx)
            assert get_fact(tx, "acts", 0) == found.sealed == acts
            assert found.problems == ()
    assert 0 < acts < 24, "some points must have failed and some not"


_HAMMER = """
import sys
from sekisho.evidence import service
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database
from sekisho.kernel.installation import get_fact, set_fact
from sekisho.kernel.principal import SYSTEM
database = Database(sys.argv[1], SystemClock())
while True:
    with database.write(SYSTEM) as tx:
        count = get_fact(tx, "acts", 0) + 1
        set_fact(tx, "acts", count)
        service.record(tx, kind="x.acted", subject="x:1", detail={"count": count})
        if count % 3 == 0:
            service.seal_records(tx)
    print(count, flush=True)
"""


def test_a_killed_process_loses_nothing_that_was_acknowledged(database: Database) -> None:
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", _HAMMER, database.url], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        acknowledged = int(process.stdout.readline())
        time.sleep(0.3)
        os.kill(process.pid, signal.SIGKILL)
        acknowledged = max([acknowledged, *map(int, process.stdout.read().split())])
        process.wait()
        process.stdout.close()

        with database.read(SYSTEM) as tx:
            found, acts = service.verify(tx), get_fact(tx, "acts")
        assert acts >= acknowledged
        assert (found.problems, found.sealed + found.unsealed) == ((), acts)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE evidence_records SET subject='y'", "DELETE FROM evidence_records",
     "UPDATE evidence_payloads SET payload='{}'"],
)  # fmt: skip
def test_the_database_refuses_changes_by_accident(database: Database, statement: str) -> None:
    with database.write(SYSTEM) as tx:
        service.record(tx, kind="x.acted", subject="x:1", detail={})
        service.seal_records(tx)

    with pytest.raises(exc.IntegrityError, match="evidence"), database.write(SYSTEM) as tx:
        tx.execute(text(statement))


def test_a_place_in_the_chain_is_given_once(database: Database) -> None:
    with database.write(SYSTEM) as tx:
        service.record(tx, kind="x.acted", subject="x:1", detail={})
        service.seal_records(tx)
        at = tx.now
    row = {"id": "rec_x", "seq": 1, "at": at, "kind": "x", "actor": "a", "subject": "s",
           "digest": "d", "chain": "c"}  # fmt: skip

    with pytest.raises(exc.IntegrityError), database.write(SYSTEM) as tx:
        tx.execute(insert(records), row)


def test_the_chain_is_what_the_document_says() -> None:
    """The example of docs/evidence.md, worked out with nothing but SHA-256."""
    fields = SealedFields(b"rec_1", b"2026-11-24T00:00:00.000000Z", b"device.enrolled",
                          b"person:per_1", b"device:dev_1", b"00" * 32)  # fmt: skip
    import hashlib  # noqa: PLC0415 - the independent hand

    message = b"sekisho evidence chain 1\n" + bytes(32) + (1).to_bytes(8, "big")
    for value in (b"rec_1", b"2026-11-24T00:00:00.000000Z", b"device.enrolled", b"person:per_1",
                  b"device:dev_1", b"00" * 32):  # fmt: skip
        message += len(value).to_bytes(4, "big") + value

    assert chain.extend_chain(chain.GENESIS, 1, fields) == hashlib.sha256(message).digest()
    assert chain.extend_chain(chain.GENESIS, 1, fields).hex() == (
        "15dac4fcb5ec33eb6de3080d2fd487f50eec0be51a2fccd7174778a4788812b5"
    )  # fmt: skip


_values = st.binary(max_size=8)
_fields = st.builds(SealedFields, _values, _values, _values, _values, _values, _values)


@given(_fields, _fields, st.integers(0, 9), st.integers(0, 9))
def test_two_different_records_never_hash_alike(
    one: SealedFields, two: SealedFields, seq: int, other: int
) -> None:
    same = (one, seq) == (two, other)

    alike = chain.extend_chain(chain.GENESIS, seq, one) == chain.extend_chain(
        chain.GENESIS, other, two
    )
    assert alike == same


@given(st.lists(_fields, min_size=2, max_size=6, unique=True), st.data())
def test_a_swap_changes_the_end_of_the_chain(rows: list[SealedFields], data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(rows) - 2))
    swapped = [*rows[:first], rows[first + 1], rows[first], *rows[first + 2 :]]

    assert _end(rows) != _end(swapped)


def _end(rows: list[SealedFields]) -> bytes:
    value = chain.GENESIS
    for seq, fields in enumerate(rows, start=1):
        value = chain.extend_chain(value, seq, fields)
    return value

"""A unit of work commits as a whole or not at all, on both databases."""

import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import String, insert, literal, select

from fakes.clock import FakeClock
from sekisho.kernel.db import Database, among, contains, day_of, read_day
from sekisho.kernel.errors import ConflictError, InvalidInputError
from sekisho.kernel.installation import get_fact, installation, set_fact
from sekisho.kernel.migrations import current_revision, migrate
from sekisho.kernel.principal import SYSTEM


def test_a_write_is_seen_after_its_block(database: Database) -> None:
    with database.write(SYSTEM) as tx:
        set_fact(tx, "name", {"ja": "関所"})

    with database.read(SYSTEM) as tx:
        assert get_fact(tx, "name") == {"ja": "関所"}


def test_an_error_in_the_block_leaves_nothing(database: Database) -> None:
    called: list[int] = []
    with pytest.raises(ZeroDivisionError), database.write(SYSTEM) as tx:
        tx.after_commit(lambda: called.append(1))
        set_fact(tx, "name", 1)
        raise ZeroDivisionError

    with database.read(SYSTEM) as tx:
        assert get_fact(tx, "name") is None
    assert called == []


def test_writers_wait_for_each_other(database: Database) -> None:
    def add() -> None:
        for _ in range(20):
            with database.write(SYSTEM) as tx:
                tx.scalar(select(installation.c.name).where(installation.c.name == "n")
                          .with_for_update())  # fmt: skip
                set_fact(tx, "n", get_fact(tx, "n", 0) + 1)

    with database.write(SYSTEM) as tx:
        set_fact(tx, "n", 0)
    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with database.read(SYSTEM) as tx:
        assert get_fact(tx, "n") == 80


def test_what_a_writer_read_is_true_when_it_writes(database: Database) -> None:
    """As the worker and the web process do: each with connections of its own, no lock by hand."""

    def add() -> None:
        own = Database(database.url, FakeClock())
        for _ in range(10):
            with own.write(SYSTEM) as tx:
                before = get_fact(tx, "n", 0)
                time.sleep(0.005)
                set_fact(tx, "n", before + 1)
        own.close()

    with database.write(SYSTEM) as tx:
        set_fact(tx, "n", 0)
    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with database.read(SYSTEM) as tx:
        assert get_fact(tx, "n") == 40


def test_who_reads_does_not_wait_for_a_writer(database: Database) -> None:
    with database.write(SYSTEM) as tx:
        set_fact(tx, "n", 1)
    own = Database(database.url, FakeClock())
    with database.write(SYSTEM) as tx, own.read(SYSTEM) as other:
        set_fact(tx, "n", 2)
        assert get_fact(other, "n") == 1
    own.close()


def test_times_come_back_aware_and_naive_ones_are_refused(database: Database) -> None:
    with database.write(SYSTEM) as tx:
        set_fact(tx, "t", 1)
        assert tx.rows(select(installation.c.changed_at))[0].changed_at == datetime(
            2026, 11, 24, tzinfo=UTC
        )
    with pytest.raises(Exception, match="naive"), database.write(SYSTEM) as tx:
        naive = datetime(2026, 1, 1)  # noqa: DTZ001 - the mistake under test
        tx.execute(insert(installation), {"name": "x", "value": 1, "changed_at": naive})


def test_a_newer_database_is_refused(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999_future'")

    with pytest.raises(ConflictError, match="9999_future"):
        migrate(database)


def test_migrating_twice_changes_nothing(database: Database) -> None:
    before = current_revision(database)

    migrate(database)

    assert current_revision(database) == before


def test_an_empty_sqlite_file_is_migrated(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/new.db", FakeClock())

    migrate(database)

    assert current_revision(database)
    database.close()


def test_a_list_may_be_longer_than_parameters_go(database: Database) -> None:
    many = [f"x{n}" for n in range(40_000)]
    text = literal("x39999", String())
    with database.read(SYSTEM) as tx:
        asked: tuple[list[str], ...] = (many, [], ["x'39999", 'x"', "関所"])
        assert [bool(tx.scalar(select(1).where(among(text, some)))) for some in asked] == [
            True, False, False,
        ]  # fmt: skip
        assert tx.scalar(select(1).where(~among(text, ["y"]))) == 1


@pytest.mark.parametrize(
    ("words", "there"),
    [("mnt-L", True), ("端末", True), ("l 端", False), ("%", False), ("100_", True), ("'", False)],
)
def test_words_are_looked_for_as_they_are(database: Database, words: str, there: bool) -> None:
    columns = [literal(word, String()) for word in ("MNT-L", "端末", "100_")]
    with database.read(SYSTEM) as tx:
        assert bool(tx.scalar(select(1).where(contains(words, *columns)))) is there


def test_a_day_is_told_in_utc(database: Database) -> None:
    moment = datetime(2026, 11, 24, 23, 59, 59, 999_999, tzinfo=UTC)
    with database.write(SYSTEM) as tx:
        tx.execute(insert(installation), {"name": "d", "value": 1, "changed_at": moment})
        found = tx.scalar(select(day_of(tx, installation.c.changed_at)))
    assert read_day(found) == moment.date()


def test_a_number_or_a_text_beyond_the_database_is_the_askers_mistake(database: Database) -> None:
    rows = select(installation.c.name)
    for number in (2**63, 10**40):
        with pytest.raises(InvalidInputError), database.read(SYSTEM) as tx:
            tx.rows(rows.offset(number).limit(1))
    with database.read(SYSTEM) as tx:  # and the next one works
        tx.rows(rows.offset(2**63 - 1).limit(1))
    if database.dialect != "sqlite":  # SQLite keeps such a text
        with pytest.raises(InvalidInputError), database.read(SYSTEM) as tx:
            tx.rows(rows.where(installation.c.name == "a\0b"))

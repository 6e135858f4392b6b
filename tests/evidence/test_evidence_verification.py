"""Whatever is changed in the store is found and named, given a checkpoint that left."""
# ruff: noqa: S608 - the attacks are SQL

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from fakes.clock import FakeClock
from sekisho.evidence import service
from sekisho.evidence.engine.checkpoints import write_line
from sekisho.evidence.model import NewRecord, ProblemKind, Verification
from sekisho.kernel.db import Database
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.secrets import SecretBox

RECORDS = 12
K = ProblemKind


def fill(database: Database, box: SecretBox, shelf: Path) -> list[service.OutsideLine]:
    """Write records, an erasure, an artefact and checkpoints; return what left the machine."""
    with database.write(SYSTEM) as tx:
        ids = service.record_many(
            tx, [NewRecord("x.acted", f"x:{i}", {"i": i, "語": "値"}) for i in range(RECORDS)]
        )
        service.record(tx, kind="p.seen", subject="person:1", detail={"n": "名"}, person="per_1")
        service.store_artifact(tx, shelf=shelf, name="a.txt", media_type="text/plain",
                               content=b"artefact", subject="device:1")  # fmt: skip
        service.erase_payload(tx, records=[ids[3]], reason="asked for")
        first = service.write_checkpoint(tx, [], box=box)
    with database.write(SYSTEM) as tx:
        service.record(tx, kind="x.acted", subject="x:last", detail={})
        second = service.write_checkpoint(tx, [], box=box)
    return [service.OutsideLine(f"kept:{i}", write_line(c)) for i, c in enumerate((first, second))]


def check(database: Database, lines: list[service.OutsideLine], shelf: Path) -> Verification:
    with database.read(SYSTEM) as tx:
        return service.verify(tx, outside=lines, shelf=shelf)


def force(database: Database, *statements: str) -> None:
    """Do as somebody does who owns the whole machine: no triggers, no constraints."""
    with database.engine.connect() as connection:
        if database.dialect == "sqlite":
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
            for name in ("records_no_update", "records_no_delete", "payloads_no_update"):
                connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS evidence_{name}")
        else:
            connection.exec_driver_sql("SET session_replication_role = replica")
        for statement in statements:
            connection.execute(text(statement))
        connection.commit()
    database.close()


def test_an_untouched_store_is_sound(database: Database, box: SecretBox, tmp_path: Path) -> None:
    lines = fill(database, box, tmp_path)

    found = check(database, lines, tmp_path)

    assert found.problems == ()
    assert (found.sealed, found.seq, found.unsealed) == (RECORDS + 5, RECORDS + 5, 0)
    assert (found.outside, found.outside_seq, found.stored_checkpoints) == (2, RECORDS + 5, 2)
    assert (len(found.erased), found.artifacts) == (1, 1)


def test_an_empty_store_is_sound(database: Database) -> None:
    with database.read(SYSTEM) as tx:
        assert service.verify(tx).sound


R, P = "evidence_records", "evidence_payloads"
ATTACKS = {
    "a field": ([f"UPDATE {R} SET subject='x:99' WHERE seq=5"], K.RECORD_CHANGED, 5),
    "the time": ([f"UPDATE {R} SET at='2026-11-24 00:00:00.000001' WHERE seq=5"],
                 K.RECORD_CHANGED, 5),
    "the actor": ([f"UPDATE {R} SET actor='person:evil' WHERE seq=1"], K.RECORD_CHANGED, 1),
    "the last": ([f"UPDATE {R} SET kind='x.hid' WHERE seq=17"], K.RECORD_CHANGED, 17),
    "a chain value": ([f"UPDATE {R} SET chain='{'0' * 64}' WHERE seq=7"], K.RECORD_CHANGED, 7),
    "a payload": ([(f"UPDATE {P} SET payload=replace(payload,'値','嘘') "
                   f"WHERE record_id=(SELECT id FROM {R} WHERE seq=2)")], K.PAYLOAD_CHANGED, 2),
    "whose it is": ([f"UPDATE {P} SET person='per_2' WHERE person='per_1'"],
                    K.PAYLOAD_CHANGED, 13),
    "a lost payload": ([f"DELETE FROM {P} WHERE record_id=(SELECT id FROM {R} WHERE seq=6)"],
                       K.PAYLOAD_MISSING, 6),
    "a lost record": ([f"DELETE FROM {R} WHERE seq=4"], K.RECORD_MISSING, 4),
    "the first record": ([f"DELETE FROM {R} WHERE seq=1"], K.RECORD_MISSING, 1),
    "the end": ([f"DELETE FROM {R} WHERE seq>16"], K.CHAIN_CUT, 17),
    "a swap": ([f"UPDATE {R} SET seq=-1 WHERE seq=8", f"UPDATE {R} SET seq=8 WHERE seq=9",
                f"UPDATE {R} SET seq=9 WHERE seq=-1"], K.RECORD_CHANGED, 8),
    "a stray payload": ([("INSERT INTO evidence_payloads (record_id, salt, payload) SELECT 'rec_x',"
                         f" salt, payload FROM {P} WHERE person='per_1'")], K.PAYLOAD_STRAY, 0),
    "an undone erasure": (["DELETE FROM evidence_erasures"], K.STORE_DAMAGED, 0),
    "an artefact's entry": (["UPDATE evidence_artifacts SET name='b.txt'"],
                            K.ARTIFACT_CHANGED, 0),
    "no artefact": (["DELETE FROM evidence_artifacts"], K.ARTIFACT_MISSING, 0),
    "a checkpoint": (["UPDATE evidence_checkpoints SET seq=3 WHERE seq=16"],
                     K.CHECKPOINT_BROKEN, 0),
    "the key": (["UPDATE evidence_keys SET public_key='x'"], K.CHECKPOINT_BROKEN, 0),
    "the head": (["DELETE FROM evidence_chain"], K.STORE_DAMAGED, 0),
    "everything": ([f"DELETE FROM {P}", f"DELETE FROM {R}", "DELETE FROM evidence_checkpoints",
                    f"UPDATE evidence_chain SET seq=0, chain='{'0' * 64}'"], K.CHAIN_CUT, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_each_attack_is_found_and_named(
    database: Database, box: SecretBox, tmp_path: Path, name: str
) -> None:
    statements, kind, seq = ATTACKS[name]
    lines = fill(database, box, tmp_path)

    force(database, *statements)

    found = check(database, lines, tmp_path)
    assert (kind, seq) in {(p.kind, p.seq) for p in found.problems}
    if seq:
        assert found.problems[0].seq == seq


def rewrite(database: Database, subject: str) -> None:
    """Change record 5 and seal everything again, as root with our own program would."""
    force(database, f"UPDATE {R} SET subject='{subject}' WHERE seq=5",
          f"UPDATE {R} SET seq=NULL, chain=NULL", "DELETE FROM evidence_checkpoints",
          f"UPDATE evidence_chain SET seq=0, chain='{'0' * 64}'")  # fmt: skip
    with database.write(SYSTEM) as tx:
        service.seal_records(tx)


def test_a_wholly_rewritten_chain_is_found_by_what_left(
    database: Database, box: SecretBox, tmp_path: Path
) -> None:
    lines = fill(database, box, tmp_path)

    rewrite(database, "x:forged")

    assert check(database, [], tmp_path).sound, "in itself the forged chain is sound"
    found = check(database, lines, tmp_path)
    assert {p.kind for p in found.problems} == {K.CHAIN_REWRITTEN}
    assert (found.problems[0].seq, found.outside_seq) == (1, 0)


def test_a_rewriting_behind_a_confirmed_checkpoint_is_placed_behind_it(
    database: Database, box: SecretBox, tmp_path: Path
) -> None:
    lines = fill(database, box, tmp_path)
    force(database, f"UPDATE {R} SET subject='x:forged', seq=NULL, chain=NULL WHERE seq=17",
          "DELETE FROM evidence_checkpoints WHERE seq=17",
          f"UPDATE evidence_chain SET seq=16, chain=(SELECT chain FROM {R} WHERE seq=16)"
    )  # fmt: skip
    with database.write(SYSTEM) as tx:
        service.seal_records(tx)

    found = check(database, lines, tmp_path)

    assert [(p.kind, p.seq) for p in found.problems] == [(K.CHAIN_REWRITTEN, 17)]
    assert found.outside_seq == 16


def test_changed_and_missing_artefact_files_are_found(
    database: Database, box: SecretBox, tmp_path: Path
) -> None:
    lines = fill(database, box, tmp_path)
    path = next(tmp_path.glob("??/*"))
    path.write_bytes(b"artefacT")

    assert [p.kind for p in check(database, lines, tmp_path).problems] == [K.ARTIFACT_CHANGED]
    path.unlink()
    assert [p.kind for p in check(database, lines, tmp_path).problems] == [K.ARTIFACT_MISSING]


def test_damaged_torn_and_foreign_lines_are_told_apart(
    database: Database, box: SecretBox, tmp_path: Path
) -> None:
    lines = fill(database, box, tmp_path)
    whole = lines[0].line
    torn = service.OutsideLine("file:1", whole[:50])
    assert check(database, [torn, *lines], tmp_path).sound

    broken = service.OutsideLine("file:2", whole.replace(b'"count":16', b'"count":15'))
    found = check(database, [broken, torn], tmp_path)

    assert [p.kind for p in found.problems] == [K.CHECKPOINT_BROKEN] * 2
    assert "file:2" in str(found.problems[0].message)


def test_a_checkpoint_of_another_installation_is_called_that(
    database: Database, box: SecretBox, tmp_path: Path, sqlite_template: Path
) -> None:
    (tmp_path / "other.db").write_bytes(sqlite_template.read_bytes())
    other = Database(f"sqlite:///{tmp_path}/other.db", FakeClock())
    foreign = fill(other, box, tmp_path / "shelf")
    other.close()
    fill(database, box, tmp_path / "own")

    found = check(database, foreign, tmp_path / "own")

    assert K.CHECKPOINT_UNKNOWN_KEY in {p.kind for p in found.problems}


@pytest.fixture(scope="module")
def sealed_file(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> tuple[Path, list[service.OutsideLine], Path]:
    """One filled SQLite store, its checkpoints and its shelf, copied for each example."""
    folder = tmp_path_factory.mktemp("sealed")
    path = folder / "sekisho.db"
    path.write_bytes(sqlite_template.read_bytes())
    database = Database(f"sqlite:///{path}", FakeClock())
    lines = fill(database, SecretBox(bytes(32)), folder / "shelf")
    force(database)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path, lines, folder / "shelf"


COLUMNS = [
    *[(R, c) for c in ("id", "seq", "at", "kind", "actor", "subject", "digest", "chain")],
    *[(P, c) for c in ("record_id", "salt", "payload", "person")],
    *[("evidence_artifacts", c) for c in ("id", "digest", "name", "media_type", "size", "subject",
                                          "record_id")],
    *[("evidence_erasures", c) for c in ("record_id", "erasure_id")],
    *[("evidence_chain", c) for c in ("seq", "chain")],
    *[("evidence_checkpoints", c) for c in ("seq", "chain", "at", "key_id", "signature")],
]  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(column=st.sampled_from(COLUMNS), row=st.integers(0, 30), place=st.integers(0, 400),
       change=st.integers(1, 255))  # fmt: skip
def test_any_changed_byte_in_any_column_is_found(
    sealed_file: tuple[Path, list[service.OutsideLine], Path],
    column: tuple[str, str], row: int, place: int, change: int,
) -> None:  # fmt: skip
    path, lines, shelf = sealed_file
    copy = path.with_name("copy.db")
    copy.write_bytes(path.read_bytes())
    if not alter(copy, *column, row, place, change):
        return

    database = Database(f"sqlite:///{copy}", FakeClock())
    try:
        assert not check(database, lines, shelf).sound
    finally:
        database.close()


def alter(path: Path, table: str, column: str, row: int, place: int, change: int) -> bool:
    """Flip bits of one byte of one value; return False if that leaves the value as it was."""
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes
        rows = connection.execute(f"SELECT rowid, {column} FROM {table}").fetchall()
        rowid, old = rows[row % len(rows)]
        if old is None:
            new: object = b"x"
        elif isinstance(old, int):
            new = old ^ change
        else:
            data = bytearray(old)
            data[place % len(data)] ^= change
            new = bytes(data)
        text = isinstance(new, bytes) and column != "salt"
        value = "CAST(? AS TEXT)" if text else "?"
        try:
            connection.execute(f"UPDATE {table} SET {column}={value} WHERE rowid=?",
                               (new, rowid))  # fmt: skip
        except sqlite3.IntegrityError:
            return False
        connection.commit()
    return True


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(place=st.floats(0, 0.999), change=st.integers(1, 255))
def test_a_damaged_file_never_breaks_the_verification(
    sealed_file: tuple[Path, list[service.OutsideLine], Path], place: float, change: int
) -> None:
    path, lines, shelf = sealed_file
    copy = path.with_name("copy.db")
    data = bytearray(path.read_bytes())
    data[100 + int(place * (len(data) - 100))] ^= change
    copy.write_bytes(data)
    copy.with_name("copy.db-wal").unlink(missing_ok=True)

    database = Database(f"sqlite:///{copy}", FakeClock())
    try:
        found = service.verify_database(database, outside=lines, shelf=shelf)
        assert found.sealed <= RECORDS + 6
    finally:
        database.close()

"""A backup taken while everybody writes comes back whole, elsewhere, or not at all."""

import io
import json
import multiprocessing
import os
import resource
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select, text

from fakes.clock import FakeClock
from sekisho.cli import main
from sekisho.evidence import service as evidence
from sekisho.evidence.model import NewRecord
from sekisho.evidence.store.tables import records
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotPermittedError,
    SekishoError,
    UnavailableError,
)
from sekisho.kernel.installation import get_fact, set_fact
from sekisho.kernel.migrations import current_revision, migrate
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind
from sekisho.kernel.secrets import Secret, SecretBox
from sekisho.kernel.settings import Settings, save_settings
from sekisho.server.backup.envelope import (
    CHUNK,
    OpeningReader,
    Passphrase,
    RecoveryKey,
    SealingWriter,
    make_recovery_key,
    read_recovery_key,
)
from sekisho.server.backup.restoring import restore_backup
from sekisho.server.backup.writing import write_backup
from support.organisation import fill_organisation, read_organisation

WORDS = Passphrase(Secret("correct horse battery"))
PEM = make_recovery_key()[0]
LOCK = read_recovery_key(PEM)  # opens at once; words take a third of a second


@pytest.fixture
def settings(tmp_path: Path, database: Database, box: SecretBox) -> Settings:
    """A data folder with keys, settings, an artefact, records and checkpoints."""
    made = Settings(data=tmp_path / "data", database_url=database.url, organisation="関所")
    (made.data / "ca").mkdir(parents=True)
    (made.data / "ca" / "ca.key").write_bytes(b"sealed key")
    (made.data / "ca" / "ca.pem").write_text("certificate")
    (made.data / "odd.pem").write_text("-----BEGIN PRIVATE KEY-----")
    (made.data / "lock").write_text("1")
    SecretBox.load_or_create(made.secret_key)
    save_settings(made)
    with database.write(SYSTEM) as tx:
        set_fact(tx, "語", {"n": [1, 2.5, None, True]})
        evidence.record_many(tx, [NewRecord("x.acted", f"x:{i}", {"i": i}) for i in range(50)])
        evidence.store_artifact(tx, shelf=made.data / "artefacts", name="carve.tar",
                                media_type="application/x-tar", content=os.urandom(300_000),
                                subject="device:1")  # fmt: skip
        fill_organisation(tx)
        evidence.write_checkpoint(tx, [], box=box)
    return made


def back_up(
    settings: Settings, database: Database, target: Path, *, with_keys: bool = True
) -> Path:
    write_backup(settings, database, SYSTEM, target, LOCK, with_keys=with_keys)
    return target


def restore(source: Path, data: Path, lock: Passphrase | RecoveryKey = LOCK, url: str = "") -> int:
    done = restore_backup(source, data, lock, clock=SystemClock(), principal=SYSTEM,
                          database_url=url)  # fmt: skip
    assert done.verification.problems == ()
    return done.rows


def read_ids(database: Database) -> list[str]:
    with database.read(SYSTEM) as tx:
        return [row.id for row in tx.rows(select(records.c.id).order_by(records.c.seq))]


def test_everything_comes_back_on_sqlite(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    before = read_ids(database)
    source = back_up(settings, database, tmp_path / "b" / "one.backup")

    restore(source, tmp_path / "new")

    new = tmp_path / "new"
    restored = Database(f"sqlite:///{new}/sekisho.db", FakeClock())
    try:
        assert read_ids(restored)[: len(before)] == before
        assert read_organisation(restored) == read_organisation(database)
        assert current_revision(restored) == current_revision(database)
        with restored.read(SYSTEM) as tx:
            assert get_fact(tx, "語") == {"n": [1, 2.5, None, True]}
            assert evidence.list_records(tx, limit=1)[0].kind == "server.restored"
    finally:
        restored.close()
    assert (new / "secret.key").read_bytes() == settings.secret_key.read_bytes()
    assert (new / "secret.key").stat().st_mode & 0o777 == 0o600
    assert (new / "ca" / "ca.pem").read_text() == "certificate"
    assert not (new / "lock").exists()
    assert "database_url" not in (new / "settings.yaml").read_text()
    assert "関所" in (new / "settings.yaml").read_text()


@pytest.mark.postgres
def test_everything_comes_back_on_postgresql(
    settings: Settings, database: Database, tmp_path: Path, postgres_server: str
) -> None:
    import psycopg  # noqa: PLC0415 - this test only

    name = f"r_{os.urandom(6).hex()}"
    plain = postgres_server.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(f"{plain}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    before = read_ids(database)
    source = back_up(settings, database, tmp_path / "one.backup")
    url = f"{postgres_server}/{name}"

    restore(source, tmp_path / "new", url=url)

    restored = Database(url, FakeClock())
    try:
        assert read_ids(restored)[: len(before)] == before
        assert read_organisation(restored) == read_organisation(database)
        with restored.read(SYSTEM) as tx:
            late = tx.scalar(text("SELECT count(*) FROM pg_constraint WHERE condeferrable"))
        assert late == 0, "references are judged at once again"
        with pytest.raises(ConflictError, match="not empty"):
            restore(source, tmp_path / "again", url=url)
    finally:
        restored.close()
    assert url in (tmp_path / "new" / "settings.yaml").read_text()


def test_a_backup_under_writers_is_one_state(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    stopping = threading.Event()

    def hammer() -> None:
        count = 0
        while not stopping.is_set():
            count += 1
            with database.write(SYSTEM) as tx:
                set_fact(tx, "act", count)
                evidence.record(tx, kind="x.acted", subject="x:h", detail={"count": count})
                evidence.seal_records(tx)

    writers = [threading.Thread(target=hammer) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        sources = [back_up(settings, database, tmp_path / f"{i}.backup") for i in range(3)]
    finally:
        stopping.set()
        for writer in writers:
            writer.join()

    for index, source in enumerate(sources):
        restore(source, tmp_path / f"new{index}")
        restored = Database(f"sqlite:///{tmp_path}/new{index}/sekisho.db", FakeClock())
        with restored.read(SYSTEM) as tx:
            last = evidence.list_records(tx, subject="x:h", limit=1)
            assert [r.detail for r in last] == ([{"count": get_fact(tx, "act")}] if last else [])
        restored.close()


def test_a_backup_without_keys_holds_none(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    source = back_up(settings, database, tmp_path / "one.backup", with_keys=False)

    restore(source, tmp_path / "new")

    names = {p.relative_to(tmp_path / "new").as_posix() for p in (tmp_path / "new").rglob("*")}
    assert "ca/ca.pem" in names
    assert names.isdisjoint({"secret.key", "ca/ca.key", "odd.pem"})


def test_a_recovery_key_opens_what_its_public_half_locked(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    private, public = (read_recovery_key(pem) for pem in make_recovery_key())
    write_backup(settings, database, SYSTEM, tmp_path / "one.backup", public)

    restore(tmp_path / "one.backup", tmp_path / "new", private)

    other = read_recovery_key(make_recovery_key()[0])
    for lock, words in ((other, "recovery key"), (public, "needs"), (WORDS, "needs")):
        with pytest.raises(InvalidInputError, match=words):
            restore(tmp_path / "one.backup", tmp_path / "other", lock)


def test_only_who_may_change_settings_backs_up(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    reader = Principal(PrincipalKind.PERSON, "per_1", "読", frozenset({"evidence.read"}))

    with pytest.raises(NotPermittedError):
        write_backup(settings, database, reader, tmp_path / "one.backup", LOCK)


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def cut_whole_chunks(data: bytes) -> bytes:
    return data[: -(len(data) % 5_000 + 20)]


def flip(place: float) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        at = int(place * (len(data) - 1))
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    return change


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (cut, InvalidInputError),
        (cut_whole_chunks, InvalidInputError),
        (lambda data: data + b"x", InvalidInputError),
        (lambda data: data[:0], InvalidInputError),
        (lambda data: b"PK" + data, InvalidInputError),
        (lambda data: data.replace(b"BACKUP 1", b"BACKUP 2", 1), ConflictError),
        (lambda data: data[:30], InvalidInputError),
        (flip(0.001), InvalidInputError),
        (flip(0.5), InvalidInputError),
        (flip(1), InvalidInputError),
    ],
)
def test_a_spoilt_file_restores_nothing(
    settings: Settings, database: Database, tmp_path: Path,
    spoil: Callable[[bytes], bytes], error: type[SekishoError],
) -> None:  # fmt: skip
    source = back_up(settings, database, tmp_path / "one.backup")
    source.write_bytes(spoil(source.read_bytes()))
    before = sorted(tmp_path.iterdir())

    with pytest.raises(error):
        restore(source, tmp_path / "new")

    assert sorted(tmp_path.iterdir()) == before


def test_a_wrong_passphrase_is_called_that(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    source = tmp_path / "one.backup"
    write_backup(settings, database, SYSTEM, source, WORDS)

    with pytest.raises(InvalidInputError, match="does not fit"):
        restore(source, tmp_path / "new", Passphrase(Secret("wrong horse battery")))
    restore(source, tmp_path / "new", WORDS)


def test_a_short_passphrase_is_refused(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInputError, match="12"):
        write_backup(settings, database, SYSTEM, tmp_path / "b", Passphrase(Secret("short")))

    assert not (tmp_path / "b").exists()


def test_a_filled_folder_and_an_old_backup_stay_untouched(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    source = back_up(settings, database, tmp_path / "one.backup")
    kept = source.read_bytes()

    with pytest.raises(ConflictError, match="exists already"):
        back_up(settings, database, source)
    with pytest.raises(ConflictError, match="not empty"):
        restore(source, settings.data)

    assert source.read_bytes() == kept


def _limited(arguments: tuple[Path, str, Path, int], key: bytes) -> str:
    """Run a backup or restore where no file may grow beyond so many bytes; say what came."""
    data, url, target, most = arguments
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    try:
        if url:
            database = Database(url, FakeClock())
            write_backup(Settings(data=data), database, SYSTEM, target, read_recovery_key(key))
        else:
            restore(data, target, read_recovery_key(key))
    except UnavailableError as error:
        return str(error.message)
    return "done"


@pytest.mark.parametrize("part", ["backup", "restore"])
def test_a_full_disk_leaves_nothing_behind(
    settings: Settings, database: Database, tmp_path: Path, part: str
) -> None:
    source = back_up(settings, database, tmp_path / "one.backup")
    place = tmp_path / "place"
    place.mkdir()
    wanted = (
        (settings.data, database.url, place / "new.backup", 100_000)
        if part == "backup"
        else (source, "", place / "new", 200_000)
    )
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        said = pool.apply(_limited, (wanted, PEM))

    assert "could not be" in said or "cannot be used" in said
    assert list(place.iterdir()) == []


def test_a_hostile_archive_cannot_leave_the_folder(tmp_path: Path) -> None:
    import gzip  # noqa: PLC0415 - this test only
    import tarfile  # noqa: PLC0415 - the same

    database = Database(f"sqlite:///{tmp_path}/e.db", FakeClock())
    migrate(database)
    heads = list(current_revision(database))
    database.close()
    head = {"format": 1, "program": "9", "revisions": heads, "keys": True,
            "created": "2026-11-24T00:00:00Z", "database": "sqlite", "tables": {}}  # fmt: skip
    for name in ("files/../../evil", "files//etc/evil", "artefacts/..", "tables/../x", "other"):
        plain = io.BytesIO()
        with tarfile.open(fileobj=plain, mode="w") as tar:
            for member, content in (("head.json", json.dumps(head).encode()), (name, b"x")):
                info = tarfile.TarInfo(member)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        source = tmp_path / "evil.backup"
        with source.open("wb") as file:
            writer = SealingWriter(file, LOCK)
            writer.write(gzip.compress(plain.getvalue()))
            writer.finish()

        with pytest.raises(InvalidInputError, match="damaged"):
            restore(source, tmp_path / "in" / "new")

        assert list((tmp_path / "in").iterdir()) == []
        assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
def test_the_envelope_gives_back_what_it_took(size: int) -> None:
    _, public = make_recovery_key()
    private_pem, public_pem = make_recovery_key()
    del public
    sealed, plain = io.BytesIO(), os.urandom(size)
    writer = SealingWriter(sealed, read_recovery_key(public_pem))
    writer.write(plain)
    writer.finish()
    sealed.seek(0)

    assert OpeningReader(sealed, read_recovery_key(private_pem)).read() == plain


def test_the_command_line_backs_up_and_restores(
    sqlite_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = Path(sqlite_url.removeprefix("sqlite:///")).parent
    SecretBox.load_or_create(data / "secret.key")
    (tmp_path / "words").write_text("correct horse battery\n")
    words = ["--passphrase-file", str(tmp_path / "words")]
    source, new = tmp_path / "out" / "one.backup", tmp_path / "out" / "new"

    assert main.main(["backup", str(source), "--data", str(data), "--format", "json", *words]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"] == source.stat().st_size
    assert main.main(["restore", str(source), "--data", str(new), *words]) == 0
    assert "verified" in capsys.readouterr().out
    assert main.main(["restore", str(source), "--data", str(new), *words]) == 2
    assert "not empty" in capsys.readouterr().err
    assert main.main(["evidence", "verify", "--data", str(new)]) == 0
    with closing(sqlite3.connect(new / "sekisho.db")) as connection:
        connection.execute("DROP TRIGGER evidence_records_no_update")
        connection.execute("UPDATE evidence_records SET subject='x' WHERE seq=1")
        connection.commit()
    assert main.main(["evidence", "verify", "--data", str(new)]) == 1
    assert main.main(["evidence", "verify", "--data", str(tmp_path / "none")]) == 2

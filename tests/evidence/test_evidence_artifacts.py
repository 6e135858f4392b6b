"""Artefacts are kept whole or not at all, and it is known who opened them."""

import os
from pathlib import Path

import pytest

from sekisho.evidence import service
from sekisho.kernel.db import Database
from sekisho.kernel.errors import (
    InvalidInputError,
    NotFoundError,
    NotPermittedError,
    TooLargeError,
    UnavailableError,
)
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind

CONTENT = b"carved bytes"


def store(
    database: Database, shelf: Path, *, name: str = "carve.tar",
    media_type: str = "application/x-tar", subject: str = "device:1",
) -> str:  # fmt: skip
    with database.write(SYSTEM) as tx:
        return service.store_artifact(
            tx, shelf=shelf, content=CONTENT, name=name, media_type=media_type, subject=subject
        )


def test_bytes_come_back_and_the_opening_is_recorded(
    database: Database, admin: Principal, tmp_path: Path
) -> None:
    digest = store(database, tmp_path)

    with database.write(admin) as tx:
        artifact, content = service.open_artifact(
            tx, shelf=tmp_path, digest=digest, purpose="case 1"
        )
        opened = service.list_records(tx, kind="evidence.artifact_opened")

    assert (content, artifact.name, artifact.size) == (CONTENT, "carve.tar", len(CONTENT))
    assert [(r.actor, r.subject) for r in opened] == [("person:per_admin", "device:1")]
    assert opened[0].detail == {"artifact": artifact.id, "digest": digest, "purpose": "case 1"}
    assert (tmp_path / digest[:2] / digest[2:]).stat().st_mode & 0o077 == 0


def test_the_same_bytes_twice_are_one_file_and_two_entries(
    database: Database, tmp_path: Path
) -> None:
    first, second = store(database, tmp_path), store(database, tmp_path, name="again.tar")

    assert first == second
    assert len(list(tmp_path.glob("??/*"))) == 1
    with database.read(SYSTEM) as tx:
        assert [a.name for a in service.list_artifacts(tx, subject="device:1")] == [
            "again.tar", "carve.tar",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "media_type", "subject"),
    [("", "text/plain", "d:1"), ("a\nb", "text/plain", "d:1"), ("a" * 301, "text/plain", "d:1"),
     ("a", "tar", "d:1"), ("a", "text/html; x", "d:1"), ("a", "text/plain", "")],
)  # fmt: skip
def test_what_cannot_be_named_is_refused(
    database: Database, tmp_path: Path, name: str, media_type: str, subject: str
) -> None:
    with pytest.raises(InvalidInputError):
        store(database, tmp_path, name=name, media_type=media_type, subject=subject)


def test_too_much_is_refused_before_it_is_written(database: Database, tmp_path: Path) -> None:
    with pytest.raises(TooLargeError, match="12"), database.write(SYSTEM) as tx:
        service.store_artifact(tx, shelf=tmp_path, content=CONTENT, name="a", subject="d:1",
                               media_type="text/plain", most=11)  # fmt: skip

    assert list(tmp_path.glob("??/*")) == []


def test_a_full_or_refusing_disk_records_nothing(database: Database, tmp_path: Path) -> None:
    (tmp_path / "shelf").write_text("a file where the folder should be")

    with pytest.raises(UnavailableError):
        store(database, tmp_path / "shelf")

    with database.read(SYSTEM) as tx:
        assert service.list_records(tx) == []


def test_changed_and_missing_bytes_are_never_handed_out(database: Database, tmp_path: Path) -> None:
    digest = store(database, tmp_path)
    path = tmp_path / digest[:2] / digest[2:]

    path.write_bytes(b"carved byteS")
    with pytest.raises(UnavailableError), database.write(SYSTEM) as tx:
        service.open_artifact(tx, shelf=tmp_path, digest=digest)
    path.unlink()
    with pytest.raises(NotFoundError), database.write(SYSTEM) as tx:
        service.open_artifact(tx, shelf=tmp_path, digest=digest)
    with pytest.raises(NotFoundError), database.write(SYSTEM) as tx:
        service.open_artifact(tx, shelf=tmp_path, digest="../../etc/passwd")


def test_orphans_go_and_artefacts_stay(database: Database, tmp_path: Path) -> None:
    kept = store(database, tmp_path)
    with pytest.raises(ZeroDivisionError), database.write(SYSTEM) as tx:
        service.store_artifact(tx, shelf=tmp_path, content=b"lost", name="a", subject="d:1",
                               media_type="text/plain")  # fmt: skip
        raise ZeroDivisionError
    (tmp_path / kept[:2] / ".new-torn").write_bytes(b"x")

    def clean() -> int:
        with database.write(SYSTEM) as tx:
            return service.remove_orphans(tx, shelf=tmp_path)

    assert clean() == 0, "a running act may still need them"
    for path in tmp_path.rglob("*"):
        os.utime(path, (0, 0))
    assert clean() == 2
    assert [p.name for p in tmp_path.glob("??/*")] == [kept[2:]]


def test_a_stranger_opens_nothing(database: Database, tmp_path: Path) -> None:
    digest = store(database, tmp_path)
    stranger = Principal(PrincipalKind.DEVICE, "dev_1", "pc", frozenset({"device.self"}))

    with pytest.raises(NotPermittedError), database.write(stranger) as tx:
        service.open_artifact(tx, shelf=tmp_path, digest=digest)

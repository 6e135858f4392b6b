"""Writes a backup while the server runs.

- One reading transaction sees one state of every table; files of artefacts never change, so
  those that the tables name belong to the same state.
- The file appears under its name only when it is complete and on the disk.
"""

import contextlib
import gzip
import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO

import msgspec
from sqlalchemy import MetaData

from sekisho import __version__
from sekisho.evidence import service as evidence
from sekisho.evidence.sources.shelf import Shelf, sync_folder
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import ConflictError, UnavailableError
from sekisho.kernel.i18n import msg, system_reason
from sekisho.kernel.principal import Principal
from sekisho.kernel.settings import Settings
from sekisho.server.backup import store
from sekisho.server.backup.envelope import Lock, SealingWriter

FORMAT = 1
ARTIFACTS = "artefacts"
_COMPRESSION = 3  # twice as fast as the usual 6 for a few per cent more bytes
_LEFT_OUT = ("sekisho.db", "lock", ARTIFACTS)
_KEY_HEAD = 65_536

Progress = Callable[[int, int], None]


class Head(msgspec.Struct, frozen=True):
    """The first member: what wrote the backup, and what it is going to hold."""

    format: int
    program: str
    revisions: list[str]
    created: datetime
    database: str
    keys: bool
    tables: dict[str, int]


@dataclass(frozen=True, slots=True)
class BackupSummary:
    """What a backup holds: rows, files, bytes of the written file, SHA-256 of it."""

    path: Path
    rows: int
    files: int
    size: int
    digest: str


@dataclass(slots=True)
class _Archive:
    """The growing archive and the digests of its members."""

    tar: tarfile.TarFile
    digests: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, content: bytes) -> None:
        """Add a member that is in memory."""
        self.add_stream(name, io.BytesIO(content), len(content))

    def add_stream(self, name: str, source: IO[bytes], size: int) -> None:
        """Add a member of exactly ``size`` bytes from ``source``."""
        info = tarfile.TarInfo(name)
        info.size = size
        hashing = _Hashing(source)
        self.tar.addfile(info, hashing)  # type: ignore[arg-type]  # only read(n) is used
        self.digests[name] = hashing.digest.hexdigest()


class _Hashing:
    """Reads through and remembers the digest of what was read."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """Read at most ``size`` bytes."""
        data = self._source.read(size)
        self.digest.update(data)
        return data


def write_backup(
    settings: Settings,
    database: Database,
    principal: Principal,
    target: Path,
    lock: Lock,
    *,
    with_keys: bool = True,
    progress: Progress | None = None,
) -> BackupSummary:
    """Write an encrypted backup of everything to ``target`` and record that it was written.

    ``with_keys`` False leaves out the secret key and every private key. Needs
    ``settings.write``. Raises ConflictError if the file exists, UnavailableError if it cannot be
    written (nothing is left behind).
    """
    principal.require("settings.write")
    if target.exists():
        raise ConflictError(
            msg("%(path)s exists already.", path=target), hint=msg("Choose a new file name.")
        )
    with _draft_of(target) as draft:
        writer = SealingWriter(draft, lock)
        rows, files = _write_archive(
            settings, database, principal, writer, with_keys=with_keys,
            progress=progress or (lambda *_: None), skip={target, Path(draft.name)},
        )  # fmt: skip
        writer.finish()
    summary = _summarize(target, rows, files)
    with database.write(principal) as tx:
        evidence.record(
            tx, kind="server.backup_written", subject="server:backup",
            detail={"file": target.name, "digest": summary.digest, "size": summary.size,
                    "keys": with_keys},
        )  # fmt: skip
    return summary


@contextlib.contextmanager
def _draft_of(target: Path) -> Iterator[IO[bytes]]:
    """Give a file that becomes ``target`` at the end of the block, or nothing at all."""
    name = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with open(descriptor, "wb", closefd=True) as file:  # noqa: PTH123 - a descriptor
            draft = _Named(file, name)
            yield draft  # type: ignore[misc]  # writes, and has the name
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
        sync_folder(target.parent)
    except OSError as error:
        raise UnavailableError(
            msg("The backup %(path)s could not be written: %(why)s",
                path=target, why=system_reason(error)),
            hint=msg("Check space and rights there; nothing was left behind."),
        ) from error  # fmt: skip
    finally:
        if name:
            Path(name).unlink(missing_ok=True)


class _Named:
    """A file opened by descriptor that still knows its path."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._file = file
        self.name = name

    def write(self, data: bytes) -> int:
        """Write through."""
        return self._file.write(data)


def _write_archive(
    settings: Settings, database: Database, principal: Principal, writer: SealingWriter, *,
    with_keys: bool, progress: Progress, skip: set[Path],
) -> tuple[int, int]:  # fmt: skip
    """Write every member; return the numbers of rows and files."""
    with (
        gzip.GzipFile(fileobj=writer, mode="wb", compresslevel=_COMPRESSION, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
        database.read(principal) as tx,
    ):
        archive = _Archive(tar)
        schema = store.read_schema(tx.connection)
        counts = store.count_rows(tx, schema)
        head = Head(
            FORMAT, __version__, store.read_revisions(tx, schema), tx.now, database.dialect,
            with_keys, counts,
        )  # fmt: skip
        archive.add("head.json", msgspec.json.encode(head))
        rows = _write_tables(tx, schema, archive, sum(counts.values()), progress)
        files = _write_artifacts(tx, archive, settings.data / ARTIFACTS)
        files += _write_files(archive, settings, with_keys=with_keys, skip=skip)
        archive.add("manifest.json", msgspec.json.encode(dict(archive.digests)))
    return rows, files


def _write_tables(
    tx: Transaction, schema: MetaData, archive: _Archive, total: int, progress: Progress
) -> int:
    done = 0
    for table in schema.sorted_tables:
        if table.name == store.REVISIONS:
            continue
        for number, (rows, part) in enumerate(store.dump_table(tx, table)):
            archive.add(f"tables/{table.name}/{number:08}.jsonl", part)
            done += rows
            progress(done, total)
    return done


def _write_artifacts(tx: Transaction, archive: _Archive, folder: Path) -> int:
    """Add the files that the records name; one that is missing is left to the verification."""
    shelf, count = Shelf(folder), 0
    for digest in evidence.list_artifact_digests(tx):
        with contextlib.suppress(FileNotFoundError), shelf.path_of(digest).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            archive.add_stream(f"{ARTIFACTS}/{digest[:2]}/{digest[2:]}", file, size)
            count += 1
    return count


def _write_files(archive: _Archive, settings: Settings, *, with_keys: bool, skip: set[Path]) -> int:
    """Add settings, checkpoints, certificates and (if wanted) keys of the data folder."""
    count = 0
    for path in sorted(settings.data.rglob("*")):
        name = path.relative_to(settings.data)
        if name.parts[0].startswith(_LEFT_OUT) or path in skip or not path.is_file():
            continue
        if path.is_symlink() or path == settings.secret_key:
            continue
        if with_keys or not _is_key(path):
            _add_file(archive, f"files/{name.as_posix()}", path)
            count += 1
    if with_keys and settings.secret_key.is_file():
        _add_file(archive, "files/secret.key", settings.secret_key)
        count += 1
    return count


def _add_file(archive: _Archive, name: str, path: Path) -> None:
    """Add as many bytes as the file has now; a file that grows is taken up to here."""
    with path.open("rb") as file:
        archive.add_stream(name, file, os.fstat(file.fileno()).st_size)


def _is_key(path: Path) -> bool:
    with path.open("rb") as file:
        return path.suffix == ".key" or b"PRIVATE KEY" in file.read(_KEY_HEAD)


def _summarize(path: Path, rows: int, files: int) -> BackupSummary:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return BackupSummary(path, rows, files, path.stat().st_size, digest)

"""Restores a backup on an empty machine: all of it, or nothing.

- Everything is unpacked beside the data folder, proven against its digests, and only then given
  the folder's name; a database elsewhere is emptied again if anything fails.
- Nothing in the backup decides where it lands: names are checked one by one.
"""

import contextlib
import gzip
import hashlib
import io
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

import msgspec
from sqlalchemy import MetaData, exc

from sekisho import __version__
from sekisho.evidence import service as evidence
from sekisho.evidence.model import Verification
from sekisho.evidence.sources.shelf import sync_folder
from sekisho.kernel.clock import Clock
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import ConflictError, InvalidInputError, UnavailableError
from sekisho.kernel.i18n import msg, system_reason
from sekisho.kernel.migrations import known_revisions, migrate
from sekisho.kernel.principal import Principal
from sekisho.kernel.settings import load_settings
from sekisho.server.backup import store
from sekisho.server.backup.envelope import Lock, OpeningReader
from sekisho.server.backup.writing import ARTIFACTS, FORMAT, Head, Progress

_CHUNK = 1024 * 1024
_LARGEST_PART = 64 * 1024 * 1024
_TABLE_PARTS = 3  # tables/NAME/NUMBER.jsonl


@dataclass(frozen=True, slots=True)
class RestoreSummary:
    """What was restored, and what the verification of the evidence found afterwards."""

    head: Head
    rows: int
    files: int
    verification: Verification


@dataclass(slots=True)
class _Unpacking:
    """What has been unpacked so far."""

    staging: Path
    head: Head
    progress: Progress
    digests: dict[str, str] = field(default_factory=dict)
    manifest: dict[str, str] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    files: int = 0


def restore_backup(
    source: Path,
    data: Path,
    lock: Lock,
    *,
    clock: Clock,
    principal: Principal,
    database_url: str = "",
    progress: Progress | None = None,
) -> RestoreSummary:
    """Restore ``source`` into the new data folder ``data`` and record it.

    ``database_url`` names an empty database; empty = SQLite in the folder. Raises ConflictError
    (folder or database not empty, newer version), InvalidInputError (wrong key, damaged, cut
    short) and UnavailableError (disk); nothing is left behind then.
    """
    _refuse_filled(data)
    with _reading(source, lock) as tar, _staging_for(data) as staging:
        members = iter(tar)
        head = _read_head(tar, next(members, None))
        state = _Unpacking(staging, head, progress or (lambda *_: None))
        with _new_database(staging, database_url, clock) as database:
            migrate(database, ",".join(head.revisions) or "head")
            with database.write(principal) as tx:
                _unpack(tx, tar, members, state)
            migrate(database)
            found = _verify(database, staging)
            _record(database, principal, state, found)
        _settle(staging, database_url)
    return RestoreSummary(head, sum(state.rows.values()), state.files, found)


def _refuse_filled(data: Path) -> None:
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise ConflictError(
            msg("%(path)s is not empty; restore needs a new or empty folder.", path=data),
            hint=msg("Name another folder with --data DIR, or move this one away."),
        )


@contextlib.contextmanager
def _reading(source: Path, lock: Lock) -> Iterator[tarfile.TarFile]:
    """Open the envelope and the archive in it; say in our words what is wrong with them."""
    try:
        with source.open("rb") as file:
            reader = OpeningReader(file, lock)
            with (
                gzip.GzipFile(fileobj=io.BufferedReader(reader), mode="rb") as plain,
                tarfile.open(fileobj=plain, mode="r|") as tar,
            ):
                yield tar
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise InvalidInputError(
            msg("%(path)s cannot be read: %(why)s", path=error.filename, why=system_reason(error))
        ) from error
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, msgspec.MsgspecError,
            exc.IntegrityError, KeyError) as error:  # fmt: skip
        raise InvalidInputError(
            msg("The content of the backup is damaged: %(why)s", why=error),
            hint=msg("Use another backup; nothing was restored."),
        ) from error
    except (OSError, exc.OperationalError) as error:
        said = error.orig if isinstance(error, exc.OperationalError) else error.strerror
        raise UnavailableError(
            msg("The backup could not be restored: %(why)s", why=said or error),
            hint=msg("Check the space of the target; nothing was left behind."),
        ) from error


@contextlib.contextmanager
def _staging_for(data: Path) -> Iterator[Path]:
    """Give a folder that becomes ``data`` at the end of the block, or nothing at all."""
    data.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{data.name}.restoring-", dir=data.parent))
    try:
        yield staging
        if data.exists():
            data.rmdir()
        staging.replace(data)
        sync_folder(data.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextlib.contextmanager
def _new_database(staging: Path, url: str, clock: Clock) -> Iterator[Database]:
    """Open the empty database; take everything out of it again if the block fails."""
    database = Database(url or f"sqlite:///{staging / 'sekisho.db'}", clock)
    try:
        store.refuse_filled(database)
        try:
            yield database
        except BaseException:
            if url:
                store.drop_everything(database)
            raise
    finally:
        database.close()


def _read_head(tar: tarfile.TarFile, member: tarfile.TarInfo | None) -> Head:
    if member is None or member.name != "head.json":
        raise tarfile.ReadError("no head")
    head = msgspec.json.decode(_content(tar, member), type=Head)
    unknown = set(head.revisions) - known_revisions()
    if head.format > FORMAT or unknown:
        raise ConflictError(
            msg("The backup was written by a newer version (%(got)s); this is %(own)s.",
                got=head.program, own=__version__),
            hint=msg("Update Sekisho, then restore."),
        )  # fmt: skip
    return head


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    if file is None or member.size > _LARGEST_PART:
        raise tarfile.ReadError(f"unexpected member {member.name}")
    return file.read()


def _unpack(
    tx: Transaction, tar: tarfile.TarFile, members: Iterator[tarfile.TarInfo], state: _Unpacking
) -> None:
    schema = store.read_schema(tx.connection)
    store.empty_tables(tx, schema)
    total = sum(state.head.tables.values())
    with store.deferred_references(tx, schema):
        for member in members:
            _take(tx, schema, tar, member, state)
            state.progress(sum(state.rows.values()), total)
    if state.digests != state.manifest:
        raise tarfile.ReadError("the members are not those of the manifest")
    store.compare_counts(state.head.tables, state.rows)
    store.move_sequences(tx, schema.sorted_tables)


def _take(
    tx: Transaction, schema: MetaData, tar: tarfile.TarFile, member: tarfile.TarInfo,
    state: _Unpacking,
) -> None:  # fmt: skip
    """Put one member where it belongs."""
    parts = PurePosixPath(member.name).parts
    if member.name == "manifest.json":
        state.manifest = msgspec.json.decode(_content(tar, member), type=dict[str, str])
        del state.manifest["head.json"]
    elif parts[0] == "tables" and len(parts) == _TABLE_PARTS:
        part = _content(tar, member)
        state.digests[member.name] = hashlib.sha256(part).hexdigest()
        table = schema.tables[parts[1]]
        state.rows[table.name] = state.rows.get(table.name, 0) + store.load_part(tx, table, part)
    elif parts[0] in ("files", ARTIFACTS) and member.isreg():
        inside = parts[1:] if parts[0] == "files" else parts
        state.digests[member.name] = _write(tar, member, _place(state.staging, inside))
        state.files += 1
    else:
        raise tarfile.ReadError(f"unexpected member {member.name}")


def _place(staging: Path, parts: tuple[str, ...]) -> Path:
    """Return where a file goes; refuse every name that could lead out of the folder."""
    if not parts or any(part in ("", ".", "..", "/") or "\\" in part for part in parts):
        raise tarfile.ReadError("a file name that leads elsewhere")
    return staging.joinpath(*parts)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> str:
    """Write a file (0600, synced) and return its digest."""
    source: IO[bytes] | None = tar.extractfile(member)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, for the mode
        while source and (data := source.read(_CHUNK)):
            digest.update(data)
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _verify(database: Database, staging: Path) -> Verification:
    """Hold the restored evidence against its chain and the checkpoints in the backup."""
    lines = [
        evidence.OutsideLine(f"{path.name}:{number}", line)
        for path in sorted((staging / "checkpoints").glob("*.jsonl"))
        for number, line in enumerate(path.read_bytes().splitlines(), start=1)
    ]
    return evidence.verify_database(database, outside=lines, shelf=staging / ARTIFACTS)


def _record(
    database: Database, principal: Principal, state: _Unpacking, found: Verification
) -> None:
    with database.write(principal) as tx:
        evidence.record(
            tx, kind="server.restored", subject="server:backup",
            detail={"created": state.head.created.isoformat(), "program": state.head.program,
                    "rows": sum(state.rows.values()), "files": state.files,
                    "sealed": found.sealed, "problems": found.problem_count},
        )  # fmt: skip
        evidence.seal_records(tx)


def _settle(staging: Path, database_url: str) -> None:
    """Let the settings point at what was restored: the database and the key in this folder."""
    import yaml  # noqa: PLC0415 - this one file

    path = staging / "settings.yaml"
    values = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.is_file() else {}
    values.pop("key_file", None)
    values.pop("database_url", None)
    if database_url:
        values["database_url"] = database_url
    if values or path.is_file():
        path.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    load_settings(staging, {})

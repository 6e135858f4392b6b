"""The shelf of artefacts: files named by their SHA-256 (``ab/cdef…``), written once, whole.

A file appears under its name only when its bytes are on the disk (temporary file, fsync, rename,
fsync of the folder); so a name that is there is complete, whatever was killed when.
"""

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sekisho.evidence.model import ArtifactDigest
from sekisho.kernel.errors import NotFoundError, UnavailableError
from sekisho.kernel.i18n import msg, system_reason

_CHUNK = 1024 * 1024
_DIGEST_LENGTH = 64
_DRAFT = ".new-"


class Shelf:
    """A folder of artefacts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, content: bytes) -> ArtifactDigest:
        """Keep ``content`` and return its digest; raise UnavailableError if the disk refuses."""
        digest = ArtifactDigest(hashlib.sha256(content).hexdigest())
        target = self.path_of(digest)
        try:
            if target.exists() and target.stat().st_size == len(content):
                os.utime(target)  # so that a clean-up of orphans does not take it from under us
            else:
                self._write(target, content)
        except OSError as error:
            raise UnavailableError(
                msg("The artefact could not be kept: %(why)s", why=system_reason(error)),
                hint=msg("Check the disk space of the data folder; nothing was recorded."),
            ) from error
        return digest

    def _write(self, target: Path, content: bytes) -> None:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=_DRAFT, dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        sync_folder(target.parent)
        sync_folder(self.folder)

    def get(self, digest: str) -> bytes:
        """Return the bytes; raise NotFoundError if they are gone, UnavailableError if changed."""
        try:
            content = self.path_of(digest).read_bytes()
        except FileNotFoundError as error:
            raise NotFoundError(
                msg("The file of artefact %(digest)s is missing.", digest=digest),
                hint=msg(
                    "Restore it from a backup; sekisho evidence verify lists what is missing."
                ),
            ) from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise UnavailableError(
                msg("The file of artefact %(digest)s was changed.", digest=digest),
                hint=msg(
                    "Restore it from a backup; sekisho evidence verify lists what is changed."
                ),
            )
        return content

    def digest_of(self, digest: str) -> str | None:
        """Return the digest that the file has now, or None if it cannot be read."""
        try:
            with self.path_of(digest).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return None

    def path_of(self, digest: str) -> Path:
        """Return where the bytes of a digest lie."""
        return self.folder / digest[:2] / digest[2:]

    def names(self) -> Iterator[tuple[str, Path]]:
        """Yield (digest, path) of every complete file, (empty, path) of unfinished ones."""
        for path in sorted(self.folder.glob("??/*")):
            digest = path.parent.name + path.name
            yield (digest if len(digest) == _DIGEST_LENGTH else ""), path

    def remove_orphans(self, known: set[str], older_than_seconds: float) -> int:
        """Delete files that no record knows and that no running act can still be writing."""
        removed = 0
        for digest, path in self.names():
            with contextlib.suppress(FileNotFoundError):
                if digest not in known and time.time() - path.stat().st_mtime > older_than_seconds:
                    path.unlink()
                    removed += 1
        return removed


def sync_folder(path: Path) -> None:
    """Make a new name in a folder survive a power cut; Windows needs and offers no such call."""
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

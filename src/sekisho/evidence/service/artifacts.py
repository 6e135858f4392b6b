"""Artefacts: bytes kept as evidence, and the custody of who opened them."""

import re
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from sekisho.evidence.model import Artifact, ArtifactDigest
from sekisho.evidence.service.records import record
from sekisho.evidence.sources.shelf import Shelf
from sekisho.evidence.store import artifacts as store
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import InvalidInputError, NotFoundError, TooLargeError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import RecordID, new_id

LARGEST_ARTIFACT = 256 * 1024 * 1024
ORPHAN_SECONDS = 3_600
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,70}/[a-z0-9!#$&^_.+-]{1,70}")  # RFC 6838 section 4.2


def store_artifact(
    tx: Transaction,
    *,
    shelf: Path,
    name: str,
    media_type: str,
    content: bytes,
    subject: str,
    most: int = LARGEST_ARTIFACT,
) -> ArtifactDigest:
    """Keep ``content`` (at most ``most`` bytes) on the shelf and record it in this transaction.

    If the transaction fails, the file is left as an orphan for ``remove_orphans``. Raises
    TooLargeError, InvalidInputError (name, media type) and UnavailableError (disk).
    """
    _check(name, media_type, len(content), most)
    digest = Shelf(shelf).put(content)
    identifier = new_id("art")
    kept = record(
        tx,
        kind="evidence.artifact_stored",
        subject=subject,
        detail={"artifact": identifier, "digest": digest, "name": name,
                "media_type": media_type, "size": len(content)},
    )  # fmt: skip
    store.insert_artifact(tx, {
        "id": identifier, "digest": digest, "name": name, "media_type": media_type,
        "size": len(content), "subject": subject, "record_id": kept,
    })  # fmt: skip
    return digest


def _check(name: str, media_type: str, size: int, most: int) -> None:
    if size > most:
        raise TooLargeError(
            msg("The artefact has %(got)s bytes; at most %(most)s are taken.", got=size, most=most)
        )
    if not 0 < len(name) <= 300 or not name.isprintable():  # noqa: PLR2004 - width of the column
        raise InvalidInputError(
            msg("%(got)r cannot be the name of an artefact; 1 to 300 printable characters are "
                "expected.", got=name[:300])
        )  # fmt: skip
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise InvalidInputError(
            msg("“%(got)s” is not a media type such as application/gzip.", got=media_type[:100])
        )


def open_artifact(
    tx: Transaction, *, shelf: Path, digest: str, purpose: str = ""
) -> tuple[Artifact, bytes]:
    """Return an artefact and its bytes, and record who opened it (chain of custody).

    Needs ``evidence.read`` and a writing transaction. Raises NotFoundError, and UnavailableError
    if the bytes are no longer what was stored.
    """
    tx.principal.require("evidence.read")
    found = store.find_artifact(tx, digest)
    if found is None:
        raise NotFoundError(msg("There is no artefact %(digest)s.", digest=digest))
    artifact = _read(found)
    content = Shelf(shelf).get(artifact.digest)
    record(
        tx,
        kind="evidence.artifact_opened",
        subject=artifact.subject,
        detail={"artifact": artifact.id, "digest": digest, "purpose": purpose},
    )
    return artifact, content


def list_artifacts(tx: Transaction, *, subject: str = "", limit: int = 100) -> list[Artifact]:
    """Return artefacts, the newest first; needs ``evidence.read``."""
    tx.principal.require("evidence.read")
    return [_read(row) for row in store.list_artifacts(tx, subject, limit)]


def list_artifact_digests(tx: Transaction) -> list[str]:
    """Return the digests of all artefacts, sorted; needs ``evidence.read``."""
    tx.principal.require("evidence.read")
    return sorted(store.list_digests(tx))


def forget_artifacts(tx: Transaction, subject: str) -> int:
    """Forget the artefacts of a subject whose records are erased with them; return how many.

    Their files go with the next ``remove_orphans`` unless something else has the same content.
    Needs nothing: the room that owns the subject has judged the right.
    """
    return store.delete_artifacts(tx, subject)


def remove_orphans(tx: Transaction, *, shelf: Path) -> int:
    """Delete files left by acts that were never committed; return how many."""
    return Shelf(shelf).remove_orphans(store.list_digests(tx), ORPHAN_SECONDS)


def _read(row: Row[Any]) -> Artifact:
    return Artifact(
        row.id, ArtifactDigest(row.digest), row.name, row.media_type, row.size, row.subject,
        RecordID(row.record_id),
    )  # fmt: skip

"""SQL for artefacts: which bytes are kept under which digest."""

from typing import Any

from sqlalchemy import Row, delete, insert, select

from sekisho.evidence.store.tables import artifacts
from sekisho.kernel.db import Transaction


def insert_artifact(tx: Transaction, row: dict[str, Any]) -> None:
    """Keep the facts of an artefact."""
    tx.execute(insert(artifacts), row)


def find_artifact(tx: Transaction, digest: str) -> Row[Any] | None:
    """Return the first artefact with this digest."""
    wanted = select(artifacts).where(artifacts.c.digest == digest).order_by(artifacts.c.id)
    found = tx.rows(wanted.limit(1))
    return found[0] if found else None


def list_artifacts(tx: Transaction, subject: str, limit: int) -> list[Row[Any]]:
    """Return artefacts, the newest first; of one subject if it is named."""
    wanted = select(artifacts).order_by(artifacts.c.id.desc()).limit(limit)
    if subject:
        wanted = wanted.where(artifacts.c.subject == subject)
    return list(tx.rows(wanted))


def delete_artifacts(tx: Transaction, subject: str) -> int:
    """Delete the facts of a subject's artefacts; return how many."""
    return int(tx.execute(delete(artifacts).where(artifacts.c.subject == subject)).rowcount)


def list_digests(tx: Transaction) -> set[str]:
    """Return the digests of all artefacts."""
    return {row.digest for row in tx.rows(select(artifacts.c.digest).distinct())}

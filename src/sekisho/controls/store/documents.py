"""Documents, and which devices they should speak for."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, func, or_, select

from sekisho.controls.documents import Document, DocumentScope, DocumentState
from sekisho.controls.model import Proof
from sekisho.controls.store.proof_tables import DOCUMENTS, STATEMENTS
from sekisho.controls.store.tables import SUBJECTS, VERDICTS
from sekisho.kernel.db import Transaction, upsert

SORTS = {
    "until": DOCUMENTS.c.valid_until, "title": func.lower(DOCUMENTS.c.title),
    "rule": DOCUMENTS.c.control_id, "state": DOCUMENTS.c.state,
    "by": func.lower(DOCUMENTS.c.submitted_name),
}  # fmt: skip


def save_document(tx: Transaction, document: Document) -> None:
    """Insert or replace a document."""
    row = {name: getattr(document, name) for name in Document.__slots__}
    upsert(tx, DOCUMENTS, [row], index=["id"], update=[name for name in row if name != "id"])


def find_document(tx: Transaction, document_id: str) -> Document | None:
    """Return a document, or None."""
    rows = tx.rows(select(DOCUMENTS).where(DOCUMENTS.c.id == document_id))
    return _document(rows[0]) if rows else None


def list_documents(
    tx: Transaction, *, state: str = "", search: str = "", sort: str = "until", limit: int = 50,
    offset: int = 0,
) -> tuple[list[Document], int]:  # fmt: skip
    """Return one page of documents by a key of SORTS ("-" downwards), and how many match."""
    wanted: list[Any] = [DOCUMENTS.c.state == state] if state else []
    if search:
        like = f"%{search.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"
        columns = (DOCUMENTS.c.title, DOCUMENTS.c.note, DOCUMENTS.c.submitted_name)
        wanted.append(or_(*(column.ilike(like, escape="!") for column in columns)))
    total = tx.scalar(select(func.count()).select_from(DOCUMENTS).where(*wanted))
    column = SORTS[sort.removeprefix("-")]
    order = column.desc() if sort.startswith("-") else column.asc()
    page = select(DOCUMENTS).where(*wanted).order_by(order, DOCUMENTS.c.id)
    return [_document(row) for row in tx.rows(page.limit(limit).offset(offset))], int(total or 0)


def list_accepted(tx: Transaction) -> list[Document]:
    """Return every accepted document."""
    accepted = DOCUMENTS.c.state == DocumentState.ACCEPTED.value
    return [_document(row) for row in tx.rows(select(DOCUMENTS).where(accepted))]


def list_ending(tx: Transaction, now: datetime, before: datetime) -> list[Document]:
    """Return accepted documents that end soon and about which nobody was told yet."""
    ending = and_(
        DOCUMENTS.c.state == DocumentState.ACCEPTED.value,
        DOCUMENTS.c.valid_until > now,
        DOCUMENTS.c.valid_until <= before,
        DOCUMENTS.c.reminded_at.is_(None),
    )
    return [_document(row) for row in tx.rows(select(DOCUMENTS).where(ending))]


def list_devices(tx: Transaction, control_id: str) -> Sequence[Row[Any]]:
    """Return (device_id, person_id) of every device that a rule applies to."""
    return tx.rows(
        select(SUBJECTS.c.device_id, SUBJECTS.c.person_id)
        .join(VERDICTS, VERDICTS.c.device_id == SUBJECTS.c.device_id)
        .where(VERDICTS.c.control_id == control_id)
    )


def list_said(tx: Transaction) -> Sequence[Row[Any]]:
    """Return (device_id, control_id, source, valid_until) of every document's statement."""
    columns = (
        STATEMENTS.c.device_id, STATEMENTS.c.control_id, STATEMENTS.c.source,
        STATEMENTS.c.valid_until,
    )  # fmt: skip
    by_document = and_(
        STATEMENTS.c.proof == Proof.DOCUMENT.value, STATEMENTS.c.source.like("document:%")
    )
    return tx.rows(select(*columns).where(by_document))


def _document(row: Row[Any]) -> Document:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    values["scope"], values["state"] = DocumentScope(row.scope), DocumentState(row.state)
    return Document(**values)

"""The only SQL of cases."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Row,
    Select,
    String,
    Table,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy import Text as SQLText

from sekisho.cases.model import (
    Message,
    Photo,
    Report,
    ReportFilter,
    ReportKind,
    ReportStatus,
)
from sekisho.kernel.db import Transaction, UTCDateTime, metadata
from sekisho.kernel.ids import PersonID


def _report() -> "Column[str]":
    reference = ForeignKey("case_reports.id", ondelete="CASCADE")
    return Column("report_id", String(40), reference, nullable=False)


REPORTS = Table(
    "case_reports",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("reporter_id", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("text", SQLText, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("changed_at", UTCDateTime, nullable=False),
    Column("handler_id", String(64)),
    Column("closed_at", UTCDateTime),
    Column("told_manager", Boolean, nullable=False),
    Index("ix_case_reports_status", "status", "created_at"),
    Index("ix_case_reports_reporter_id", "reporter_id", "created_at"),
)
MESSAGES = Table(
    "case_messages",
    metadata,
    Column("id", String(40), primary_key=True),
    _report(),
    Column("author_id", String(64), nullable=False),
    Column("from_reporter", Boolean, nullable=False),
    Column("internal", Boolean, nullable=False),
    Column("text", SQLText, nullable=False),
    Column("at", UTCDateTime, nullable=False),
    Index("ix_case_messages_report_id", "report_id", "at"),
)
PHOTOS = Table(
    "case_photos",
    metadata,
    Column("id", String(40), primary_key=True),
    _report(),
    Column("place", Integer, nullable=False),
    Column("name", String(200), nullable=False),
    Column("media_type", String(40), nullable=False),
    Column("size", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Index("ix_case_photos_report_id", "report_id"),
)


def insert_report(tx: Transaction, report: Report) -> None:
    """Add a report."""
    row = {name: getattr(report, name) for name in Report.__slots__}
    tx.execute(insert(REPORTS), row | {"kind": report.kind.value, "status": report.status.value})


def insert_message(tx: Transaction, report_id: str, message: Message) -> None:
    """Add an answer, a reply or a note."""
    row = {name: getattr(message, name) for name in Message.__slots__}
    tx.execute(insert(MESSAGES), row | {"report_id": report_id})


def insert_photo(tx: Transaction, report_id: str, place: int, photo: Photo) -> None:
    """Add a photo that the evidence keeps; ``place`` counts those of one report."""
    row = {name: getattr(photo, name) for name in Photo.__slots__}
    tx.execute(insert(PHOTOS), row | {"report_id": report_id, "place": place})


def update_report(tx: Transaction, report_id: str, **values: Any) -> None:
    """Set the named columns of a report."""
    tx.execute(update(REPORTS).where(REPORTS.c.id == report_id).values(**values))


def find_report(tx: Transaction, report_id: str) -> Report | None:
    """Return a report, or None."""
    rows = tx.rows(select(REPORTS).where(REPORTS.c.id == report_id))
    return _read(rows[0]) if rows else None


def list_finished(tx: Transaction, before: datetime, limit: int) -> list[Report]:
    """List reports that were finished before a time, the oldest first."""
    closed = (REPORTS.c.status == ReportStatus.CLOSED.value, REPORTS.c.closed_at < before)
    query = select(REPORTS).where(*closed).order_by(REPORTS.c.closed_at).limit(limit)
    return [_read(row) for row in tx.rows(query)]


def delete_report(tx: Transaction, report_id: str) -> None:
    """Delete a report with its answers and photos."""
    for table, column in (
        (MESSAGES, MESSAGES.c.report_id),
        (PHOTOS, PHOTOS.c.report_id),
        (REPORTS, REPORTS.c.id),
    ):
        tx.execute(delete(table).where(column == report_id))


def lock_report(tx: Transaction, report_id: str) -> None:
    """Keep other writers off this report until the transaction ends."""
    tx.rows(select(REPORTS.c.id).where(REPORTS.c.id == report_id).with_for_update())


def list_messages(tx: Transaction, report_id: str, *, internal: bool) -> list[Message]:
    """List a report's answers and replies, the oldest first; notes only if wanted."""
    query = select(MESSAGES).where(MESSAGES.c.report_id == report_id)
    if not internal:
        query = query.where(MESSAGES.c.internal.is_(False))
    rows = tx.rows(query.order_by(MESSAGES.c.at, MESSAGES.c.id))
    return [
        Message(row.id, PersonID(row.author_id), row.from_reporter, row.internal, row.text, row.at)
        for row in rows
    ]


def list_photos(tx: Transaction, report_id: str) -> list[Photo]:
    """List a report's photos in the order they were sent."""
    rows = tx.rows(select(PHOTOS).where(PHOTOS.c.report_id == report_id).order_by(PHOTOS.c.place))
    return [Photo(row.id, row.name, row.media_type, row.size, row.digest) for row in rows]


def count_since(tx: Transaction, reporter_id: str, since: Any) -> int:
    """Count what a person has reported since then."""
    recent = (REPORTS.c.reporter_id == reporter_id, REPORTS.c.created_at > since)
    return int(tx.scalar(select(func.count()).select_from(REPORTS).where(*recent)))


SORTS = {"created": REPORTS.c.created_at, "changed": REPORTS.c.changed_at,
         "status": REPORTS.c.status, "kind": REPORTS.c.kind}  # fmt: skip


def list_reports(
    tx: Transaction, wanted: ReportFilter, *, within: Select[Any] | None, named: Sequence[str],
    sort: str, offset: int, limit: int,
) -> list[Report]:  # fmt: skip
    """Return one page; ``within`` narrows to reporters, ``named`` are those the search names."""
    column = SORTS[sort.removeprefix("-")]
    order = column.desc() if sort.startswith("-") else column.asc()
    query = _where(select(REPORTS), wanted, within, named).order_by(order, REPORTS.c.id.desc())
    return [_read(row) for row in tx.rows(query.offset(offset).limit(limit))]


def count_reports(
    tx: Transaction, wanted: ReportFilter, within: Select[Any] | None, named: Sequence[str]
) -> int:
    """Count what ``list_reports`` would return without a limit."""
    query = select(func.count()).select_from(REPORTS)
    return int(tx.scalar(_where(query, wanted, within, named)))


def count_by_status(tx: Transaction, within: Select[Any] | None) -> dict[ReportStatus, int]:
    """Return status → number of reports."""
    query = select(REPORTS.c.status, func.count().label("n")).group_by(REPORTS.c.status)
    found = tx.rows(_where(query, ReportFilter(), within, ()))
    return dict.fromkeys(ReportStatus, 0) | {ReportStatus(row.status): row.n for row in found}


def _where(
    query: Select[Any], wanted: ReportFilter, within: Select[Any] | None, named: Sequence[str]
) -> Select[Any]:
    if within is not None:
        query = query.where(REPORTS.c.reporter_id.in_(within))
    for column, value in (
        (REPORTS.c.kind, wanted.kind),
        (REPORTS.c.status, wanted.status),
        (REPORTS.c.reporter_id, wanted.mine),
    ):
        query = query.where(column == value) if value else query
    if wanted.open_only:
        query = query.where(REPORTS.c.status != ReportStatus.CLOSED.value)
    if wanted.search:
        fits = REPORTS.c.text.icontains(wanted.search, autoescape=True)
        query = query.where(or_(fits, REPORTS.c.reporter_id.in_(named)))
    return query


def _read(row: Row[Any]) -> Report:
    return Report(
        id=row.id,
        kind=ReportKind(row.kind),
        reporter_id=PersonID(row.reporter_id),
        status=ReportStatus(row.status),
        text=row.text,
        created_at=row.created_at,
        changed_at=row.changed_at,
        handler_id=row.handler_id,
        closed_at=row.closed_at,
        told_manager=row.told_manager,
    )

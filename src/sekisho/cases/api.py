"""Reports as JSON."""

from datetime import datetime

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.exceptions import ValidationException
from litestar.params import FromPath, FromQuery
from litestar.types import ControllerRouterHandler

from sekisho.cases import service
from sekisho.cases.model import Report, ReportFilter, ReportKind, ReportStatus
from sekisho.kernel.db import Database
from sekisho.kernel.principal import Principal


class ReportView(msgspec.Struct):
    """One report; times are UTC."""

    id: str
    kind: str
    status: str
    reporter_id: str
    reporter: str
    handler_id: str | None
    text: str
    created_at: datetime
    changed_at: datetime
    closed_at: datetime | None


class MessageView(msgspec.Struct):
    """One answer, reply or (internal) note."""

    author: str
    from_reporter: bool
    internal: bool
    text: str
    at: datetime


class ReportFileView(msgspec.Struct):
    """A report with its messages; ``photos`` are names of artefacts."""

    report: ReportView
    messages: list[MessageView]
    photos: list[str]


class ReportList(msgspec.Struct):
    """One page of reports, the newest first; ``total`` counts all pages."""

    reports: list[ReportView]
    total: int
    page: int
    page_size: int


@get("/api/reports", sync_to_thread=True, tags=["cases"])
def list_reports(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    search: FromQuery[str] = "",
    kind: FromQuery[str] = "",
    status: FromQuery[str] = "",
    page: FromQuery[int] = 1,
    page_size: FromQuery[int] = 50,
) -> ReportList:
    """List reports; all that is given must hold."""
    if (kind and kind not in set(ReportKind)) or (status and status not in set(ReportStatus)):
        raise ValidationException("kind or status is none of those known")
    wanted = ReportFilter(search=search, kind=kind, status=status)
    with database.read(principal) as tx:
        found = service.list_reports(tx, wanted, page=page, page_size=page_size)
    views = [_view(r, found.names.get(r.reporter_id, "")) for r in found.reports]
    return ReportList(views, found.total, page, page_size)


@get("/api/reports/{report_id:str}", sync_to_thread=True, tags=["cases"])
def get_report(
    report_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> ReportFileView:
    """Return a report with its messages."""
    with database.read(principal) as tx:
        file = service.get_report(tx, report_id)
    names = file.names
    messages = [
        MessageView(names.get(m.author_id, ""), m.from_reporter, m.internal, m.text, m.at)
        for m in file.messages
    ]
    view = _view(file.report, names.get(file.report.reporter_id, ""))
    return ReportFileView(view, messages, [photo.name for photo in file.photos])


def _view(report: Report, reporter: str) -> ReportView:
    return ReportView(
        report.id, report.kind, report.status, report.reporter_id, reporter, report.handler_id,
        report.text, report.created_at, report.changed_at, report.closed_at,
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [list_reports, get_report]

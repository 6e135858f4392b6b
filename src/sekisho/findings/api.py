"""Findings as JSON."""

from datetime import datetime

import msgspec
from litestar import get, put
from litestar.di import NamedDependency
from litestar.exceptions import ValidationException
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.types import ControllerRouterHandler

from sekisho.findings import service
from sekisho.findings.model import Finding, FindingFilter, FindingStatus
from sekisho.kernel.db import Database
from sekisho.kernel.principal import Principal


class FindingView(msgspec.Struct):
    """One finding; times are UTC."""

    id: str
    kind: str
    key: str
    subject: str
    title: dict[str, str]
    severity: str
    status: str
    detail: dict[str, object]
    first_seen_at: datetime
    last_seen_at: datetime
    times: int
    due_at: datetime | None
    closed_at: datetime | None
    closed_because: str
    owner: str | None


class FindingList(msgspec.Struct):
    """One page of findings, worst first; ``total`` counts all pages."""

    findings: list[FindingView]
    total: int
    page: int
    page_size: int


class Assignment(msgspec.Struct):
    """Who has it from now on; null for nobody."""

    owner: str | None


@get("/api/findings", sync_to_thread=True, tags=["findings"])
def list_findings(  # noqa: PLR0917 - called by name, by the framework
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    status: FromQuery[str] = "open",
    severity: FromQuery[str] = "",
    kind: FromQuery[str] = "",
    search: FromQuery[str] = "",
    page: FromQuery[int] = 1,
    page_size: FromQuery[int] = 50,
) -> FindingList:
    """List findings; ``status`` is open, closed or all."""
    if status not in {"open", "closed", "all"}:
        raise ValidationException(f"status is “{status}”; open, closed or all is expected")
    wanted = FindingFilter(
        status=None if status == "all" else FindingStatus(status),
        severity=severity,
        kind=kind,
        search=search,
    )
    with database.read(principal) as tx:
        found = service.list_findings(tx, wanted, page=page, page_size=page_size)
    return FindingList([_view(f) for f in found.findings], found.total, page, page_size)


@put("/api/findings/{finding_id:str}/owner", sync_to_thread=True, tags=["findings"])
def assign_finding(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    finding_id: FromPath[str],
    data: JSONBody[Assignment],
) -> FindingView:
    """Give a finding to a person, or to nobody."""
    with database.write(principal) as tx:
        return _view(service.assign_finding(tx, finding_id, data.owner))


def _view(finding: Finding) -> FindingView:
    return msgspec.convert(finding, FindingView, from_attributes=True)


HANDLERS: list[ControllerRouterHandler] = [list_findings, assign_finding]

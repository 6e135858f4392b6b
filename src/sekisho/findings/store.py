"""The findings room's only SQL."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Column,
    Index,
    Integer,
    Row,
    Select,
    String,
    Table,
    Text,
    and_,
    bindparam,
    func,
    or_,
    select,
    type_coerce,
    update,
)

from sekisho.findings.model import Finding, FindingFilter, FindingKind, FindingStatus, Severity
from sekisho.kernel.db import JSONText, Transaction, UTCDateTime, chunked, metadata
from sekisho.kernel.ids import FindingID

findings = Table(
    "findings",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("key", String(300), nullable=False, unique=True),
    Column("subject", String(300), nullable=False),
    Column("title", JSONText(), nullable=False),
    Column("severity", Integer(), nullable=False),
    Column("status", String(10), nullable=False),
    Column("detail", JSONText(), nullable=False),
    Column("first_seen_at", UTCDateTime(), nullable=False),
    Column("last_seen_at", UTCDateTime(), nullable=False),
    Column("times", Integer(), nullable=False),
    Column("due_at", UTCDateTime()),
    Column("closed_at", UTCDateTime()),
    Column("closed_because", String(300), nullable=False),
    Column("owner", String(40)),
)
Index("ix_findings_inbox", findings.c.status, findings.c.severity, findings.c.first_seen_at)
Index("ix_findings_subject", findings.c.subject, findings.c.status)

_SEVERITIES = list(Severity)


def find_by_keys(tx: Transaction, keys: Sequence[str]) -> dict[str, Finding]:
    """Return the known findings among ``keys``, open or closed."""
    found: dict[str, Finding] = {}
    for some in chunked(keys):
        rows = tx.rows(select(findings).where(findings.c.key.in_(some)))
        found.update({row.key: _finding(row) for row in rows})
    return found


def insert_findings(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add findings that were never seen."""
    if rows:
        tx.execute(findings.insert(), [dict(row) for row in rows])


def update_findings(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Change findings by ``key``; all rows must name the same columns."""
    if not rows:
        return
    columns = set(rows[0]) - {"key"}
    statement = (
        update(findings)
        .where(findings.c.key == bindparam("the_key"))
        .values({name: bindparam(f"new_{name}") for name in columns})
    )
    tx.execute(
        statement,
        [{"the_key": row["key"]} | {f"new_{name}": row[name] for name in columns} for row in rows],
    )


def get_finding(tx: Transaction, finding_id: str) -> Finding | None:
    """Return one finding, or None."""
    rows = tx.rows(select(findings).where(findings.c.id == finding_id))
    return _finding(rows[0]) if rows else None


def list_findings(tx: Transaction, wanted: FindingFilter, offset: int, limit: int) -> list[Finding]:
    """Return one page, worst first, then oldest first."""
    statement = _where(select(findings), wanted)
    ordered = statement.order_by(findings.c.severity, findings.c.first_seen_at, findings.c.id)
    return [_finding(row) for row in tx.rows(ordered.offset(offset).limit(limit))]


def count_findings(tx: Transaction, wanted: FindingFilter) -> int:
    """Count what ``list_findings`` would give without a limit."""
    return int(tx.scalar(_where(select(func.count()).select_from(findings), wanted)))


def count_by_severity(tx: Transaction) -> dict[Severity, int]:
    """Count the open findings of each severity."""
    rows = tx.rows(
        select(findings.c.severity, func.count().label("n"))
        .where(findings.c.status == FindingStatus.OPEN)
        .group_by(findings.c.severity)
    )
    return {_SEVERITIES[row.severity]: row.n for row in rows}


def count_severe(tx: Transaction, subjects: Sequence[str], kind: FindingKind) -> dict[str, int]:
    """Return subject → how many open critical and high findings of ``kind`` it has."""
    found: dict[str, int] = {}
    for some in chunked(subjects):
        query = select(findings.c.subject, func.count().label("n")).where(
            findings.c.subject.in_(some),
            findings.c.status == FindingStatus.OPEN,
            findings.c.kind == kind.value,
            findings.c.severity <= Severity.HIGH.rank,
        )
        found |= {row.subject: row.n for row in tx.rows(query.group_by(findings.c.subject))}
    return found


def _where(statement: Select[Any], wanted: FindingFilter) -> Select[Any]:
    conditions = [
        column == value
        for column, value in (
            (findings.c.status, wanted.status and wanted.status.value),
            (findings.c.kind, wanted.kind),
            (findings.c.subject, wanted.subject),
            (findings.c.severity, Severity(wanted.severity).rank if wanted.severity else None),
        )
        if value not in {None, ""}
    ]
    if wanted.owner is not None:
        conditions.append(findings.c.owner == wanted.owner if wanted.owner
                          else findings.c.owner.is_(None))  # fmt: skip
    if wanted.search:
        title = type_coerce(findings.c.title, Text())  # the JSON as it is stored
        columns = (title, findings.c.subject, findings.c.key)
        conditions.append(or_(*(c.icontains(wanted.search, autoescape=True) for c in columns)))
    return statement.where(and_(True, *conditions))


def _finding(row: Row[Any]) -> Finding:
    return Finding(
        id=FindingID(row.id),
        kind=FindingKind(row.kind),
        key=row.key,
        subject=row.subject,
        title=row.title,
        severity=_SEVERITIES[row.severity],
        status=FindingStatus(row.status),
        detail=row.detail,
        first_seen_at=row.first_seen_at,
        last_seen_at=row.last_seen_at,
        times=row.times,
        due_at=row.due_at,
        closed_at=row.closed_at,
        closed_because=row.closed_because,
        owner=row.owner,
    )

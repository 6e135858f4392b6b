"""The findings room's only SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
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
    literal,
    or_,
    select,
    type_coerce,
    update,
)

from sekisho.findings.model import (
    Finding,
    FindingFilter,
    FindingKind,
    FindingStatus,
    Note,
    NoteKind,
    Severity,
    Span,
)
from sekisho.kernel.db import (
    JSONText,
    Transaction,
    UTCDateTime,
    among,
    chunked,
    contains,
    day_of,
    metadata,
    read_day,
)
from sekisho.kernel.ids import FindingID
from sekisho.kernel.prepared import Prepared, among_given

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
    Column("topic", String(100), nullable=False, server_default=""),
)
# Lists narrow and count by these indexes alone: rows are wide, and 80,000 of them take a while.
_BESIDE = (findings.c.kind, findings.c.owner, findings.c.due_at)
Index(
    "ix_findings_inbox", findings.c.status, findings.c.severity, findings.c.first_seen_at,
    findings.c.id, findings.c.topic, findings.c.subject, *_BESIDE,
)  # fmt: skip
Index(
    "ix_findings_topic", findings.c.status, findings.c.topic, findings.c.severity,
    findings.c.subject, findings.c.first_seen_at, *_BESIDE,
)  # fmt: skip
Index(
    "ix_findings_subject", findings.c.subject, findings.c.status, findings.c.topic,
    findings.c.severity, findings.c.first_seen_at, findings.c.id, findings.c.closed_at, *_BESIDE,
)  # fmt: skip
Index(
    "ix_findings_closed_at", findings.c.closed_at, findings.c.first_seen_at, findings.c.subject,
    findings.c.topic, findings.c.severity, findings.c.kind,
)  # fmt: skip
Index("ix_findings_owner", findings.c.owner, findings.c.status)

notes = Table(
    "finding_notes",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("finding_id", String(40), nullable=False),
    Column("at", UTCDateTime(), nullable=False),
    Column("author", String(200), nullable=False),
    Column("author_name", String(200), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("words", Text(), nullable=False),
)
Index("ix_finding_notes_finding", notes.c.finding_id, notes.c.at)

_SEVERITIES = list(Severity)
_KIND = (findings.c.topic, findings.c.severity)
SORTS: Mapping[str, Any] = {
    "severity": findings.c.severity,
    "age": findings.c.first_seen_at,
    "due": findings.c.due_at,
    "seen": findings.c.last_seen_at,
    "rule": findings.c.topic,
    "times": findings.c.times,
}

_SEVERE_OF_MANY = Prepared(
    select(findings.c.subject, func.count().label("n"))
    .where(
        among_given(findings.c.subject, "subjects"),
        # Made an expression, so that no planner prefers the index of the inbox: of one subject
        # there are a few findings, of this status tens of thousands; the gate asks all day.
        findings.c.status + "" == FindingStatus.OPEN.value,
        findings.c.kind == bindparam("kind"),
        findings.c.severity <= Severity.HIGH.rank,
    )
    .group_by(findings.c.subject)
)


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


def find_findings(tx: Transaction, ids: Sequence[str]) -> list[Finding]:
    """Return the findings with these ids."""
    found: list[Finding] = []
    for some in chunked(ids):
        rows = tx.rows(select(findings).where(findings.c.id.in_(some)))
        found += [_finding(row) for row in rows]
    return found


def list_findings(
    tx: Transaction, wanted: FindingFilter, offset: int, limit: int, sort: str = "severity"
) -> list[Finding]:
    """Return one page by a key of SORTS ("-" downwards), then the worst, then the oldest first."""
    order = _order(sort)
    ids = _where(select(findings.c.id), wanted).order_by(*order).offset(offset).limit(limit)
    ordered = select(findings).where(findings.c.id.in_(ids)).order_by(*order)
    return [_finding(row) for row in tx.rows(ordered)]


def find_page(
    tx: Transaction, wanted: FindingFilter, offset: int, limit: int, sort: str
) -> tuple[list[Finding], dict[tuple[str, Severity], int]]:
    """Return what ``list_findings`` and ``count_kinds`` do (of every kind), looked for once.

    Worth it where it takes long to tell what matches: hits are kept aside while they are counted.
    """
    column = SORTS[sort.removeprefix("-")]
    every = replace(wanted, topic="", severity="")
    kept = {c.key: c for c in (*_KIND, findings.c.first_seen_at, findings.c.id, column)}
    hits = _where(select(*kept.values()), every).cte("hits")
    asked = _fits(hits.c, {"topic": wanted.topic, "severity": _rank(wanted)})
    page = select(hits.c.id).where(*asked).order_by(*_order(sort, hits.c)).offset(offset)
    shown = page.limit(limit).subquery()
    rows = tx.rows(
        select(literal("").label("id"), hits.c.topic, hits.c.severity, func.count().label("n"))
        .group_by(hits.c.topic, hits.c.severity)
        .union_all(select(shown.c.id, literal(""), literal(0), literal(0)))
    )
    ids = [row.id for row in rows if row.id]
    counted = {(row.topic, _SEVERITIES[row.severity]): row.n for row in rows if not row.id}
    ordered = select(findings).where(findings.c.id.in_(ids)).order_by(*_order(sort))
    return [_finding(row) for row in tx.rows(ordered)] if ids else [], counted


def list_ids(tx: Transaction, wanted: FindingFilter, limit: int) -> list[str]:
    """Return the ids of the findings that match, the worst first."""
    statement = _where(select(findings.c.id), wanted).order_by(*_order("severity"))
    return [row.id for row in tx.rows(statement.limit(limit))]


def _order(sort: str, of: Any = findings.c) -> list[Any]:
    """Return by what the columns ``of`` the table, or of some of it, are ordered."""
    name = SORTS[sort.removeprefix("-")].key
    first = of[name].desc() if sort.startswith("-") else of[name].asc()
    then = [of.severity, of.first_seen_at, of.id]
    if name == "severity":  # named once, so that the index of the inbox is seen to fit
        return [first, *then[1:]]
    return [first.nulls_last() if name == "due_at" else first, *then]


def count_kinds(tx: Transaction, wanted: FindingFilter) -> dict[tuple[str, Severity], int]:
    """Count what matches by topic and severity."""
    counted = select(*_KIND, func.count().label("n")).select_from(findings)
    rows = tx.rows(_where(counted, wanted).group_by(*_KIND))
    return {(row.topic, _SEVERITIES[row.severity]): row.n for row in rows}


def count_days(tx: Transaction, wanted: FindingFilter, since: datetime) -> list[Span]:
    """Return what was open at ``since`` or later, by the days (UTC) of its begin and end."""
    first, last = (day_of(tx, c) for c in (findings.c.first_seen_at, findings.c.closed_at))
    counted = select(first.label("first"), func.count().label("n")).select_from(findings)
    ended = counted.add_columns(last.label("last")).where(findings.c.closed_at >= since)
    lasting = counted.where(findings.c.closed_at.is_(None))  # apart: most, and by one day only
    wanted = replace(wanted, status=None)
    return [
        *(Span(read_day(row.first), None, row.n)
          for row in tx.rows(_where(lasting, wanted).group_by("first"))),
        *(Span(read_day(row.first), read_day(row.last), row.n)
          for row in tx.rows(_where(ended, wanted).group_by("first", "last"))),
    ]  # fmt: skip


def insert_notes(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add to the histories of findings."""
    if rows:
        tx.execute(notes.insert(), [dict(row) for row in rows])


def list_notes(tx: Transaction, finding_id: str, limit: int) -> list[Note]:
    """Return the latest of a finding's history, the latest first."""
    statement = select(notes).where(notes.c.finding_id == finding_id)
    rows = tx.rows(statement.order_by(notes.c.at.desc(), notes.c.id.desc()).limit(limit))
    return [
        Note(row.at, row.author, row.author_name, NoteKind(row.kind), row.words) for row in rows
    ]


def count_findings(tx: Transaction, wanted: FindingFilter) -> int:
    """Count what ``list_findings`` would give without a limit."""
    return int(tx.scalar(_where(select(func.count()).select_from(findings), wanted)))


def count_by_severity(tx: Transaction, wanted: FindingFilter | None = None) -> dict[Severity, int]:
    """Count the findings that match (all open ones) of each severity."""
    wanted = wanted or FindingFilter(status=FindingStatus.OPEN)
    counted = select(findings.c.severity, func.count().label("n")).select_from(findings)
    rows = tx.rows(_where(counted, wanted).group_by(findings.c.severity))
    return {_SEVERITIES[row.severity]: row.n for row in rows}


def count_severe(tx: Transaction, subjects: Sequence[str], kind: FindingKind) -> dict[str, int]:
    """Return subject → how many open critical and high findings of ``kind`` it has."""
    found: dict[str, int] = {}
    for some in chunked(subjects):
        rows = _SEVERE_OF_MANY.rows(tx, {"subjects": some, "kind": kind.value})
        found |= {row.subject: row.n for row in rows}
    return found


def _where(statement: Select[Any], wanted: FindingFilter) -> Select[Any]:
    conditions = _fits(findings.c, {
        "status": wanted.status and wanted.status.value, "kind": wanted.kind,
        "subject": wanted.subject, "severity": _rank(wanted), "topic": wanted.topic,
    })  # fmt: skip
    if wanted.begun_before is not None:
        conditions.append(findings.c.first_seen_at < wanted.begun_before)
    if wanted.overdue is not None:
        conditions.append(findings.c.due_at < wanted.overdue)
    if wanted.owner is not None:
        conditions.append(findings.c.owner == wanted.owner if wanted.owner
                          else findings.c.owner.is_(None))  # fmt: skip
    if wanted.search:
        conditions.append(_search(wanted))
    conditions += [findings.c.subject.in_(query) for query in wanted.subjects]  # dearest last
    return statement.where(and_(True, *conditions))


def _fits(columns: Any, wanted: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    return [columns[name] == value for name, value in wanted.items() if value not in {None, ""}]


def _rank(wanted: FindingFilter) -> int | None:
    return Severity(wanted.severity).rank if wanted.severity else None


def _search(wanted: FindingFilter) -> ColumnElement[bool]:
    """Say what a search looks for; it reads titles (which no index holds) last."""
    title = type_coerce(findings.c.title, Text())  # the JSON as it is stored
    read = contains(wanted.search, title, findings.c.subject, findings.c.key)
    known = [*wanted.called, *wanted.not_called]
    hits: list[ColumnElement[bool]] = []
    hits += [findings.c.topic.in_(wanted.called)] if wanted.called else []
    hits += [among(findings.c.subject, wanted.found)] if wanted.found else []
    return or_(*hits, and_(findings.c.topic.not_in(known), read) if known else read)


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
        topic=row.topic,
    )

"""Reads and writes the log of decisions. Denials that repeat share one row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, Select, and_, case, func, insert, or_, select, update

from sekisho.access.model import Outcome
from sekisho.access.store.tables import DECISIONS
from sekisho.kernel.db import Transaction, among, day_of, read_day

_INSERT = insert(DECISIONS)
SORTS = {"at": DECISIONS.c.last_at, "times": DECISIONS.c.times, "reason": DECISIONS.c.reason,
         "outcome": DECISIONS.c.outcome}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log, as it is stored; ``reasons`` are packed (see ``service.log``)."""

    id: str
    at: datetime
    last_at: datetime
    times: int
    outcome: str
    person_id: str
    device_id: str | None
    resource_id: str
    session_id: str | None
    door: str
    address: str
    trust: int
    policy_version: int
    reason: str
    reasons: Sequence[Mapping[str, Any]]
    signals: Mapping[str, Any]
    same: str


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which lines are wanted; what is empty does not count."""

    outcome: str = ""
    person_id: str = ""
    device_id: str = ""
    resource_id: str = ""
    reason: str = ""
    since: datetime | None = None
    search: str = ""
    people: Sequence[str] = ()
    resources: Sequence[str] = ()


def insert_entries(tx: Transaction, entries: Sequence[Entry]) -> None:
    """Add lines."""
    if entries:
        rows = [{name: getattr(each, name) for name in Entry.__slots__} for each in entries]
        tx.execute(_INSERT, rows)


def repeat_entry(tx: Transaction, same: str, since: datetime, times: int = 1) -> bool:
    """Count so many more of the same since then; False if there is none to count on."""
    mine = (DECISIONS.c.same == same, DECISIONS.c.last_at >= since)
    changed = update(DECISIONS).where(*mine).values(times=DECISIONS.c.times + times, last_at=tx.now)
    return bool(tx.execute(changed).rowcount)


def list_cut_reasons(
    tx: Transaction, people: Sequence[str], sessions: Sequence[str]
) -> dict[str, Sequence[Mapping[str, Any]]]:
    """Return session → packed reasons for which it was cut, of these people's sessions."""
    query = select(DECISIONS.c.session_id, DECISIONS.c.reasons).where(
        among(DECISIONS.c.person_id, people),
        DECISIONS.c.outcome == Outcome.CUT.value,
        among(DECISIONS.c.session_id, sessions),
    )
    return {row.session_id: row.reasons for row in tx.rows(query)}


def find_entry(tx: Transaction, entry_id: str) -> Entry | None:
    """Return one line, or None."""
    rows = tx.rows(select(DECISIONS).where(DECISIONS.c.id == entry_id))
    return _entry(rows[0]) if rows else None


def list_entries(
    tx: Transaction, wanted: EntryFilter, sort: str, offset: int, limit: int
) -> list[Entry]:
    """Return one page of lines."""
    column = SORTS[sort.removeprefix("-")]
    order = column.desc() if sort.startswith("-") else column.asc()
    ordered = (order, DECISIONS.c.id.desc())
    ids = _where(select(DECISIONS.c.id), wanted).order_by(*ordered).offset(offset).limit(limit)
    query = select(DECISIONS).where(DECISIONS.c.id.in_(ids)).order_by(*ordered)
    return [_entry(row) for row in tx.rows(query)]


def count_entries(tx: Transaction, wanted: EntryFilter) -> int:
    """Count what ``list_entries`` would return without a limit."""
    return int(tx.scalar(_where(select(func.count()).select_from(DECISIONS), wanted)))


def count_reasons(tx: Transaction, since: datetime) -> dict[str, int]:
    """Return first reason of denials and cuts since then → how often."""
    query = select(DECISIONS.c.reason, func.sum(DECISIONS.c.times).label("n")).where(
        DECISIONS.c.last_at >= since, DECISIONS.c.outcome != "allow"
    )
    rows = tx.rows(query.group_by(DECISIONS.c.reason))
    return {row.reason: int(row.n) for row in rows}


def count_days(tx: Transaction, since: datetime) -> list[tuple[date, str, int]]:
    """Count decisions since then as (day in UTC, outcome, times), for a trend."""
    day = day_of(tx, DECISIONS.c.last_at).label("day")
    sums = [
        func.sum(case((DECISIONS.c.outcome == outcome.value, DECISIONS.c.times), else_=0))
        for outcome in Outcome
    ]  # beside one another: to group by two columns takes twice as long
    query = select(day, *sums).where(DECISIONS.c.last_at >= since)
    rows: Sequence[Any] = tx.rows(query.group_by("day"))
    return [
        (read_day(first), outcome.value, int(times))
        for first, *counted in rows
        for outcome, times in zip(Outcome, counted, strict=True)
        if times
    ]


def _where(query: Select[Any], wanted: EntryFilter) -> Select[Any]:
    conditions: list[Any] = [True]
    for column, value in (
        (DECISIONS.c.outcome, wanted.outcome),
        (DECISIONS.c.person_id, wanted.person_id),
        (DECISIONS.c.device_id, wanted.device_id),
        (DECISIONS.c.resource_id, wanted.resource_id),
        (DECISIONS.c.reason, wanted.reason),
    ):
        conditions += [column == value] if value else []
    if wanted.since is not None:
        conditions.append(DECISIONS.c.last_at >= wanted.since)
    if wanted.search:
        conditions.append(
            or_(
                DECISIONS.c.person_id.in_(wanted.people),
                DECISIONS.c.resource_id.in_(wanted.resources),
                DECISIONS.c.address == wanted.search,
                DECISIONS.c.reason.icontains(wanted.search, autoescape=True),
            )
        )
    return query.where(and_(*conditions))


def _entry(row: Row[Any]) -> Entry:
    return Entry(**{name: getattr(row, name) for name in Entry.__slots__})

"""What the organisation decided about rules: tunings and suppressions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, func, insert, or_, select, update

from sekisho.detection.library import Suppression, Tuning
from sekisho.detection.model import Level
from sekisho.detection.store.tables import RULES, SUPPRESSIONS, TUNINGS
from sekisho.kernel.db import Transaction, contains

SORTS = {
    "until": SUPPRESSIONS.c.ends_at, "since": SUPPRESSIONS.c.at, "rule": SUPPRESSIONS.c.rule_id,
    "why": func.lower(SUPPRESSIONS.c.reason),
}  # fmt: skip


def read_tunings(tx: Transaction, ids: Sequence[str] | None = None) -> dict[str, Tuning]:
    """Return rule id → tuning, of all rules or of these."""
    query = select(TUNINGS)
    if ids is not None:
        query = query.where(TUNINGS.c.rule_id.in_(ids))
    return {row.rule_id: _tuning(row) for row in tx.rows(query)}


def _tuning(row: Row[Any]) -> Tuning:
    level = Level(row.level) if row.level else None
    return Tuning(row.rule_id, level, row.reason, row.by, row.at)


def write_tuning(tx: Transaction, tuning: Tuning) -> None:
    """Keep a tuning instead of the one before."""
    delete_tuning(tx, tuning.rule_id)
    row = {name: getattr(tuning, name) for name in Tuning.__slots__}
    tx.execute(insert(TUNINGS), row | {"level": tuning.level.value if tuning.level else None})


def delete_tuning(tx: Transaction, rule_id: str) -> None:
    """Go back to what the rule says of itself."""
    tx.execute(delete(TUNINGS).where(TUNINGS.c.rule_id == rule_id))


def insert_suppression(tx: Transaction, suppression: Suppression) -> None:
    """Add a suppression."""
    row = {name: getattr(suppression, name) for name in Suppression.__slots__}
    tx.execute(insert(SUPPRESSIONS), row)


def find_suppression(tx: Transaction, suppression_id: str) -> Suppression | None:
    """Return a suppression, or None."""
    rows = tx.rows(select(SUPPRESSIONS).where(SUPPRESSIONS.c.id == suppression_id))
    return _suppression(rows[0]) if rows else None


def _suppression(row: Row[Any]) -> Suppression:
    return Suppression(
        row.id, row.rule_id, row.condition, row.reason, row.by, row.at, row.ends_at, row.ended_at
    )


def end_suppression(tx: Transaction, suppression_id: str, at: datetime) -> None:
    """End one before its time."""
    wanted = SUPPRESSIONS.c.id == suppression_id
    tx.execute(update(SUPPRESSIONS).where(wanted).values(ended_at=at))


def list_suppressions(
    tx: Transaction, *, now: datetime, rule_id: str = "", ended: bool = False, search: str = "",
    sort: str = "", offset: int = 0, limit: int = 500,
) -> list[Suppression]:  # fmt: skip
    """List those in force, or those that ended, by a key of SORTS ("-" downwards).

    Without one the next to end comes first, and of the ended the last to end.
    """
    query = select(SUPPRESSIONS).where(*_wanted(now, search, ended=ended))
    if rule_id:
        query = query.where(SUPPRESSIONS.c.rule_id == rule_id)
    sort = sort or ("-until" if ended else "until")
    column = SORTS[sort.removeprefix("-")]
    order = column.desc() if sort.startswith("-") else column.asc()
    query = query.order_by(order, SUPPRESSIONS.c.id).offset(offset).limit(limit)
    return [_suppression(row) for row in tx.rows(query)]


def _wanted(now: datetime, search: str, *, ended: bool) -> list[ColumnElement[bool]]:
    state = [_ended(now) if ended else ~_ended(now)]
    if not search:
        return state
    columns = (SUPPRESSIONS.c.rule_id, SUPPRESSIONS.c.condition, SUPPRESSIONS.c.reason)
    called = select(RULES.c.id).where(contains(search, RULES.c.title))
    return [*state, or_(contains(search, *columns), SUPPRESSIONS.c.rule_id.in_(called))]


def _ended(now: datetime) -> Any:
    return or_(SUPPRESSIONS.c.ended_at.is_not(None), SUPPRESSIONS.c.ends_at <= now)


def count_suppressions(
    tx: Transaction, now: datetime, *, ended: bool = False, search: str = ""
) -> int:
    """Count those in force, or those that have ended."""
    query = select(func.count()).select_from(SUPPRESSIONS)
    return int(tx.scalar(query.where(*_wanted(now, search, ended=ended))))


def count_by_rule(tx: Transaction, ids: Sequence[str], now: datetime) -> dict[str, int]:
    """Return rule id → number of suppressions in force."""
    query = select(SUPPRESSIONS.c.rule_id, func.count().label("n"))
    wanted = (SUPPRESSIONS.c.rule_id.in_(ids), ~_ended(now))
    rows = tx.rows(query.where(*wanted).group_by(SUPPRESSIONS.c.rule_id))
    return {row.rule_id: row.n for row in rows}


def list_ending(tx: Transaction, before: datetime, now: datetime) -> list[Suppression]:
    """List those in force that end before then and of which nobody was reminded yet."""
    wanted = (~_ended(now), SUPPRESSIONS.c.ends_at <= before, SUPPRESSIONS.c.reminded_at.is_(None))
    return [_suppression(row) for row in tx.rows(select(SUPPRESSIONS).where(*wanted))]


def note_reminded(tx: Transaction, suppression_id: str, at: datetime) -> None:
    """Write that its maker was reminded of its end."""
    wanted = SUPPRESSIONS.c.id == suppression_id
    tx.execute(update(SUPPRESSIONS).where(wanted).values(reminded_at=at))

"""What is known of each rule in force, to search and to count without reading texts again."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, case, delete, exists, func, insert, or_, select
from sqlalchemy.sql import ColumnElement

from sekisho.detection.library import DocumentKind, KeptRule, RuleWish
from sekisho.detection.model import Level, LogSource
from sekisho.detection.store.tables import RULES, SUPPRESSIONS, TUNINGS
from sekisho.detection.wording import find_in_titles
from sekisho.kernel.db import Transaction

_PIECE = 500
_ORDER = {level.value: place for place, level in enumerate(Level)}
_LEVEL = func.coalesce(TUNINGS.c.level, RULES.c.level)


def replace_rules(
    tx: Transaction, rules: Iterable[tuple[KeptRule, Sequence[str], Sequence[str]]]
) -> None:
    """Keep these rules, with ids of techniques and tactics, instead of all before."""
    tx.execute(delete(RULES))
    rows = [_row(*each) for each in rules]
    for start in range(0, len(rows), _PIECE):
        tx.execute(insert(RULES), rows[start : start + _PIECE])


def _row(rule: KeptRule, techniques: Sequence[str], tactics: Sequence[str]) -> dict[str, Any]:
    return {
        "id": rule.id, "source_id": rule.source_id, "file": rule.file, "line": rule.line,
        "kind": rule.kind.value, "title": rule.title[:400], "level": rule.level.value,
        "status": rule.status[:24], "product": rule.logsource.product,
        "category": rule.logsource.category, "service": rule.logsource.service,
        "tags": list(rule.tags), "digest": rule.digest,
        "techniques": _listed(techniques), "tactics": _listed(tactics),
    }  # fmt: skip


def _listed(words: Sequence[str]) -> str:
    """Write words so that each can be found between blanks."""
    return f" {' '.join(words)} " if words else ""


def read_digests(tx: Transaction, source_id: str) -> dict[str, tuple[str, str]]:
    """Return rule id → (digest of its file, title) of a source."""
    columns = (RULES.c.id, RULES.c.digest, RULES.c.title)
    rows = tx.rows(select(*columns).where(RULES.c.source_id == source_id))
    return {row.id: (row.digest, row.title) for row in rows}


def find_rule(tx: Transaction, rule_id: str) -> KeptRule | None:
    """Return a rule, or None."""
    rows = tx.rows(select(RULES).where(RULES.c.id == rule_id))
    return _read(rows[0]) if rows else None


def list_of_kind(tx: Transaction, kind: DocumentKind) -> list[KeptRule]:
    """List the documents of a kind."""
    query = select(RULES).where(RULES.c.kind == kind.value).order_by(RULES.c.id)
    return [_read(row) for row in tx.rows(query)]


def list_titles(tx: Transaction, ids: Sequence[str]) -> dict[str, str]:
    """Return id → title of those rules that are there."""
    query = select(RULES.c.id, RULES.c.title).where(RULES.c.id.in_(ids))
    return {row.id: row.title for row in tx.rows(query)}


def list_levels(tx: Transaction) -> list[tuple[list[str], Level]]:
    """Return tags and level in force of every rule that is on; filters are no rules."""
    query = select(RULES.c.tags, _LEVEL.label("level")).select_from(_joined())
    rows = tx.rows(query.where(_is_on(), RULES.c.kind != DocumentKind.FILTER.value))
    return [(row.tags, Level(row.level)) for row in rows]


def _joined() -> Any:
    return RULES.outerjoin(TUNINGS, TUNINGS.c.rule_id == RULES.c.id)


def _is_on() -> ColumnElement[bool]:
    return or_(TUNINGS.c.rule_id.is_(None), TUNINGS.c.level.is_not(None))


def list_rules(
    tx: Transaction, wish: RuleWish, *, now: datetime, sort: str, offset: int, limit: int
) -> list[KeptRule]:
    """Return one page of rules; ``sort`` is a key of ``SORTS``, with ``-`` downwards."""
    column = SORTS[sort.removeprefix("-")]
    order = column.desc() if sort.startswith("-") else column.asc()
    query = _where(select(RULES), wish, now).order_by(order, RULES.c.title, RULES.c.id)
    return [_read(row) for row in tx.rows(query.offset(offset).limit(limit))]


def count_rules(tx: Transaction, wish: RuleWish, now: datetime) -> int:
    """Count what ``list_rules`` would return without a limit."""
    return int(tx.scalar(_where(select(func.count()), wish, now)))


def count_by(tx: Transaction, name: str) -> dict[str, int]:
    """Return value → number of rules, for a column that people filter by."""
    column = _LEVEL if name == "level" else RULES.c[name]
    query = select(column.label("value"), func.count().label("n")).select_from(_joined())
    return {row.value: row.n for row in tx.rows(query.group_by(column)) if row.value}


def _where(query: Select[Any], wish: RuleWish, now: datetime) -> Select[Any]:
    query = query.select_from(_joined())
    equal = ((_LEVEL, wish.level), (RULES.c.status, wish.status), (RULES.c.kind, wish.kind),
             (RULES.c.product, wish.product), (RULES.c.category, wish.category),
             (RULES.c.source_id, wish.source))  # fmt: skip
    for column, value in equal:
        query = query.where(column == value) if value else query
    for column, value in ((RULES.c.tactics, wish.tactic), (RULES.c.techniques, wish.technique)):
        query = query.where(_holds(column, value)) if value else query
    for word in wish.search.split():
        query = query.where(_mentions(word))
    return query.where(_states(now)[wish.state]) if wish.state in _STATES else query


_STATES = ("off", "tuned", "suppressed")


def _holds(column: "ColumnElement[str]", word: str) -> ColumnElement[bool]:
    """Find a listed word; a technique is found by its parts too."""
    return or_(
        column.contains(f" {word} ", autoescape=True),
        column.contains(f" {word}.", autoescape=True),
    )


def _mentions(word: str) -> ColumnElement[bool]:
    columns = (RULES.c.title, RULES.c.id, RULES.c.file, RULES.c.techniques, RULES.c.tags)
    said = (column.icontains(word, autoescape=True) for column in columns)
    return or_(*said, RULES.c.id.in_(find_in_titles(word)))


def _states(now: datetime) -> dict[str, ColumnElement[bool]]:
    held = exists().where(
        and_(SUPPRESSIONS.c.rule_id == RULES.c.id, SUPPRESSIONS.c.ended_at.is_(None),
             SUPPRESSIONS.c.ends_at > now)
    )  # fmt: skip
    off = and_(TUNINGS.c.rule_id.is_not(None), TUNINGS.c.level.is_(None))
    return {"off": off, "tuned": TUNINGS.c.level.is_not(None), "suppressed": held}


def _level_place() -> "ColumnElement[int]":
    return case(_ORDER, value=_LEVEL, else_=-1)


SORTS: dict[str, Any] = {
    "title": RULES.c.title, "level": _level_place(), "status": RULES.c.status,
    "product": RULES.c.product,
}  # fmt: skip


def _read(row: Row[Any]) -> KeptRule:
    return KeptRule(
        id=row.id, source_id=row.source_id, file=row.file, line=row.line,
        kind=DocumentKind(row.kind), title=row.title, level=Level(row.level), status=row.status,
        logsource=LogSource(row.category, row.product, row.service), tags=tuple(row.tags),
        digest=row.digest,
    )  # fmt: skip

"""Exceptions: requests, decisions, ends, lists."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    case,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from sekisho.controls.exceptions import ExceptionState, RuleException, Scope, ScopeKind
from sekisho.controls.model import Severity, VerdictKind
from sekisho.controls.store.exception_tables import EXCEPTIONS
from sekisho.controls.store.selections import select_beyond
from sekisho.controls.store.tables import EXEMPTIONS, SUBJECTS, VERDICTS
from sekisho.kernel.db import Transaction
from sekisho.wire.kit import Ownership

SOON = timedelta(days=14)
_PLAIN = tuple(
    field.name
    for field in fields(RuleException)
    if field.name not in {"id", "scope", "state", "severity"}
)
_RANK = case(
    {severity.value: place for place, severity in enumerate(Severity)}, value=EXCEPTIONS.c.severity
)
SORTS: Mapping[str, ColumnElement[Any]] = {
    "until": EXCEPTIONS.c.until,
    "age": EXCEPTIONS.c.began_at,
    "severity": _RANK,
    "renewals": EXCEPTIONS.c.renewals,
    "requester": EXCEPTIONS.c.requester,
    "rule": EXCEPTIONS.c.control_id,
}


@dataclass(frozen=True, slots=True)
class Reach:
    """The units in which the caller may read, and the query for the people in them."""

    units: frozenset[str]
    people: Select[Any]


@dataclass(frozen=True, slots=True)
class ExceptionFilter:
    """Which exceptions are wanted; everything given must hold.

    ``show`` is one of open (to be decided), in_force, soon (ends within 14 days), overdue (over,
    and the rule is still not kept), renewed (twice or more), ended, or "" for all. ``search`` is
    looked for in words and names; ``controls`` and ``scopes`` widen it to what other rooms found.
    """

    show: str = ""
    search: str = ""
    severity: str = ""
    control_id: str = ""
    requested_by: str = ""
    controls: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    scope_kind: str = ""
    scope_id: str = ""
    reach: Reach | None = None


def insert_exceptions(
    tx: Transaction, made: Sequence[tuple[RuleException, datetime | None]]
) -> None:
    """Add exceptions, each with when something is to be done about it."""
    if made:
        tx.execute(insert(EXCEPTIONS), [_row(each, turns_at) for each, turns_at in made])


def save_exception(
    tx: Transaction, exception: RuleException, turns_at: datetime | None, before: ExceptionState
) -> bool:
    """Store a changed exception if it still is in state ``before``; return whether it was."""
    statement = (
        update(EXCEPTIONS)
        .where(EXCEPTIONS.c.id == exception.id, EXCEPTIONS.c.state == before.value)
        .values(**_row(exception, turns_at))
    )
    return bool(tx.execute(statement).rowcount)


def find_exception(tx: Transaction, exception_id: str) -> RuleException | None:
    """Return one exception, or None."""
    rows = tx.rows(select(EXCEPTIONS).where(EXCEPTIONS.c.id == exception_id))
    return _read(rows[0]) if rows else None


def list_chain(tx: Transaction, exception: RuleException) -> list[RuleException]:
    """Return the exceptions that this one renews and those that renew it, oldest first."""
    rows = tx.rows(
        select(EXCEPTIONS)
        .where(
            EXCEPTIONS.c.control_id == exception.control_id,
            EXCEPTIONS.c.scope_kind == exception.scope.kind.value,
            EXCEPTIONS.c.scope_id == exception.scope.id,
            EXCEPTIONS.c.began_at == exception.began_at,
        )
        .order_by(EXCEPTIONS.c.renewals, EXCEPTIONS.c.requested_at)
    )
    return [_read(row) for row in rows]


def list_page(
    tx: Transaction, wanted: ExceptionFilter, now: datetime, *, sort: str, offset: int, limit: int
) -> tuple[list[RuleException], int]:
    """Return one page and how many there are; ``sort`` is a key of SORTS, with "-" downwards."""
    where = _narrow(wanted, now)
    column = SORTS.get(sort.removeprefix("-"), EXCEPTIONS.c.until)
    order = column.desc() if sort.startswith("-") else column
    rows = tx.rows(
        select(EXCEPTIONS)
        .where(*where)
        .order_by(order, EXCEPTIONS.c.id)
        .offset(offset)
        .limit(limit)
    )
    total = tx.scalar(select(func.count()).select_from(EXCEPTIONS).where(*where))
    return [_read(row) for row in rows], int(total)


def count_shown(
    tx: Transaction, now: datetime, shows: Iterable[str], reach: Reach | None
) -> dict[str, int]:
    """Return how many exceptions each value of ``ExceptionFilter.show`` would list."""
    found = {}
    for show in shows:
        where = _narrow(ExceptionFilter(show=show, reach=reach), now)
        found[show] = int(
            tx.scalar(select(func.count()).select_from(EXCEPTIONS).where(*where)) or 0
        )
    return found


def end_of_device(tx: Transaction, device_id: str, *, forget_words: bool) -> list[str]:
    """End every exception of a device that is gone; return their ids."""
    of = and_(EXCEPTIONS.c.scope_kind == ScopeKind.DEVICE.value, EXCEPTIONS.c.scope_id == device_id)
    ids = [row.id for row in tx.rows(select(EXCEPTIONS.c.id).where(of))]
    lasting = [ExceptionState.REQUESTED.value, ExceptionState.APPROVED.value]
    gone = {"state": ExceptionState.REVOKED.value, "ended_at": tx.now, "turns_at": None}
    tx.execute(update(EXCEPTIONS).where(of, EXCEPTIONS.c.state.in_(lasting)).values(**gone))
    if forget_words:
        words = ("reason", "measure", "settled_because", "ended_because", "paper")
        tx.execute(update(EXCEPTIONS).where(of).values(dict.fromkeys(words, "")))
    return ids


def has_open_request(tx: Transaction, like: RuleException) -> bool:
    """Tell whether the same rule is being asked about for the same scope."""
    ownership = like.scope.ownership
    found = select(EXCEPTIONS.c.id).where(
        EXCEPTIONS.c.state == ExceptionState.REQUESTED.value,
        EXCEPTIONS.c.control_id == like.control_id,
        EXCEPTIONS.c.scope_kind == like.scope.kind.value,
        EXCEPTIONS.c.scope_id == like.scope.id,
        EXCEPTIONS.c.ownership == (ownership.value if ownership is not None else ""),
    )
    return tx.scalar(found.limit(1)) is not None


def is_known(tx: Transaction, like: RuleException) -> bool:
    """Tell whether such an exception is in force already, to the same end."""
    ownership = like.scope.ownership
    found = select(EXCEPTIONS.c.id).where(
        EXCEPTIONS.c.state == ExceptionState.APPROVED.value,
        EXCEPTIONS.c.control_id == like.control_id,
        EXCEPTIONS.c.scope_kind == like.scope.kind.value,
        EXCEPTIONS.c.scope_id == like.scope.id,
        EXCEPTIONS.c.ownership == (ownership.value if ownership is not None else ""),
        EXCEPTIONS.c.until == like.until,
    )
    return tx.scalar(found.limit(1)) is not None


def list_due(tx: Transaction, now: datetime, limit: int) -> list[RuleException]:
    """Return exceptions about which something is to be done, the longest due first."""
    rows = tx.rows(
        select(EXCEPTIONS)
        .where(EXCEPTIONS.c.turns_at <= now)
        .order_by(EXCEPTIONS.c.turns_at)
        .limit(limit)
    )
    return [_read(row) for row in rows]


def list_in_force(
    tx: Transaction, now: datetime, kinds: Sequence[ScopeKind], ids: Sequence[str] = ()
) -> list[RuleException]:
    """Return exceptions in force for such scopes; with ``ids`` only for these."""
    narrowed = [EXCEPTIONS.c.scope_id.in_(ids)] if ids else []
    rows = tx.rows(
        select(EXCEPTIONS).where(
            EXCEPTIONS.c.state == ExceptionState.APPROVED.value,
            EXCEPTIONS.c.until > now,
            EXCEPTIONS.c.scope_kind.in_([kind.value for kind in kinds]),
            *narrowed,
        )
    )
    return [_read(row) for row in rows]


def _narrow(wanted: ExceptionFilter, now: datetime) -> list[ColumnElement[bool]]:
    where = [condition] if (condition := _shown(wanted.show, now)) is not None else []
    exact = (
        (EXCEPTIONS.c.severity, wanted.severity),
        (EXCEPTIONS.c.control_id, wanted.control_id),
        (EXCEPTIONS.c.requested_by, wanted.requested_by),
        (EXCEPTIONS.c.scope_kind, wanted.scope_kind),
        (EXCEPTIONS.c.scope_id, wanted.scope_id),
    )
    where += [column == value for column, value in exact if value]
    if wanted.search:
        where.append(_found(wanted))
    if wanted.reach is not None:
        where.append(_within(wanted.reach))
    return where


def _within(reach: Reach) -> ColumnElement[bool]:
    """Say in SQL: for one of these units, or for somebody in them or their device."""
    kind, of = EXCEPTIONS.c.scope_kind, EXCEPTIONS.c.scope_id
    devices = select(SUBJECTS.c.device_id).where(SUBJECTS.c.person_id.in_(reach.people))
    return or_(
        and_(kind == ScopeKind.UNIT.value, of.in_(sorted(reach.units))),
        and_(kind == ScopeKind.PERSON.value, of.in_(reach.people)),
        and_(kind == ScopeKind.DEVICE.value, of.in_(devices)),
        and_(kind == ScopeKind.SELECTION.value, of.not_in(select_beyond(reach.people))),
    )


def _found(wanted: ExceptionFilter) -> ColumnElement[bool]:
    words = (
        EXCEPTIONS.c.reason, EXCEPTIONS.c.measure, EXCEPTIONS.c.requester, EXCEPTIONS.c.settler,
        EXCEPTIONS.c.control_id, EXCEPTIONS.c.paper, EXCEPTIONS.c.id,
    )  # fmt: skip
    return or_(
        *(column.icontains(wanted.search, autoescape=True) for column in words),
        EXCEPTIONS.c.control_id.in_(wanted.controls),
        EXCEPTIONS.c.scope_id.in_(wanted.scopes),
    )


def _shown(show: str, now: datetime) -> ColumnElement[bool] | None:
    approved = EXCEPTIONS.c.state == ExceptionState.APPROVED.value
    in_force = and_(approved, EXCEPTIONS.c.until > now)
    over = or_(
        EXCEPTIONS.c.state.in_([ExceptionState.EXPIRED.value, ExceptionState.REVOKED.value]),
        and_(approved, EXCEPTIONS.c.until <= now),
    )
    known: dict[str, ColumnElement[bool]] = {
        "open": EXCEPTIONS.c.state == ExceptionState.REQUESTED.value,
        "in_force": in_force,
        "soon": and_(in_force, EXCEPTIONS.c.until <= now + SOON),
        "overdue": and_(over, _still_fails()),
        "renewed": and_(in_force, EXCEPTIONS.c.renewals >= 2),  # noqa: PLR2004 - "twice or more"
        "ended": and_(
            EXCEPTIONS.c.state != ExceptionState.REQUESTED.value,
            or_(EXCEPTIONS.c.state != ExceptionState.APPROVED.value, EXCEPTIONS.c.until <= now),
        ),
    }
    return known.get(show)


def _still_fails() -> ColumnElement[bool]:
    """Say in SQL: some device that this exception lay over is not shown to keep the rule."""
    return exists(
        select(1)
        .select_from(EXEMPTIONS)
        .join(
            VERDICTS,
            and_(
                VERDICTS.c.device_id == EXEMPTIONS.c.device_id,
                VERDICTS.c.control_id == EXEMPTIONS.c.control_id,
            ),
        )
        .where(
            EXEMPTIONS.c.exception_id == EXCEPTIONS.c.id,
            VERDICTS.c.kind.in_([VerdictKind.FAIL.value, VerdictKind.UNKNOWN.value]),
        )
    )


def _row(exception: RuleException, turns_at: datetime | None) -> dict[str, Any]:
    ownership = exception.scope.ownership
    return {name: getattr(exception, name) for name in _PLAIN} | {
        "id": exception.id,
        "state": exception.state.value,
        "severity": exception.severity.value,
        "scope_kind": exception.scope.kind.value,
        "scope_id": exception.scope.id,
        "ownership": ownership.value if ownership is not None else "",
        "turns_at": turns_at,
    }


def _read(row: Row[Any]) -> RuleException:
    ownership = Ownership(row.ownership) if row.ownership else None
    plain = {name: getattr(row, name) for name in _PLAIN}
    return RuleException(
        id=row.id,
        scope=Scope(ScopeKind(row.scope_kind), row.scope_id, ownership),
        state=ExceptionState(row.state),
        severity=Severity(row.severity),
        **plain,
    )

"""Acts on many and their rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Text,
    bindparam,
    delete,
    func,
    or_,
    select,
    type_coerce,
    update,
)

from sekisho.kernel.db import Transaction, chunked, contains
from sekisho.worklists.model import Act, ActKind, ActState, Listing, Member, Outcome, Reason, Tally
from sekisho.worklists.store.tables import ACTS, MEMBERS

_LIVING = (ActState.DRAFT.value, ActState.PLANNED.value)
SORTS: Mapping[str, ColumnElement[Any]] = {
    "started": ACTS.c.started_at,
    "kind": ACTS.c.kind,
    "list": ACTS.c.listing,
    "state": ACTS.c.state,
    "total": ACTS.c.total,
    "by": ACTS.c.actor_name,
}


@dataclass(frozen=True, slots=True)
class ActFilter:
    """Which acts are wanted: of one actor (None: of all), whose words or orderer hold ``search``.

    ``kinds`` are those whose name holds it: names are in two languages, and not in the database.
    """

    actor: str | None = None
    search: str = ""
    kinds: Sequence[ActKind] = ()


def insert_act(tx: Transaction, act: Act, members: Sequence[Member]) -> None:
    """Store an act with its rows."""
    tx.execute(ACTS.insert(), _row(act))
    if members:
        tx.execute(MEMBERS.insert(), [
            {"act_id": act.id, "number": m.number, "target": m.target, "outcome": m.outcome.value,
             "reason": m.reason.value, "before": m.before}
            for m in members
        ])  # fmt: skip


def save_act(tx: Transaction, act: Act, before: ActState) -> bool:
    """Store a changed act if it still is in state ``before``; return whether it was."""
    where = (ACTS.c.id == act.id, ACTS.c.state == before.value)
    return bool(tx.execute(update(ACTS).where(*where).values(**_row(act))).rowcount)


def find_act(tx: Transaction, act_id: str) -> Act | None:
    """Return one act, or None."""
    rows = tx.rows(select(ACTS).where(ACTS.c.id == act_id))
    return _act(rows[0]) if rows else None


def find_running(tx: Transaction) -> Act | None:
    """Return the act that has been running for the longest time, or None."""
    query = select(ACTS).where(ACTS.c.state == ActState.RUNNING.value)
    rows = tx.rows(query.order_by(ACTS.c.started_at, ACTS.c.id).limit(1))
    return _act(rows[0]) if rows else None


def list_acts(
    tx: Transaction, wanted: ActFilter, sort: str, offset: int, limit: int
) -> tuple[list[Act], int]:
    """Return started acts by a key of SORTS ("-" downwards), and how many there are."""
    where: list[ColumnElement[bool]] = [ACTS.c.state.not_in(_LIVING)]
    where += [] if wanted.actor is None else [ACTS.c.actor == wanted.actor]
    if wanted.search:
        kinds = [kind.value for kind in wanted.kinds]
        called = contains(wanted.search, ACTS.c.actor_name, type_coerce(ACTS.c.words, Text()))
        where.append(or_(called, ACTS.c.kind.in_(kinds)))
    column = SORTS[sort.removeprefix("-")]
    order = column.desc() if sort.startswith("-") else column.asc()
    query = select(ACTS).where(*where).order_by(order, ACTS.c.created_at.desc(), ACTS.c.id)
    total = tx.scalar(select(func.count()).select_from(ACTS).where(*where))
    return [_act(row) for row in tx.rows(query.offset(offset).limit(limit))], int(total)


def list_members(
    tx: Transaction, act_id: str, outcome: Outcome | None, offset: int, limit: int
) -> list[Member]:
    """Return rows of an act in their order, those with an outcome or all."""
    query = select(MEMBERS).where(MEMBERS.c.act_id == act_id)
    if outcome is not None:
        query = query.where(MEMBERS.c.outcome == outcome.value)
    rows = tx.rows(query.order_by(MEMBERS.c.number).offset(offset).limit(limit))
    return [_member(row) for row in rows]


def list_targets(tx: Transaction, act_id: str) -> list[str]:
    """Return what an act is about, all of it, in its order."""
    query = select(MEMBERS.c.target).where(MEMBERS.c.act_id == act_id)
    return [row.target for row in tx.rows(query.order_by(MEMBERS.c.number))]


def count_members(tx: Transaction, act_ids: Sequence[str]) -> dict[str, Tally]:
    """Return how many rows of acts have which outcome and reason."""
    columns = (MEMBERS.c.act_id, MEMBERS.c.outcome, MEMBERS.c.reason)
    query = select(*columns, func.count().label("n")).where(MEMBERS.c.act_id.in_(list(act_ids)))
    found = {act_id: Tally({}, {}) for act_id in act_ids}
    for row in tx.rows(query.group_by(*columns)):
        outcome, tally = Outcome(row.outcome), found[row.act_id]
        outcomes = {**tally.outcomes, outcome: tally.of(outcome) + row.n}
        reasons = {**tally.reasons, (outcome, Reason(row.reason)): row.n}
        found[row.act_id] = replace(tally, outcomes=outcomes, reasons=reasons)
    return found


def save_members(tx: Transaction, act_id: str, members: Sequence[Member]) -> None:
    """Store what became of rows."""
    if not members:
        return
    where = (MEMBERS.c.act_id == act_id, MEMBERS.c.number == bindparam("place"))
    values: dict[str, Any] = {
        name: bindparam(f"new_{name}") for name in ("outcome", "reason", "before")
    }
    tx.execute(update(MEMBERS).where(*where).values(values), [
        {"place": m.number, "new_outcome": m.outcome.value, "new_reason": m.reason.value,
         "new_before": m.before}
        for m in members
    ])  # fmt: skip


def reset_members(tx: Transaction, act_id: str) -> None:
    """Make every row of an act one that is still to do."""
    statement = update(MEMBERS).where(MEMBERS.c.act_id == act_id)
    tx.execute(statement.values(outcome=Outcome.TODO.value, reason="", before=None))


def leave_members(tx: Transaction, act_id: str, reason: Reason) -> None:
    """Leave out what is still to do."""
    where = (MEMBERS.c.act_id == act_id, MEMBERS.c.outcome == Outcome.TODO.value)
    left = {"outcome": Outcome.LEFT.value, "reason": reason.value}
    tx.execute(update(MEMBERS).where(*where).values(left))


def delete_drafts(tx: Transaction, before: datetime) -> None:
    """Forget acts that were never started."""
    where = (ACTS.c.state.in_(_LIVING), ACTS.c.created_at < before)
    gone = [row.id for row in tx.rows(select(ACTS.c.id).where(*where))]
    _delete(tx, gone)


def delete_old(tx: Transaction, before: datetime) -> None:
    """Forget acts that ended long ago; the evidence keeps what they were."""
    _delete(tx, [row.id for row in tx.rows(select(ACTS.c.id).where(ACTS.c.finished_at < before))])


def _delete(tx: Transaction, gone: Sequence[str]) -> None:
    for some in chunked(gone):
        tx.execute(delete(MEMBERS).where(MEMBERS.c.act_id.in_(some)))
        tx.execute(delete(ACTS).where(ACTS.c.id.in_(some)))


def _row(act: Act) -> Mapping[str, Any]:
    return {
        "id": act.id, "listing": act.listing.value, "kind": act.kind.value, "wish": act.wish,
        "words": dict(act.words), "state": act.state.value, "actor": act.actor,
        "actor_name": act.actor_name, "person_id": act.person_id, "rights": list(act.rights),
        "created_at": act.created_at, "started_at": act.started_at,
        "finished_at": act.finished_at, "total": act.total, "undoes": act.undoes,
        "undone_by": act.undone_by,
    }  # fmt: skip


def _act(row: Row[Any]) -> Act:
    return Act(
        row.id, Listing(row.listing), ActKind(row.kind), row.wish, row.words, ActState(row.state),
        row.actor, row.actor_name, row.person_id, tuple(row.rights), row.created_at, row.total,
        row.started_at, row.finished_at, row.undoes, row.undone_by,
    )  # fmt: skip


def _member(row: Row[Any]) -> Member:
    return Member(row.number, row.target, Outcome(row.outcome), Reason(row.reason), row.before)

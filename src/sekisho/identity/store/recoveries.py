"""Reads and writes requests of people who lost their second factor, and who approved them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, and_, insert, not_, select, update

from sekisho.identity.store.door_tables import recoveries, recovery_votes
from sekisho.identity.store.tables import people
from sekisho.kernel.db import Transaction, among
from sekisho.kernel.ids import PersonID


class RecoveryState(StrEnum):
    """How far a request has come."""

    OPEN = "open"
    APPROVED = "approved"
    REFUSED = "refused"
    USED = "used"


@dataclass(frozen=True, slots=True)
class Vote:
    """One approval: by whom, why, when."""

    person_id: PersonID
    name: str
    note: str
    voted_at: datetime


@dataclass(frozen=True, slots=True)
class Recovery:
    """Somebody's request for a new way in, and its approvals."""

    id: str
    person_id: PersonID
    person_name: str
    requested_by: str
    reason: str
    state: RecoveryState
    requested_at: datetime
    ends_at: datetime
    votes: tuple[Vote, ...] = ()


def insert_recovery(tx: Transaction, recovery: Recovery) -> None:
    """Add a request."""
    names = ("id", "person_id", "requested_by", "reason", "requested_at", "ends_at")
    row = {name: getattr(recovery, name) for name in names}
    tx.execute(insert(recoveries), row | {"state": recovery.state.value})


def find_recovery(tx: Transaction, recovery_id: str) -> Recovery | None:
    """Return a request with its approvals, kept from other writers; None if there is none."""
    tx.rows(select(recoveries.c.id).where(recoveries.c.id == recovery_id).with_for_update())
    found = tx.rows(_all().where(recoveries.c.id == recovery_id))
    return _with_votes(tx, found)[0] if found else None


def find_open(tx: Transaction, person_id: str) -> Recovery | None:
    """Return the request of a person that is neither refused, used nor past its end."""
    still = (RecoveryState.OPEN.value, RecoveryState.APPROVED.value)
    query = _all().where(recoveries.c.person_id == person_id, recoveries.c.state.in_(still))
    found = tx.rows(query.where(recoveries.c.ends_at > tx.now))
    return _with_votes(tx, found)[0] if found else None


def list_recoveries(tx: Transaction, limit: int = 100) -> Sequence[Recovery]:
    """List every request that waits, and the latest of the others; the newest first.

    Strangers can ask: however many ask later, none that waits is pushed out of sight.
    """
    waits = and_(recoveries.c.state == RecoveryState.OPEN.value, recoveries.c.ends_at > tx.now)
    latest = (recoveries.c.requested_at.desc(), recoveries.c.id.desc())
    waiting = tx.rows(_all().where(waits))
    others = tx.rows(_all().where(not_(waits)).order_by(*latest).limit(limit))
    found = _with_votes(tx, [*waiting, *others])
    return sorted(found, key=lambda each: (each.requested_at, each.id), reverse=True)


def set_state(tx: Transaction, recovery_id: str, state: RecoveryState) -> None:
    """Keep how far a request has come."""
    tx.execute(update(recoveries).where(recoveries.c.id == recovery_id).values(state=state.value))


def insert_vote(tx: Transaction, recovery_id: str, person_id: str, note: str) -> None:
    """Add an approval; a second one of the same person is an integrity error."""
    row = {"recovery_id": recovery_id, "person_id": person_id, "note": note, "voted_at": tx.now}
    tx.execute(insert(recovery_votes), row)


def _all() -> Any:
    joined = recoveries.join(people, people.c.id == recoveries.c.person_id)
    return select(recoveries, people.c.name.label("person_name")).select_from(joined)


def _with_votes(tx: Transaction, rows: Sequence[Row[Any]]) -> list[Recovery]:
    joined = recovery_votes.join(people, people.c.id == recovery_votes.c.person_id)
    query = select(recovery_votes, people.c.name).select_from(joined)
    ids = [row.id for row in rows]
    found: dict[str, list[Vote]] = {}
    ordered = query.where(among(recovery_votes.c.recovery_id, ids)).order_by(
        recovery_votes.c.voted_at
    )
    for vote in tx.rows(ordered):
        made = Vote(PersonID(vote.person_id), vote.name, vote.note, vote.voted_at)
        found.setdefault(vote.recovery_id, []).append(made)
    return [_recovery(row, tuple(found.get(row.id, ()))) for row in rows]


def _recovery(row: Row[Any], votes: tuple[Vote, ...]) -> Recovery:
    return Recovery(
        id=row.id,
        person_id=PersonID(row.person_id),
        person_name=row.person_name,
        requested_by=row.requested_by,
        reason=row.reason,
        state=RecoveryState(row.state),
        requested_at=row.requested_at,
        ends_at=row.ends_at,
        votes=votes,
    )

"""Reads and writes invitations as far as mails carry them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, and_, select, update

from sekisho.identity.model import PersonState, Purpose
from sekisho.identity.store.tables import links, people
from sekisho.kernel.db import Transaction, chunked


def list_unqueued(tx: Transaction, limit: int) -> Sequence[Row[Any]]:
    """Return open invitations that nobody has queued a mail for, the oldest first."""
    fresh = _open(tx).where(links.c.queued_at.is_(None))
    return tx.rows(fresh.order_by(links.c.created_at, links.c.invitation_id).limit(limit))


def note_queued(tx: Transaction, ids: Sequence[str]) -> None:
    """Note that mails for these invitations are queued."""
    for some in chunked(ids):
        chosen = update(links).where(links.c.invitation_id.in_(some))
        tx.execute(chosen.values(queued_at=tx.now))


def find_open(tx: Transaction, invitation_id: str) -> Row[Any] | None:
    """Return an invitation that may still be used, with whom it is for; None if there is none."""
    found = tx.rows(_open(tx).where(links.c.invitation_id == invitation_id))
    return found[0] if found else None


def _open(tx: Transaction) -> Select[Any]:
    still = and_(
        links.c.purpose == Purpose.INVITE.value,
        links.c.used_at.is_(None),
        links.c.ends_at > tx.now,
        links.c.invitation_id.is_not(None),
        people.c.state == PersonState.INVITED.value,
    )
    columns = (links.c.digest, links.c.invitation_id, links.c.ends_at, links.c.person_id)
    person = (people.c.name, people.c.email, people.c.language)
    return select(*columns, *person).join(people, people.c.id == links.c.person_id).where(still)

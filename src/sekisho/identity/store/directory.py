"""Reads people as a directory asks for them: by exact attributes, in the order of their ids."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import and_, func, or_, select, update

from sekisho.identity.model import PersonState
from sekisho.identity.store.tables import people
from sekisho.kernel.db import Transaction


def list_ids(
    tx: Transaction, wanted: Mapping[str, str], *, limit: int, offset: int
) -> tuple[list[str], int]:
    """Return one page of ids and how many match; keys are id, username, externalid, active.

    Somebody who left is found by what is theirs for good (id, externalId) but not by an address,
    which may be a new person's; somebody whom the directory deleted is not found.
    """
    where = [_known(), *(_term(name, value) for name, value in wanted.items())]
    if "username" in wanted:
        where.append(people.c.state != PersonState.LEFT.value)
    query = select(people.c.id).where(*where).order_by(people.c.id)
    total = int(tx.scalar(select(func.count()).select_from(people).where(*where)))
    return [row.id for row in tx.rows(query.limit(limit).offset(offset))], total


def _known() -> Any:
    """Leave out whom the directory deleted: they left, and their former address is gone."""
    return or_(people.c.state != PersonState.LEFT.value, people.c.former_email != "")


def _term(name: str, value: str) -> Any:
    active = people.c.state.in_([PersonState.ACTIVE.value, PersonState.INVITED.value])
    terms: Mapping[str, Any] = {
        "id": people.c.id == value,
        "username": people.c.email == value.strip().lower(),
        "externalid": and_(people.c.external_id == value, people.c.external_id != ""),
        "active": active if value == "true" else ~active,
    }
    return terms[name]


def is_deleted(tx: Transaction, person_id: str) -> bool:
    """Tell whether the directory deleted this person (or never knew them)."""
    return not tx.rows(select(people.c.id).where(people.c.id == person_id, _known()))


def mark_deleted(tx: Transaction, person_id: str) -> None:
    """Let the directory find a person who left no more."""
    left = and_(people.c.id == person_id, people.c.state == PersonState.LEFT.value)
    tx.execute(update(people).where(left).values(former_email="", external_id=""))


def release_number(tx: Transaction, external_id: str) -> None:
    """Take a directory's id from those who left: it is somebody else's now."""
    if external_id:
        left = people.c.state == PersonState.LEFT.value
        mine = and_(people.c.external_id == external_id, left)
        tx.execute(update(people).where(mine).values(external_id=""))

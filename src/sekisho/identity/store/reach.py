"""Reads who can be told something: active people, few columns, many rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import CompoundSelect, Row, Select, exists, or_, select

from sekisho.identity.model import PersonState
from sekisho.identity.store.tables import (
    groups,
    people,
    person_roles,
    tokens,
    unit_roles,
    units,
)
from sekisho.kernel.db import Transaction, chunked


def list_active(tx: Transaction, ids: Sequence[str]) -> list[Row[Any]]:
    """Return (id, name, email, language) of the active people among ``ids``."""
    found: list[Row[Any]] = []
    for some in chunked(ids):
        found += tx.rows(_active().where(people.c.id.in_(some)))
    return found


def list_invited(tx: Transaction, ids: Sequence[str]) -> list[Row[Any]]:
    """Return (id, name, email, language) of the invited people among ``ids``."""
    found: list[Row[Any]] = []
    for some in chunked(ids):
        found += tx.rows(_in_state(PersonState.INVITED).where(people.c.id.in_(some)))
    return found


def list_with_roles(
    tx: Transaction, roles: Sequence[str], units: Sequence[str], after: str, limit: int
) -> Sequence[Row[Any]]:
    """Return active people with one of these roles, by id, behind ``after``.

    A role counts where it is held in the whole organisation, or in one of ``units``.
    """
    whole = exists().where(person_roles.c.person_id == people.c.id, person_roles.c.role.in_(roles))
    scoped = exists().where(
        unit_roles.c.person_id == people.c.id,
        unit_roles.c.role.in_(roles),
        unit_roles.c.unit_id.in_(units),
    )
    held = or_(whole, scoped) if units else whole
    return tx.rows(_after(after, limit).where(held))


def list_only_in_units(tx: Transaction, roles: Sequence[str]) -> Sequence[Row[Any]]:
    """Return (id, unit_id) of active people who hold one of these roles in units alone, by id."""
    whole = exists().where(person_roles.c.person_id == people.c.id, person_roles.c.role.in_(roles))
    query = select(people.c.id, unit_roles.c.unit_id).where(
        people.c.state == PersonState.ACTIVE.value, unit_roles.c.person_id == people.c.id,
        unit_roles.c.role.in_(roles), ~whole,
    )  # fmt: skip
    return tx.rows(query.order_by(people.c.id, unit_roles.c.unit_id))


def list_everyone(tx: Transaction, after: str, limit: int) -> Sequence[Row[Any]]:
    """Return all active people, by id, behind ``after``."""
    return tx.rows(_after(after, limit))


def _after(after: str, limit: int) -> Select[Any]:
    return _active().where(people.c.id > after).order_by(people.c.id).limit(limit)


def find_names(tx: Transaction, ids: Sequence[str]) -> dict[str, str]:
    """Return id → name, whatever their state."""
    found: dict[str, str] = {}
    for some in chunked(ids):
        rows = tx.rows(select(people.c.id, people.c.name).where(people.c.id.in_(some)))
        found.update({row.id: row.name for row in rows})
    return found


def select_names() -> Select[Any]:
    """Return the query for id and name of everybody, for another query to join."""
    return select(people.c.id, people.c.name)


def select_places() -> CompoundSelect[Any]:
    """Return the query for id and name of every unit and group, for another query to join."""
    return select(units.c.id, units.c.name).union_all(select(groups.c.id, groups.c.name))


def search_ids(tx: Transaction, search: str, limit: int) -> list[str]:
    """Return ids of people whose name or address holds ``search``."""
    fits = or_(*(c.icontains(search, autoescape=True) for c in (people.c.name, people.c.email)))
    return [row.id for row in tx.rows(select(people.c.id).where(fits).limit(limit))]


def _active() -> Select[Any]:
    return _in_state(PersonState.ACTIVE)


def _in_state(state: PersonState) -> Select[Any]:
    columns = (people.c.id, people.c.name, people.c.email, people.c.language)
    return select(*columns).where(people.c.state == state.value)


def list_ending_tokens(tx: Transaction, before: datetime, limit: int) -> Sequence[Row[Any]]:
    """Return (id, person_id, label, ends_at) of living tokens that end before ``before``."""
    living = (tokens.c.revoked_at.is_(None), tokens.c.ends_at > tx.now, tokens.c.ends_at <= before)
    columns = (tokens.c.id, tokens.c.person_id, tokens.c.label, tokens.c.ends_at)
    return tx.rows(select(*columns).where(*living).order_by(tokens.c.ends_at).limit(limit))

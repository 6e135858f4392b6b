"""Who can be told something: for the rooms that speak to people, not for pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CompoundSelect, Select

from sekisho.identity.engine import units as tree
from sekisho.identity.engine.rights import rights_of
from sekisho.identity.model import Role
from sekisho.identity.store import reach
from sekisho.identity.store import units as unit_store
from sekisho.kernel.db import Transaction
from sekisho.kernel.principal import Principal, PrincipalKind


@dataclass(frozen=True, slots=True)
class Reachable:
    """An active person as far as a letter needs to know them."""

    id: str
    name: str
    email: str
    language: str


def list_reachable(tx: Transaction, ids: Sequence[str]) -> list[Reachable]:
    """Return the active people among ``ids``, by id; strangers and leavers are left out."""
    rows = reach.list_active(tx, list(dict.fromkeys(ids)))
    return sorted(
        (Reachable(r.id, r.name, r.email, r.language) for r in rows), key=lambda person: person.id
    )


def list_newcomers(tx: Transaction, ids: Sequence[str]) -> list[Reachable]:
    """Return the invited people among ``ids``; who signed in since is left out."""
    rows = reach.list_invited(tx, list(dict.fromkeys(ids)))
    return [Reachable(r.id, r.name, r.email, r.language) for r in rows]


def list_holders(
    tx: Transaction,
    right: str,
    *,
    unit: str | None = None,
    among: frozenset[str] = frozenset(),
    after: str = "",
    limit: int = 500,
) -> list[Reachable]:
    """Return active people who have ``right``, by id, those behind ``after``.

    It must be held in the whole organisation, or in ``unit`` or a unit above it; by one of the
    roles in ``among`` if that names any.
    """
    if not among and _gives([], right):
        rows = reach.list_everyone(tx, after, limit)
    else:
        fitting = [role for role in Role if not among or role.value in among]
        roles = [role for role in fitting if _gives([role], right)]
        units = tree.above(unit_store.read_parents(tx), unit) if unit else []
        rows = reach.list_with_roles(tx, roles, units, after, limit)
    return [Reachable(r.id, r.name, r.email, r.language) for r in rows]


def find_unit_holders(tx: Transaction, right: str) -> dict[str, frozenset[str]]:
    """Return person → units (with all below) in which alone they have ``right``; active people.

    Whoever has it in the whole organisation is not among them: ``list_holders`` names these.
    """
    held: dict[str, list[str]] = {}
    roles = [role for role in Role if _gives([role], right)]
    for row in reach.list_only_in_units(tx, roles):
        held.setdefault(row.id, []).append(row.unit_id)
    parents = unit_store.read_parents(tx) if held else {}
    return {person: tree.below(parents, units) for person, units in held.items()}


def _gives(roles: Sequence[Role], right: str) -> bool:
    """Tell whether roles give a right, judged as the front door would."""
    return Principal(PrincipalKind.PERSON, "", "", rights_of(roles)).allows(right)


def find_names(tx: Transaction, ids: Sequence[str]) -> dict[str, str]:
    """Return id → name of people, whatever their state; what is not there is left out."""
    return reach.find_names(tx, list(dict.fromkeys(ids)))


def select_names() -> Select[Any]:
    """Return the query for id and name of everybody, for the list of another room to sort by."""
    return reach.select_names()


def select_places() -> CompoundSelect[Any]:
    """Return the query for id and name of every unit and group, for another room's list."""
    return reach.select_places()


def search_ids(tx: Transaction, search: str, limit: int = 200) -> list[str]:
    """Return ids of people whose name or address holds ``search`` (nothing for "")."""
    return reach.search_ids(tx, search, limit) if search else []


@dataclass(frozen=True, slots=True)
class EndingToken:
    """A living API token near its end, and whose it is."""

    id: str
    person_id: str
    label: str
    ends_at: datetime


def list_ending_tokens(tx: Transaction, before: datetime, limit: int = 1_000) -> list[EndingToken]:
    """Return living tokens that end before ``before``, the nearest first."""
    rows = reach.list_ending_tokens(tx, before, limit)
    return [EndingToken(r.id, r.person_id, r.label, r.ends_at) for r in rows]

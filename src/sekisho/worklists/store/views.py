"""Saved views, and which one a person begins with."""

from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, and_, delete, or_, select, update

from sekisho.kernel.db import Transaction, upsert
from sekisho.worklists.model import Listing, SavedView
from sekisho.worklists.store.tables import DEFAULTS, VIEWS


def list_views(
    tx: Transaction,
    listing: Listing | None,
    person_id: str,
    roles: Collection[str] | None,
    units: Collection[str],
) -> list[SavedView]:
    """Return the views of a person and those shared with these roles and units, by name.

    ``roles`` None stands for every role: whoever administers sees what is shared.
    """
    shared = _shared(roles, units)
    query = select(VIEWS).where(or_(VIEWS.c.owner_id == person_id, shared))
    if listing is not None:
        query = query.where(VIEWS.c.listing == listing.value)
    return [_view(row) for row in tx.rows(query.order_by(VIEWS.c.name, VIEWS.c.id))]


def _shared(roles: Collection[str] | None, units: Collection[str]) -> Any:
    to_all = or_(VIEWS.c.role != "", VIEWS.c.unit_id != "")
    if roles is None:
        return to_all
    role = or_(VIEWS.c.role == "", VIEWS.c.role.in_(sorted(roles)))
    unit = or_(VIEWS.c.unit_id == "", VIEWS.c.unit_id.in_(sorted(units)))
    return and_(to_all, role, unit)


def insert_view(tx: Transaction, view: SavedView) -> None:
    """Store a new view."""
    tx.execute(VIEWS.insert(), asdict(view) | {"listing": view.listing.value})


def save_view(tx: Transaction, view: SavedView) -> bool:
    """Store a changed view if nobody changed it meanwhile; return whether it was so."""
    where = (VIEWS.c.id == view.id, VIEWS.c.version == view.version)
    values = asdict(view) | {"listing": view.listing.value, "version": view.version + 1}
    return bool(tx.execute(update(VIEWS).where(*where).values(values)).rowcount)


def delete_view(tx: Transaction, view_id: str) -> None:
    """Delete a view; whoever began with it begins with the whole list again."""
    tx.execute(delete(DEFAULTS).where(DEFAULTS.c.view_id == view_id))
    tx.execute(delete(VIEWS).where(VIEWS.c.id == view_id))


def forget_person(tx: Transaction, person_id: str) -> None:
    """Delete what somebody who left kept for themselves; what was shared stays."""
    own = (VIEWS.c.owner_id == person_id, VIEWS.c.role == "", VIEWS.c.unit_id == "")
    tx.execute(delete(VIEWS).where(*own))
    tx.execute(delete(DEFAULTS).where(DEFAULTS.c.person_id == person_id))


def list_defaults(tx: Transaction, person_id: str) -> dict[str, str]:
    """Return list → the view with which a person begins."""
    rows = tx.rows(select(DEFAULTS).where(DEFAULTS.c.person_id == person_id))
    return {row.listing: row.view_id for row in rows}


def set_default(tx: Transaction, person_id: str, listing: Listing, view_id: str) -> None:
    """Let a person begin with a view; "" is the whole list."""
    own = (DEFAULTS.c.person_id == person_id, DEFAULTS.c.listing == listing.value)
    if not view_id:
        tx.execute(delete(DEFAULTS).where(*own))
        return
    row = {"person_id": person_id, "listing": listing.value, "view_id": view_id}
    upsert(tx, DEFAULTS, [row], index=["person_id", "listing"], update=["view_id"])


def _view(row: Row[Any]) -> SavedView:
    return SavedView(
        row.id, Listing(row.listing), row.name, row.query, row.owner_id, row.owner_name, row.role,
        row.unit_id, row.created_at, row.version,
    )  # fmt: skip

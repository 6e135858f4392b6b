"""Reads and writes groups and who belongs to them."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row, and_, delete, func, insert, select, update

from sekisho.identity.model import Group
from sekisho.identity.store.tables import group_members, groups, people
from sekisho.kernel.db import Transaction, chunked, upsert
from sekisho.kernel.ids import GroupID, PersonID
from sekisho.kernel.prepared import Prepared, among_given

_OF_MANY = Prepared(
    select(group_members.c.person_id, group_members.c.group_id).where(
        among_given(group_members.c.person_id, "people")
    )
)


def insert_group(tx: Transaction, group: Group) -> None:
    """Add a group without members."""
    names = ("id", "name", "note", "external_id", "version")
    row = {name: getattr(group, name) for name in names}
    tx.execute(insert(groups), row | {"created_at": tx.now})


def update_group(tx: Transaction, group_id: str, version: int, **values: str) -> bool:
    """Set the named columns of a group; False if it was changed since ``version`` was read."""
    wanted = and_(groups.c.id == group_id, groups.c.version == version)
    changed = update(groups).where(wanted).values(**values, version=version + 1)
    return bool(tx.execute(changed).rowcount == 1)


def delete_group(tx: Transaction, group_id: str) -> None:
    """Delete a group; its members stay people."""
    tx.execute(delete(groups).where(groups.c.id == group_id))


def find_group(tx: Transaction, group_id: str) -> Group | None:
    """Return the group with this id, or None."""
    found = tx.rows(_query().where(groups.c.id == group_id))
    return _group(found[0]) if found else None


def find_group_by_name(tx: Transaction, name: str) -> Group | None:
    """Return the group with this name, or None."""
    found = tx.rows(_query().where(groups.c.name == name))
    return _group(found[0]) if found else None


def list_groups(tx: Transaction) -> list[Group]:
    """List all groups by name, with how many members each has."""
    return [_group(row) for row in tx.rows(_query().order_by(groups.c.name, groups.c.id))]


def list_members(tx: Transaction, group_id: str) -> list[PersonID]:
    """List the ids of a group's members."""
    query = select(group_members.c.person_id).where(group_members.c.group_id == group_id)
    return [PersonID(row.person_id) for row in tx.rows(query)]


def list_groups_of(tx: Transaction, person_id: str) -> list[GroupID]:
    """List the ids of the groups a person belongs to."""
    query = select(group_members.c.group_id).where(group_members.c.person_id == person_id)
    return [GroupID(row.group_id) for row in tx.rows(query)]


def list_groups_of_many(tx: Transaction, person_ids: Sequence[str]) -> dict[str, list[GroupID]]:
    """Return person → the ids of their groups; who is in none is not in it."""
    found: dict[str, list[GroupID]] = {}
    for part in chunked(person_ids):
        for row in _OF_MANY.rows(tx, {"people": part}):
            found.setdefault(row.person_id, []).append(GroupID(row.group_id))
    return found


def add_members(tx: Transaction, group_id: str, person_ids: Iterable[str]) -> None:
    """Add people to a group; who is in it stays."""
    rows = [{"group_id": group_id, "person_id": person_id} for person_id in person_ids]
    upsert(tx, group_members, rows, index=["group_id", "person_id"], update=[])


def remove_members(tx: Transaction, group_id: str, person_ids: Iterable[str]) -> None:
    """Take people out of a group."""
    for part in chunked(list(person_ids)):
        mine = and_(group_members.c.group_id == group_id, group_members.c.person_id.in_(part))
        tx.execute(delete(group_members).where(mine))


def leave_groups(tx: Transaction, person_id: str) -> list[GroupID]:
    """Take a person out of every group; return which."""
    mine = delete(group_members).where(group_members.c.person_id == person_id)
    return [GroupID(row.group_id) for row in tx.rows(mine.returning(group_members.c.group_id))]


def known_people(tx: Transaction, person_ids: Iterable[str]) -> set[str]:
    """Return those of ``person_ids`` that are people."""
    found: set[str] = set()
    for part in chunked(list(person_ids)):
        found |= {row.id for row in tx.rows(select(people.c.id).where(people.c.id.in_(part)))}
    return found


def _query() -> Any:
    members = (
        select(func.count())
        .select_from(group_members)
        .where(group_members.c.group_id == groups.c.id)
        .scalar_subquery()
    )
    return select(groups, members.label("size"))


def _group(row: Row[Any]) -> Group:
    return Group(
        id=GroupID(row.id),
        name=row.name,
        note=row.note,
        external_id=row.external_id,
        version=row.version,
        size=row.size,
    )

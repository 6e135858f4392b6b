"""Reads and writes people and their roles."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, exists, func, insert, or_, select, update

from sekisho.identity.model import Person, PersonState, Role
from sekisho.identity.store.tables import passkeys, people, person_roles, totp
from sekisho.kernel.db import Transaction
from sekisho.kernel.ids import PersonID


def insert_person(tx: Transaction, person: Person) -> None:
    """Add a person with their roles."""
    tx.execute(
        insert(people),
        {
            "id": person.id,
            "name": person.name,
            "email": person.email,
            "language": person.language,
            "state": person.state.value,
            "created_at": tx.now,
        },
    )
    replace_roles(tx, person.id, person.roles)


def replace_roles(tx: Transaction, person_id: PersonID, roles: Iterable[Role]) -> None:
    """Give a person exactly these roles."""
    tx.execute(delete(person_roles).where(person_roles.c.person_id == person_id))
    rows = [{"person_id": person_id, "role": role.value} for role in sorted(roles)]
    if rows:
        tx.execute(insert(person_roles), rows)


def update_person(tx: Transaction, person_id: PersonID, **values: str) -> None:
    """Set the named columns of a person."""
    tx.execute(update(people).where(people.c.id == person_id).values(**values))


def activate_person(tx: Transaction, person_id: PersonID) -> None:
    """Make an invited person active; one who is active or disabled stays so."""
    tx.execute(
        update(people)
        .where(people.c.id == person_id, people.c.state == PersonState.INVITED.value)
        .values(state=PersonState.ACTIVE.value)
    )


def find_person(tx: Transaction, person_id: str) -> Person | None:
    """Return the person with this id, or None."""
    return _one(tx, people.c.id == person_id)


def find_person_by_email(tx: Transaction, email: str) -> Person | None:
    """Return the person with this (normalised) e-mail address, or None."""
    return _one(tx, people.c.email == email)


def lock_person(tx: Transaction, person_id: str) -> None:
    """Keep other writers off this person until the transaction ends."""
    tx.rows(select(people.c.id).where(people.c.id == person_id).with_for_update())


def _one(tx: Transaction, condition: Any) -> Person | None:
    found = tx.rows(select(people).where(condition))
    return _person(found[0], _roles(tx, [found[0].id])) if found else None


def list_people(
    tx: Transaction, *, search: str = "", limit: int = 100, offset: int = 0
) -> list[Person]:
    """List people by name, those matching ``search`` in name or address."""
    query = select(people).order_by(people.c.name, people.c.id).limit(limit).offset(offset)
    found = tx.rows(query.where(_matching(search)) if search else query)
    roles = _roles(tx, [row.id for row in found])
    return [_person(row, roles) for row in found]


def count_people(tx: Transaction, search: str = "") -> int:
    """Count the people that ``list_people`` would list without a limit."""
    query = select(func.count()).select_from(people)
    return int(tx.scalar(query.where(_matching(search)) if search else query))


def _matching(search: str) -> Any:
    wanted = search.lower()
    return or_(
        func.lower(people.c.name).contains(wanted, autoescape=True),
        people.c.email.contains(wanted, autoescape=True),
    )


def has_equipped_admin(tx: Transaction) -> bool:
    """Tell whether an active admin exists who has a passkey or TOTP."""
    return bool(tx.scalar(select(exists(_equipped_admins()))))


def count_equipped_admins(tx: Transaction, *, without: str = "") -> int:
    """Count active admins who can sign in, leaving one person out."""
    query = _equipped_admins().where(people.c.id != without).subquery()
    return int(tx.scalar(select(func.count()).select_from(query)))


def _equipped_admins() -> Any:
    has_passkey = exists(select(passkeys.c.id).where(passkeys.c.person_id == people.c.id))
    has_totp = exists(select(totp.c.person_id).where(totp.c.person_id == people.c.id))
    return (
        select(people.c.id)
        .join(person_roles, person_roles.c.person_id == people.c.id)
        .where(
            person_roles.c.role == Role.ADMIN.value,
            people.c.state == PersonState.ACTIVE.value,
            or_(has_passkey, has_totp),
        )
    )


def _roles(tx: Transaction, ids: Sequence[str]) -> dict[str, set[Role]]:
    found: dict[str, set[Role]] = {}
    rows = tx.rows(select(person_roles).where(person_roles.c.person_id.in_(ids)))
    known = {role.value for role in Role}
    for row in rows:
        if row.role in known:  # a role of a newer version gives nothing here
            found.setdefault(row.person_id, set()).add(Role(row.role))
    return found


def _person(row: Row[Any], roles: dict[str, set[Role]]) -> Person:
    created: datetime = row.created_at
    return Person(
        id=PersonID(row.id),
        name=row.name,
        email=row.email,
        language=row.language,
        state=PersonState(row.state),
        roles=frozenset(roles.get(row.id, ())),
        created_at=created,
    )

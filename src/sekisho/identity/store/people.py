"""Reads and writes people and their roles."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Row,
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from sekisho.identity.model import Assignment, Person, PersonState, Role
from sekisho.identity.store.tables import (
    group_members,
    passkeys,
    people,
    person_roles,
    totp,
    unit_roles,
    units,
)
from sekisho.kernel.db import Transaction, chunked
from sekisho.kernel.ids import PersonID, UnitID
from sekisho.kernel.prepared import Prepared, among_given

_SORTS: Mapping[str, Any] = {
    "name": people.c.name,
    "email": people.c.email,
    "state": people.c.state,
    "created_at": people.c.created_at,
    "unit": select(units.c.name).where(units.c.id == people.c.unit_id).scalar_subquery(),
}
SORTS = tuple(_SORTS)
# Made once: the gate asks with these for every decision, and making one costs thrice its running.
_OF_MANY = Prepared(select(people).where(among_given(people.c.id, "people")))
_STATES_OF_MANY = Prepared(
    select(people.c.id, people.c.state).where(among_given(people.c.id, "people"))
)
_ROLES_OF_MANY = [
    (each, Prepared(select(each).where(among_given(each.c.person_id, "people"))))
    for each in (person_roles, unit_roles)
]


@dataclass(frozen=True, slots=True)
class PeopleFilter:
    """Which people a list shows; empty fields do not narrow it.

    ``units`` are the ids of units (None: any, also people of no unit); ``reach`` narrows in the
    same way to what the caller may see. Those who left are shown only if their state is asked for.
    """

    search: str = ""
    units: frozenset[str] | None = None
    reach: frozenset[str] | None = None
    role: Role | None = None
    state: PersonState | None = None
    group_id: str = ""


def insert_person(tx: Transaction, person: Person) -> None:
    """Add a person with their roles."""
    insert_people(tx, [person])


def insert_people(tx: Transaction, added: Sequence[Person]) -> None:
    """Add people with their roles."""
    if not added:
        return
    tx.execute(insert(people), [_row(tx, person) for person in added])
    _insert_roles(tx, [(person.id, a) for person in added for a in person.assignments])


def _row(tx: Transaction, person: Person) -> dict[str, object]:
    return {
        "id": person.id,
        "name": person.name,
        "email": person.email,
        "language": person.language,
        "state": person.state.value,
        "created_at": tx.now,
        "unit_id": person.unit_id,
        "manager_id": person.manager_id,
        "external_id": person.external_id,
        "former_email": "",
        "version": 1,
        "changed_at": tx.now,
    }


def replace_roles(tx: Transaction, person_id: PersonID, assignments: Iterable[Assignment]) -> None:
    """Give a person exactly these roles."""
    for table in (person_roles, unit_roles):
        tx.execute(delete(table).where(table.c.person_id == person_id))
    _insert_roles(tx, [(person_id, assignment) for assignment in assignments])


def _insert_roles(tx: Transaction, held: Iterable[tuple[PersonID, Assignment]]) -> None:
    everywhere, somewhere = [], []
    for person_id, assignment in held:
        row = {"person_id": person_id, "role": assignment.role.value}
        if assignment.unit_id is None:
            everywhere.append(row)
        else:
            somewhere.append(row | {"unit_id": assignment.unit_id})
    for table, rows in ((person_roles, everywhere), (unit_roles, somewhere)):
        if rows:
            tx.execute(insert(table), rows)


def update_person(
    tx: Transaction, person_id: str, *, version: int | None = None, **values: str | None
) -> bool:
    """Set the named columns of a person; False if changed since ``version`` (None: any)."""
    wanted = [people.c.id == person_id]
    wanted += [people.c.version == version] if version is not None else []
    changed = {**values, "version": people.c.version + 1, "changed_at": tx.now}
    return bool(tx.execute(update(people).where(*wanted).values(changed)).rowcount == 1)


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
    """Return the person who has this (normalised) e-mail address now, or None."""
    return _one(tx, people.c.email == email)


def find_by_emails(tx: Transaction, emails: Sequence[str]) -> dict[str, Person]:
    """Return address → person for those of these addresses that somebody has now."""
    found: list[Person] = []
    for part in chunked(emails):
        here = (people.c.email.in_(part), people.c.state != PersonState.LEFT.value)
        found += _people(tx, tx.rows(select(people).where(*here)))
    return {person.email: person for person in found}


def find_people(tx: Transaction, person_ids: Iterable[str]) -> dict[str, Person]:
    """Return those of ``person_ids`` that there are."""
    found: list[Person] = []
    for part in chunked(list(person_ids)):
        found += _people(tx, _OF_MANY.rows(tx, {"people": part}))
    return {person.id: person for person in found}


def find_states(tx: Transaction, person_ids: Sequence[str]) -> dict[str, PersonState]:
    """Return the states of those of ``person_ids`` that there are."""
    found: dict[str, PersonState] = {}
    for part in chunked(person_ids):
        rows = _STATES_OF_MANY.rows(tx, {"people": part})
        found |= {row.id: PersonState(row.state) for row in rows}
    return found


def list_emails(tx: Transaction) -> list[str]:
    """List everybody's address."""
    return [row.email for row in tx.rows(select(people.c.email))]


def lock_person(tx: Transaction, person_id: str) -> None:
    """Keep other writers off this person until the transaction ends."""
    tx.rows(select(people.c.id).where(people.c.id == person_id).with_for_update())


def _one(tx: Transaction, condition: Any) -> Person | None:
    found = _people(tx, tx.rows(select(people).where(condition)))
    return found[0] if found else None


def list_people(
    tx: Transaction,
    narrow: PeopleFilter,
    *,
    sort: str = "name",
    descending: bool = False,
    limit: int = 100,
    offset: int = 0,
) -> list[Person]:
    """List one page of the people that match, in the order of ``sort`` (one of SORTS)."""
    key = _SORTS[sort]
    order = (key.desc() if descending else key.asc()).nulls_last()
    query = select(people).where(*_conditions(narrow)).order_by(order, people.c.name, people.c.id)
    return _people(tx, tx.rows(query.limit(limit).offset(offset)))


def count_people(tx: Transaction, narrow: PeopleFilter) -> int:
    """Count the people that ``list_people`` would list without a limit."""
    query = select(func.count()).select_from(people).where(*_conditions(narrow))
    return int(tx.scalar(query))


def count_states(tx: Transaction, reach: frozenset[str] | None) -> dict[str, int]:
    """Return state → how many people are in it, of those within ``reach``."""
    query = select(people.c.state, func.count()).where(*_within(reach)).group_by(people.c.state)
    rows: Sequence[Any] = tx.rows(query)
    return {row[0]: row[1] for row in rows}


def select_people_in(unit_ids: Iterable[str]) -> Select[Any]:
    """Return the query for the ids of everybody in these units, for another query to ask."""
    return select(people.c.id).where(people.c.unit_id.in_(sorted(unit_ids)))


def find_unit_of(tx: Transaction, person_id: str) -> UnitID | None:
    """Return the unit a person belongs to; None for a person of none, or nobody."""
    found = tx.scalar(select(people.c.unit_id).where(people.c.id == person_id))
    return UnitID(found) if found else None


def find_units_of(tx: Transaction, ids: Sequence[str]) -> dict[str, UnitID]:
    """Return person → unit; people of no unit are left out."""
    found: dict[str, UnitID] = {}
    for some in chunked(ids):
        where = (people.c.id.in_(some), people.c.unit_id.is_not(None))
        rows = tx.rows(select(people.c.id, people.c.unit_id).where(*where))
        found.update({row.id: UnitID(row.unit_id) for row in rows})
    return found


def _conditions(narrow: PeopleFilter) -> list[Any]:
    found = [*_within(narrow.reach), *_within(narrow.units)]
    if narrow.state is None:
        found.append(people.c.state != PersonState.LEFT.value)
    else:
        found.append(people.c.state == narrow.state.value)
    if narrow.search:
        found.append(_matching(narrow.search))
    if narrow.role is not None:
        found.append(_holding(narrow.role))
    if narrow.group_id:
        mine = group_members.c.group_id == narrow.group_id
        found.append(people.c.id.in_(select(group_members.c.person_id).where(mine)))
    return found


def _within(unit_ids: frozenset[str] | None) -> list[Any]:
    return [] if unit_ids is None else [people.c.unit_id.in_(sorted(unit_ids))]


def _holding(role: Role) -> Any:
    return or_(
        *(
            people.c.id.in_(select(table.c.person_id).where(table.c.role == role.value))
            for table in (person_roles, unit_roles)
        )
    )


def _matching(search: str) -> Any:
    wanted = search.lower()
    return or_(
        func.lower(people.c.name).contains(wanted, autoescape=True),
        people.c.email.contains(wanted, autoescape=True),
        people.c.former_email.contains(wanted, autoescape=True),
    )


def has_equipped_admin(tx: Transaction) -> bool:
    """Tell whether an active admin exists who has a passkey or TOTP."""
    return bool(tx.scalar(select(exists(_equipped_admins()))))


def count_equipped_admins(tx: Transaction, *, without: str = "") -> int:
    """Count active admins who can sign in, leaving one person out; who counts must write alone.

    The rows of all admins are locked, so that two who remove each other do not both succeed.
    """
    mine = person_roles.c.role == Role.ADMIN.value
    order = person_roles.c.person_id
    tx.rows(select(person_roles.c.person_id).where(mine).order_by(order).with_for_update())
    query = _equipped_admins().where(people.c.id != without).subquery()
    return int(tx.scalar(select(func.count()).select_from(query)))


def _equipped_admins() -> Any:
    mine = and_(passkeys.c.person_id == people.c.id, passkeys.c.ended_at.is_(None))
    has_passkey = exists(select(passkeys.c.id).where(mine))
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


def _people(tx: Transaction, rows: Sequence[Row[Any]]) -> list[Person]:
    held = _assignments(tx, [row.id for row in rows])
    return [_person(row, held.get(row.id, ())) for row in rows]


def _assignments(tx: Transaction, ids: Sequence[str]) -> dict[str, list[Assignment]]:
    found: dict[str, list[Assignment]] = {}
    known = {role.value for role in Role}
    for table, query in _ROLES_OF_MANY:
        for part in chunked(ids):
            for row in query.rows(tx, {"people": part}):
                if row.role in known:  # a role of a newer version gives nothing here
                    unit = UnitID(row.unit_id) if table is unit_roles else None
                    found.setdefault(row.person_id, []).append(Assignment(Role(row.role), unit))
    return found


def _person(row: Row[Any], held: Iterable[Assignment]) -> Person:
    created: datetime = row.created_at
    return Person(
        id=PersonID(row.id),
        name=row.name,
        email=row.former_email or row.email,
        language=row.language,
        state=PersonState(row.state),
        roles=frozenset(a.role for a in held if a.unit_id is None),
        created_at=created,
        unit_id=UnitID(row.unit_id) if row.unit_id else None,
        unit_roles=frozenset(a for a in held if a.unit_id is not None),
        manager_id=PersonID(row.manager_id) if row.manager_id else None,
        external_id=row.external_id,
        version=row.version,
    )

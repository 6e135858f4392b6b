"""Where people stand: what they may do and how far it reaches, and which unit they belong to.

The front door asks here on every request, and other rooms ask to judge a right that is held in
some units only. Nothing here is shown to anybody, so nothing here asks for a right.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select

from sekisho.identity.engine import units as tree
from sekisho.identity.engine.rights import narrow, narrow_scoped, rights_of, scoped_rights_of
from sekisho.identity.model import Admission, APIToken, Person, PersonState, Session, Unit
from sekisho.identity.store import groups as group_store
from sekisho.identity.store import people
from sekisho.identity.store import units as unit_store
from sekisho.identity.store.people import PeopleFilter
from sekisho.kernel.db import Transaction
from sekisho.kernel.ids import GroupID, PersonID, UnitID
from sekisho.kernel.principal import Principal, PrincipalKind

_EVERYBODY = 1_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody works: of their unit or the nearest above it that says so, else ""."""

    country: str
    time_zone: str
    language: str


NOWHERE = Place("", "", "")


def admission_of(
    tx: Transaction,
    person: Person,
    *,
    session: Session | None = None,
    token: APIToken | None = None,
) -> Admission:
    """Return what a person may do now, narrowed to a token's scopes if they came by one."""
    rights, scoped = rights_of(person.roles), _scoped(tx, person)
    if token is not None:
        rights, scoped = narrow(token.scopes, rights), narrow_scoped(token.scopes, scoped)
    return Admission(person, rights, session=session, token=token, scoped=scoped)


def renew(tx: Transaction, was: Principal) -> Principal:
    """Return somebody who ordered work that goes on later, with what they may do now.

    ``was.rights`` names what they held then, wherever it reached: they get no other right than
    that, and lose what they lose meanwhile. Commands of the machine itself stay as they are;
    whoever may not come in any more has no right at all.
    """
    if was.kind is PrincipalKind.COMMAND:
        return was
    person = people.find_person(tx, was.person_id or "")
    if person is None or person.state is not PersonState.ACTIVE:
        return replace(was, rights=frozenset(), scoped={})
    now = admission_of(tx, person)
    return replace(
        was, rights=narrow(was.rights, now.rights), scoped=narrow_scoped(was.rights, now.scoped)
    )


def _scoped(tx: Transaction, person: Person) -> dict[str, frozenset[str]]:
    if not person.unit_roles:
        return {}
    parents = unit_store.read_parents(tx)
    roots = {held.unit_id for held in person.unit_roles if held.unit_id}
    return scoped_rights_of(person.unit_roles, {u: tree.below(parents, [u]) for u in roots})


def unit_of(tx: Transaction, person_id: str | None) -> UnitID | None:
    """Return the unit a person belongs to; None for a person of none, or for nobody."""
    return people.find_unit_of(tx, person_id) if person_id else None


def units_of(tx: Transaction, person_ids: Iterable[str | None]) -> dict[str, UnitID]:
    """Return person → unit for many people at once; those of no unit are left out."""
    return people.find_units_of(tx, sorted({each for each in person_ids if each}))


def states_of(tx: Transaction, person_ids: Iterable[str | None]) -> dict[str, PersonState]:
    """Return person → state for many people at once; who is not there is not in it."""
    return people.find_states(tx, sorted({each for each in person_ids if each}))


def units_below(tx: Transaction, unit_ids: Iterable[str]) -> frozenset[str]:
    """Return these units with every unit below them; unknown ids are left out."""
    return tree.below(unit_store.read_parents(tx), unit_ids)


def units_above(tx: Transaction, unit_id: str | None) -> frozenset[str]:
    """Return a unit with every unit above it; nothing for no unit."""
    return frozenset(tree.above(unit_store.read_parents(tx), unit_id)) if unit_id else frozenset()


def people_in(tx: Transaction, unit_id: str, *, below: bool = True) -> list[PersonID]:
    """List everybody of a unit (and of those below it) who has not left, by name."""
    wanted = units_below(tx, [unit_id]) if below else frozenset({unit_id})
    found = people.list_people(tx, PeopleFilter(units=wanted), limit=_EVERYBODY)
    return [person.id for person in found]


def list_ended(tx: Transaction) -> list[PersonID]:
    """List everybody who may not come in any more: disabled, or left."""
    ended = (PersonState.DISABLED, PersonState.LEFT)
    found = [people.list_people(tx, PeopleFilter(state=s), limit=_EVERYBODY) for s in ended]
    return [person.id for some in found for person in some]


def select_people_in(unit_ids: Iterable[str]) -> Select[Any]:
    """Return the query for everybody's id in these very units, to narrow a list of one's own.

    For ``tx.principal.reach(right)``, which includes the units below already:
    ``THINGS.c.owner_id.in_(select_people_in(reach))``.
    """
    return people.select_people_in(unit_ids)


def groups_of(tx: Transaction, person_id: str) -> frozenset[GroupID]:
    """Return the groups a person belongs to."""
    return frozenset(group_store.list_groups_of(tx, person_id))


def members_of(tx: Transaction, group_id: str) -> list[PersonID]:
    """Return the members of a group who have not left."""
    left = people.list_people(tx, PeopleFilter(state=PersonState.LEFT), limit=_EVERYBODY)
    gone = {person.id for person in left}
    return [each for each in group_store.list_members(tx, group_id) if each not in gone]


def manager_of(tx: Transaction, person_id: str) -> PersonID | None:
    """Return who leads a person, if that is known and they may still come in."""
    person = people.find_person(tx, person_id)
    if person is None or person.manager_id is None:
        return None
    manager = people.find_person(tx, person.manager_id)
    return manager.id if manager and manager.state is PersonState.ACTIVE else None


def place_of(tx: Transaction, person_id: str) -> Place:
    """Return country, time zone and language of where a person works ("" where nobody said)."""
    return places_of(tx, [person_id]).get(person_id, NOWHERE)


def places_of(tx: Transaction, person_ids: Iterable[str | None]) -> dict[str, Place]:
    """Return person → where they work, for many at once; people of no unit are left out."""
    found = units_of(tx, person_ids)
    places = places_in(tx, set(found.values()))
    return {person: places[unit] for person, unit in found.items()}


def places_in(tx: Transaction, unit_ids: Iterable[str]) -> dict[str, Place]:
    """Return unit → what it says of itself, or what the nearest unit above it says."""
    wanted = set(unit_ids)
    units: dict[str, Unit] = {u.id: u for u in unit_store.list_units(tx)} if wanted else {}
    parents: dict[str, str | None] = {key: unit.parent_id for key, unit in units.items()}
    return {
        each: Place(*tree.inherit([units[u] for u in tree.above(parents, each) if u in units]))
        for each in wanted
    }

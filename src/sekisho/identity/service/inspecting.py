"""Many people and sign-ins at once, as the gate needs them; shown to nobody, so no right is asked.

Doubt denies: a sign-in that has ended or was not used for an hour is not there.
"""

from collections.abc import Collection
from dataclasses import dataclass

from sekisho.identity.engine import units as tree
from sekisho.identity.model import SESSION_IDLE, Person, PersonState, Session, Unit
from sekisho.identity.service.standing import NOWHERE, Place
from sekisho.identity.store import groups, passes, people
from sekisho.identity.store import units as unit_store
from sekisho.kernel.db import Transaction


@dataclass(frozen=True, slots=True)
class Insight:
    """A person with all they belong to: groups, and their unit with every unit above it."""

    person: Person
    groups: frozenset[str]
    units: frozenset[str]
    place: Place

    @property
    def active(self) -> bool:
        """Tell whether they may come in."""
        return self.person.state is PersonState.ACTIVE


def inspect_people(tx: Transaction, person_ids: Collection[str]) -> dict[str, Insight]:
    """Return what is known of people; who is not there is not in it."""
    found = people.find_people(tx, sorted(set(person_ids)))
    member_of = groups.list_groups_of_many(tx, sorted(found))
    units: dict[str, Unit] = {unit.id: unit for unit in unit_store.list_units(tx)}
    parents: dict[str, str | None] = {key: unit.parent_id for key, unit in units.items()}
    chains = {
        unit: [units[key] for key in tree.above(parents, unit) if key in units]
        for unit in {person.unit_id for person in found.values()}
    }
    return {
        key: Insight(
            person,
            frozenset(member_of.get(key, ())),
            frozenset(unit.id for unit in chains[person.unit_id]),
            Place(*tree.inherit(chains[person.unit_id])) if person.unit_id else NOWHERE,
        )
        for key, person in found.items()
    }


def inspect_sessions(tx: Transaction, session_ids: Collection[str]) -> dict[str, Session]:
    """Return the sign-ins that still let somebody in, by id."""
    found = passes.get_sessions(tx, sorted(set(session_ids)))
    return {
        each.id: each
        for each in found
        if each.ends_at > tx.now and each.seen_at + SESSION_IDLE > tx.now
    }


def keep_sessions(tx: Transaction, session_ids: Collection[str]) -> None:
    """Note that sign-ins are in use: whoever works in a tunnel is not idle."""
    passes.touch_sessions(tx, sorted(set(session_ids)))

"""Giving roles: in the whole organisation or in a unit, never to oneself, never beyond one's own.

The last administrator stays one.
"""

from collections.abc import Iterable

from sekisho.identity.engine.rights import parse_roles
from sekisho.identity.model import Assignment, Person, Role
from sekisho.identity.service.people import (
    get_person,
    keep_an_admin,
    record_person,
    refuse_left,
    require_grantable,
    require_over,
    require_unit,
    save_person,
)
from sekisho.identity.service.sessions import sign_out_everywhere
from sekisho.identity.store import people
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import NotPermittedError
from sekisho.kernel.i18n import msg


def set_roles(
    tx: Transaction, person_id: str, wanted: Iterable[Assignment], version: int | None = None
) -> Person:
    """Give a person exactly these roles; every session of theirs ends (identity.write there).

    Raises NotPermittedError for a role beyond the caller's own reach or for the caller's own
    gain, ConflictError for the last administrator or after another's edit.
    """
    person, new = require_over(tx, person_id), frozenset(wanted)
    refuse_left(person)
    require_grantable(tx, new)
    _refuse_own_gain(tx, person, new)
    for unit_id in sorted({held.unit_id for held in new if held.unit_id}):
        require_unit(tx, unit_id)
    if new == person.assignments:
        return person
    if Assignment(Role.ADMIN) not in new:
        keep_an_admin(tx, person)
    save_person(tx, person, version)
    people.replace_roles(tx, person.id, new)
    sign_out_everywhere(tx, person.id, "roles changed")
    record_person(tx, person.id, "identity.roles_changed", {
        "before": _names(person.assignments), "after": _names(new),
    })  # fmt: skip
    return get_person(tx, person_id)


def change_roles(
    tx: Transaction, person_id: str, roles: Iterable[str], version: int | None = None
) -> Person:
    """Give a person exactly these roles in the whole organisation; those in units stay."""
    wanted = frozenset(Assignment(role) for role in parse_roles(roles))
    return set_roles(tx, person_id, wanted | get_person(tx, person_id).unit_roles, version)


def _refuse_own_gain(tx: Transaction, person: Person, new: frozenset[Assignment]) -> None:
    if tx.principal.person_id == person.id and new - person.assignments:
        raise NotPermittedError(
            msg("Nobody gives roles to themselves."),
            hint=msg("Ask another administrator to do it."),
        )


def _names(assignments: Iterable[Assignment]) -> list[str]:
    """Name roles for a record: ``security``, or ``manager@uni_…`` for one held in a unit."""
    return sorted(f"{a.role}@{a.unit_id}" if a.unit_id else a.role.value for a in assignments)

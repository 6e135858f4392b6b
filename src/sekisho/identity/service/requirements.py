"""How strongly people must have proved themselves, by role (apps say it themselves: ``access``).

A role that asks for more than a session proved rests in that session: its rights are not there,
all others are. So a weak sign-in never does what a strong one may, on whichever way it came.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sekisho.evidence import service as evidence
from sekisho.identity.model import (
    STRENGTH_OF_METHOD,
    Method,
    Person,
    PersonState,
    Role,
    Strength,
)
from sekisho.identity.store import factors, people, rules
from sekisho.identity.store.people import PeopleFilter
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import msg

# Who only sees their own things may come with a code; whoever sees those of others needs two.
_DEFAULT: Mapping[Role, Strength] = {Role.TELEWORKER: Strength.ONE}
_EVERYBODY = 1_000_000


def list_requirements(tx: Transaction) -> Mapping[Role, Strength]:
    """Return what each role asks for (for everybody: it is no secret)."""
    known = rules.read_requirements(tx)
    return {role: _of_role(known, role) for role in Role}


def _of_role(known: Mapping[str, Strength], role: Role) -> Strength:
    return known.get(f"role:{role.value}", _DEFAULT.get(role, Strength.TWO))


def _roles(person: Person) -> Iterable[Role]:
    return {*person.roles, *(held.role for held in person.unit_roles)}


def limit_roles(tx: Transaction, person: Person, strength: Strength) -> Person:
    """Return the person with those roles only that ``strength`` is enough for."""
    known = rules.read_requirements(tx)
    usable = {role for role in _roles(person) if _of_role(known, role) <= strength}
    return replace(
        person,
        roles=frozenset(person.roles & usable),
        unit_roles=frozenset(held for held in person.unit_roles if held.role in usable),
    )


def resting_roles(tx: Transaction, person: Person, strength: Strength) -> frozenset[Role]:
    """Return the roles that rest in a session of this strength."""
    return frozenset(_roles(person)) - frozenset(_roles(limit_roles(tx, person, strength)))


def has_usable_admin(tx: Transaction) -> bool:
    """Tell whether an administrator could sign in here as strongly as administrators must.

    For services: asks for no right. Accounts of the organisation do not count; their provider
    may be out of reach.
    """
    wanted = list_requirements(tx)[Role.ADMIN]
    active = PeopleFilter(role=Role.ADMIN, state=PersonState.ACTIVE)
    admins = [p for p in people.list_people(tx, active, limit=_EVERYBODY) if Role.ADMIN in p.roles]
    return any(_strongest(tx, person) >= wanted for person in admins)


def _strongest(tx: Transaction, person: Person) -> int:
    """Return the strongest proof a person has registered; 0 for none."""
    if factors.list_passkeys(tx, person.id):
        return STRENGTH_OF_METHOD[Method.PASSKEY]
    has_totp = factors.get_totp(tx, person.id) is not None
    return STRENGTH_OF_METHOD[Method.TOTP] if has_totp else 0


def change_requirement(tx: Transaction, key: str, strength: int) -> None:
    """Set what ``role:NAME`` asks for (identity.write, proved recently).

    Raises InvalidInputError for an unknown role or strength.
    """
    tx.principal.require("identity.write")
    tx.principal.require_fresh(tx.now)
    kind, _, name = key.partition(":")
    roles = {role.value for role in Role}
    if kind != "role" or name not in roles or strength not in set(Strength):
        raise InvalidInputError(
            msg("“%(key)s” with strength %(n)s cannot be set.", key=key[:100], n=strength),
            hint=msg("Expected are role:NAME, and 1, 2 or 3."),
        )
    before = rules.read_requirements(tx).get(key)
    rules.set_requirement(tx, key, Strength(strength))
    evidence.record(
        tx,
        kind="identity.requirement_changed",
        subject="identity",
        detail={"key": key, "before": before and int(before), "after": strength},
    )

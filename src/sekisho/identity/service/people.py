"""People: listed, invited, changed, disabled and enabled again.

A right held in a unit reaches everybody of this unit and of those below it; who belongs to no unit
is reached only by rights held in the whole organisation.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sekisho.evidence import service as evidence
from sekisho.identity.engine.fields import clean_email, clean_language, clean_name
from sekisho.identity.engine.rights import missing_for, parse_roles
from sekisho.identity.model import (
    Assignment,
    PasskeyName,
    Person,
    PersonState,
    Purpose,
    Role,
)
from sekisho.identity.service.sessions import require_recent, sign_out_everywhere
from sekisho.identity.store import doorway, factors, passes, people, units
from sekisho.identity.store.people import SORTS, PeopleFilter
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    NotPermittedError,
)
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import PersonID, UnitID, new_id
from sekisho.kernel.principal import PrincipalKind

_SHOWN_MISSING = 50


def add_person(
    tx: Transaction,
    *,
    name: str,
    email: str,
    language: str,
    roles: Iterable[Role],
    state: PersonState = PersonState.INVITED,
    person_id: PersonID | None = None,
    unit_id: str | None = None,
) -> Person:
    """Add a person; rights are the caller's business (invite or first-admin link).

    Raises InvalidInputError for a bad field and ConflictError for a known e-mail address.
    """
    person = Person(
        person_id or PersonID(new_id("per")),
        clean_name(name),
        clean_email(email),
        clean_language(language),
        state,
        frozenset(roles),
        tx.now,
        UnitID(unit_id) if unit_id else None,
    )
    if people.find_person_by_email(tx, person.email) is not None:
        raise taken_address(person.email)
    require_unit(tx, person.unit_id)
    people.insert_person(tx, person)
    record_person(tx, person.id, "identity.person_added", {
        "name": person.name, "email": person.email, "roles": sorted(person.roles),
        "unit": person.unit_id,
    })  # fmt: skip
    return person


def taken_address(email: str) -> ConflictError:
    """Return the error for an e-mail address that somebody has already."""
    return ConflictError(
        msg("%(email)s is already the address of somebody here.", email=email),
        hint=msg("Use another address, or change the person who has it."),
    )


def require_unit(tx: Transaction, unit_id: str | None) -> None:
    """Return if there is such a unit (or none is named); raise NotFoundError otherwise."""
    if unit_id is not None and units.find_unit(tx, unit_id) is None:
        raise NotFoundError(
            msg("There is no unit with this id (%(id)s).", id=unit_id),
            hint=msg("Units are listed on the page “Units”."),
        )


def invite_person(
    tx: Transaction,
    *,
    name: str,
    email: str,
    language: str,
    roles: Iterable[str],
    unit_id: str | None = None,
) -> Person:
    """Add a person on behalf of the one who asks (identity.write there, proved recently)."""
    require_write(tx, unit_id)
    wanted = parse_roles(roles)
    require_grantable(tx, (Assignment(role) for role in wanted))
    return add_person(tx, name=name, email=email, language=language, roles=wanted, unit_id=unit_id)


def get_person(tx: Transaction, person_id: str) -> Person:
    """Return a person; raise NotFoundError if there is none. For services: asks for no right."""
    found = people.find_person(tx, person_id)
    if found is None:
        raise NotFoundError(msg("There is no person with this id (%(id)s).", id=person_id))
    return found


def read_person(tx: Transaction, person_id: str) -> Person:
    """Return a person to themselves or to identity.read in their unit; raise NotFoundError."""
    person = get_person(tx, person_id)
    may = tx.principal.allows("identity.read", person.unit_id)
    if not may and tx.principal.person_id != person.id:
        tx.principal.require_reach("identity.read")
        raise NotFoundError(msg("There is no person with this id (%(id)s).", id=person_id))
    return person


def find_person(tx: Transaction, person_id: str) -> Person | None:
    """Return a person, or None."""
    return people.find_person(tx, person_id)


def find_people(tx: Transaction, ids: Iterable[str]) -> dict[str, Person]:
    """Return id → person for other rooms' lists, whatever their state."""
    return people.find_people(tx, sorted(set(ids)))


def find_by_emails(tx: Transaction, emails: Iterable[str]) -> dict[str, Person]:
    """Return (lower-case) address → the person who has it and has not left."""
    return people.find_by_emails(tx, sorted({email.strip().lower() for email in emails}))


def find_person_by_email(tx: Transaction, email: str) -> Person | None:
    """Return the person with this address, or None."""
    return people.find_person_by_email(tx, email.strip().lower())


def list_people(
    tx: Transaction,
    *,
    search: str = "",
    narrow: PeopleFilter | None = None,
    sort: str = "name",
    descending: bool = False,
    limit: int = 100,
    offset: int = 0,
) -> list[Person]:
    """List the people that the caller's identity.read reaches, one page of them.

    ``narrow`` says which; ``search`` is short for a filter that only searches. Raises
    InvalidInputError for an unknown ``sort``.
    """
    wanted = _within_reach(tx, narrow or PeopleFilter(search=search))
    if sort not in SORTS:
        raise InvalidInputError(
            msg("The order %(got)s is not known; one of %(known)s is expected.",
                got=sort[:40], known=", ".join(SORTS))
        )  # fmt: skip
    return people.list_people(
        tx, wanted, sort=sort, descending=descending, limit=limit, offset=offset
    )


def count_people(tx: Transaction, search: str = "", narrow: PeopleFilter | None = None) -> int:
    """Count the people that ``list_people`` lists without a limit (identity.read)."""
    return people.count_people(tx, _within_reach(tx, narrow or PeopleFilter(search=search)))


def count_states(tx: Transaction) -> dict[str, int]:
    """Return state → how many people are in it, of those identity.read reaches."""
    return people.count_states(tx, tx.principal.require_reach("identity.read"))


def _within_reach(tx: Transaction, narrow: PeopleFilter) -> PeopleFilter:
    return replace(narrow, reach=tx.principal.require_reach("identity.read"))


def change_profile(
    tx: Transaction,
    person_id: str,
    *,
    version: int,
    name: str,
    email: str,
    language: str,
    manager_id: str | None,
) -> Person:
    """Change who a person is and who leads them (identity.write in their unit).

    Raises ConflictError if the person was changed since ``version``, or the address is taken.
    """
    person = require_over(tx, person_id)
    wanted = {"name": clean_name(name), "email": clean_email(email),
              "language": clean_language(language), "manager_id": manager_id or None}  # fmt: skip
    known = people.find_person_by_email(tx, str(wanted["email"]))
    if known is not None and known.id != person.id:
        raise taken_address(known.email)
    if manager_id:
        _require_manager(tx, person, manager_id)
    before = {name: getattr(person, name) for name in wanted}
    changed = {name: value for name, value in wanted.items() if value != before[name]}
    if changed:
        save_person(tx, person, version, **wanted)
        if "email" in changed:  # whoever has the former address must not come in by its link
            doorway.delete_unused_links(tx, Purpose.INVITE, person.id)
        record_person(tx, person.id, "identity.person_changed", {
            "before": {name: before[name] for name in changed}, "after": changed,
        })  # fmt: skip
    return get_person(tx, person_id)


def _require_manager(tx: Transaction, person: Person, manager_id: str) -> None:
    manager = get_person(tx, manager_id)
    if manager.id == person.id or manager.state is PersonState.LEFT:
        raise InvalidInputError(
            msg("%(name)s cannot lead %(person)s.", name=manager.name, person=person.name),
            hint=msg("Choose somebody else who works here."),
        )


def place_person(
    tx: Transaction, person_id: str, unit_id: str | None, version: int | None = None
) -> Person:
    """Put a person into a unit, or into none (identity.write where they are and will be).

    Roles stay: they are held in units of their own. Raises ConflictError after another's edit.
    """
    person = require_over(tx, person_id)
    tx.principal.require("identity.write", unit_id)
    require_unit(tx, unit_id)
    if person.unit_id == unit_id:
        return person
    save_person(tx, person, version, unit_id=unit_id)
    record_person(tx, person.id, "identity.person_moved", {
        "before": person.unit_id, "after": unit_id,
    })  # fmt: skip
    return get_person(tx, person_id)


def save_person(tx: Transaction, person: Person, version: int | None, **values: str | None) -> None:
    """Store changed columns; raise ConflictError if another change came first."""
    if not people.update_person(tx, person.id, version=version, **values):
        raise ConflictError(
            msg("%(name)s was changed by somebody else meanwhile.", name=person.name),
            hint=msg("Look at what it says now, then repeat your change if it is still right."),
        )


def disable_person(tx: Transaction, person_id: str) -> None:
    """Let a person in no longer: sessions and tokens end at once (identity.write there)."""
    person = require_over(tx, person_id)
    refuse_left(person)
    keep_an_admin(tx, person)
    people.update_person(tx, person.id, state=PersonState.DISABLED.value)
    sign_out_everywhere(tx, person.id, "person disabled")
    gone = passes.revoke_tokens(tx, person.id)
    record_person(tx, person.id, "identity.person_disabled", {"tokens": list(gone)})


def enable_person(tx: Transaction, person_id: str) -> None:
    """Let a disabled person in again; former sessions and tokens stay ended (identity.write)."""
    person = require_over(tx, person_id)
    if person.state is not PersonState.DISABLED:
        raise ConflictError(msg("%(name)s is not disabled.", name=person.name))
    people.update_person(tx, person.id, state=PersonState.ACTIVE.value)
    record_person(tx, person.id, "identity.person_enabled", {})


def change_language(tx: Transaction, language: str) -> None:
    """Set the language of the person who asks; nothing happens for anyone else."""
    if tx.principal.kind is PrincipalKind.PERSON:
        people.update_person(tx, PersonID(tx.principal.id), language=clean_language(language))


def passkey_names(tx: Transaction, present: Sequence[str] = ()) -> list[PasskeyName]:
    """Tell for each name that passkeys were made for who has one, and who has none.

    ``present`` are names in use now; they are told of even if nobody has a passkey for them.
    At most 50 people without one are named (settings.read).
    """
    tx.principal.require("settings.read")
    counts = factors.count_passkey_names(tx)
    return [
        PasskeyName(name, counts.get(name, 0), _without(tx, name))
        for name in sorted({*counts, *present} - {""})
    ]


def _without(tx: Transaction, rp_id: str) -> tuple[Person, ...]:
    ids = factors.list_people_without_passkey(tx, rp_id, _SHOWN_MISSING)
    return tuple(get_person(tx, person_id) for person_id in ids)


def require_write(tx: Transaction, unit_id: str | None = None) -> None:
    """Return if the caller may change people of ``unit_id`` and proved themselves recently."""
    tx.principal.require("identity.write", unit_id)
    if tx.principal.kind is PrincipalKind.PERSON:
        require_recent(tx)


def require_over(tx: Transaction, person_id: str) -> Person:
    """Return a person whom the caller may change; raise otherwise.

    That takes identity.write where the person belongs, and every right the person has: nobody
    gets at somebody stronger than themselves.
    """
    person = get_person(tx, person_id)
    require_write(tx, person.unit_id)
    require_grantable(tx, person.assignments)
    return person


def require_grantable(tx: Transaction, assignments: Iterable[Assignment]) -> None:
    """Return if the caller holds all that ``assignments`` give, as far as they reach."""
    if tx.principal.kind is PrincipalKind.SYSTEM:
        return
    excess = missing_for(assignments, tx.principal.rights, tx.principal.scoped)
    if excess:
        raise NotPermittedError(
            msg("This touches rights you do not have yourself: %(got)s.",
                got=", ".join(sorted(excess))),
            hint=msg("Ask an administrator."),
        )  # fmt: skip


def refuse_left(person: Person) -> None:
    """Return unless the person has left; raise ConflictError for one who has."""
    if person.state is PersonState.LEFT:
        raise ConflictError(
            msg("%(name)s has left.", name=person.name),
            hint=msg("Somebody who comes back is invited anew."),
        )


def keep_an_admin(tx: Transaction, person: Person) -> None:
    """Return unless the person is the last administrator who can sign in."""
    if Role.ADMIN in person.roles and not people.count_equipped_admins(tx, without=person.id):
        raise ConflictError(
            msg("%(name)s is the last administrator who can sign in.", name=person.name),
            hint=msg("Make somebody else an administrator first."),
        )


def record_person(
    tx: Transaction, person_id: PersonID, kind: str, detail: dict[str, object]
) -> None:
    """Leave a record about a person."""
    evidence.record(tx, kind=kind, subject=f"person:{person_id}", detail=detail, person=person_id)

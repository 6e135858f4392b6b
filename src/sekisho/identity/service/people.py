"""People: invited, changed, disabled and enabled again; what they may do follows their roles."""

from collections.abc import Iterable, Sequence

from sekisho.evidence import service as evidence
from sekisho.identity.engine.rights import covers, parse_roles, rights_of
from sekisho.identity.model import (
    LONGEST_EMAIL,
    LONGEST_NAME,
    PasskeyName,
    Person,
    PersonState,
    Role,
)
from sekisho.identity.service.sessions import require_recent, sign_out_everywhere
from sekisho.identity.store import factors, passes, people
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    NotPermittedError,
)
from sekisho.kernel.i18n import LANGUAGES, msg
from sekisho.kernel.ids import PersonID, new_id
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
    )
    if people.find_person_by_email(tx, person.email) is not None:
        raise ConflictError(
            msg("%(email)s is already the address of somebody here.", email=person.email),
            hint=msg("Use another address, or change the person who has it."),
        )
    people.insert_person(tx, person)
    _record(tx, person.id, "identity.person_added", {
        "name": person.name, "email": person.email, "roles": sorted(person.roles),
    })  # fmt: skip
    return person


def clean_name(name: str) -> str:
    """Return a name without surplus blanks; raise InvalidInputError if it is none."""
    plain = " ".join(name.split())
    if not plain or len(plain) > LONGEST_NAME or not plain.isprintable():
        raise InvalidInputError(
            msg("A name of 1 to %(n)s characters is expected.", n=LONGEST_NAME),
            hint=msg("Write it as colleagues know it."),
        )
    return plain


def clean_email(email: str) -> str:
    """Return an e-mail address in lower case; raise InvalidInputError if it cannot be one."""
    plain = email.strip().lower()
    user, _, domain = plain.rpartition("@")
    good = user and "." in domain.strip(".") and not any(c.isspace() for c in plain)
    if not good or len(plain) > LONGEST_EMAIL or not plain.isprintable():
        raise InvalidInputError(
            msg("“%(got)s” is not an e-mail address.", got=email[:LONGEST_EMAIL]),
            hint=msg("Something like name@example.jp is expected."),
        )
    return plain


def clean_language(language: str) -> str:
    """Return ``ja`` or ``en``; raise InvalidInputError for anything else."""
    if language not in LANGUAGES:
        raise InvalidInputError(
            msg("The language “%(got)s” is not known; ja or en is expected.", got=language)
        )
    return language


def invite_person(
    tx: Transaction, *, name: str, email: str, language: str, roles: Iterable[str]
) -> Person:
    """Add a person on behalf of the one who asks (identity.write, proved recently)."""
    _require_write(tx)
    wanted = parse_roles(roles)
    _require_grantable(tx, wanted)
    return add_person(tx, name=name, email=email, language=language, roles=wanted)


def get_person(tx: Transaction, person_id: str) -> Person:
    """Return a person; raise NotFoundError if there is none."""
    found = people.find_person(tx, person_id)
    if found is None:
        raise NotFoundError(msg("There is no person with this id (%(id)s).", id=person_id))
    return found


def find_person(tx: Transaction, person_id: str) -> Person | None:
    """Return a person, or None."""
    return people.find_person(tx, person_id)


def find_person_by_email(tx: Transaction, email: str) -> Person | None:
    """Return the person with this address, or None."""
    return people.find_person_by_email(tx, email.strip().lower())


def list_people(
    tx: Transaction, *, search: str = "", limit: int = 100, offset: int = 0
) -> list[Person]:
    """List people by name (identity.read)."""
    tx.principal.require("identity.read")
    return people.list_people(tx, search=search, limit=limit, offset=offset)


def count_people(tx: Transaction, search: str = "") -> int:
    """Count the people that ``list_people`` lists without a limit (identity.read)."""
    tx.principal.require("identity.read")
    return people.count_people(tx, search)


def change_roles(tx: Transaction, person_id: str, roles: Iterable[str]) -> Person:
    """Give a person exactly these roles; every session of theirs ends (identity.write)."""
    _require_write(tx)
    wanted, person = parse_roles(roles), get_person(tx, person_id)
    _require_grantable(tx, wanted | person.roles)
    if wanted == person.roles:
        return person
    if Role.ADMIN not in wanted:
        _keep_an_admin(tx, person)
    people.replace_roles(tx, person.id, wanted)
    sign_out_everywhere(tx, person.id, "roles changed")
    _record(tx, person.id, "identity.roles_changed", {
        "before": sorted(person.roles), "after": sorted(wanted),
    })  # fmt: skip
    return get_person(tx, person_id)


def disable_person(tx: Transaction, person_id: str) -> None:
    """Let a person in no longer: sessions and tokens end at once (identity.write)."""
    _require_write(tx)
    person = get_person(tx, person_id)
    _require_grantable(tx, person.roles)
    _keep_an_admin(tx, person)
    people.update_person(tx, person.id, state=PersonState.DISABLED.value)
    sign_out_everywhere(tx, person.id, "person disabled")
    gone = passes.revoke_tokens(tx, person.id)
    _record(tx, person.id, "identity.person_disabled", {"tokens": list(gone)})


def enable_person(tx: Transaction, person_id: str) -> None:
    """Let a disabled person in again; former sessions and tokens stay ended (identity.write)."""
    _require_write(tx)
    person = get_person(tx, person_id)
    _require_grantable(tx, person.roles)
    if person.state is not PersonState.DISABLED:
        raise ConflictError(msg("%(name)s is not disabled.", name=person.name))
    people.update_person(tx, person.id, state=PersonState.ACTIVE.value)
    _record(tx, person.id, "identity.person_enabled", {})


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


def _require_write(tx: Transaction) -> None:
    tx.principal.require("identity.write")
    if tx.principal.kind is PrincipalKind.PERSON:
        require_recent(tx)


def _require_grantable(tx: Transaction, roles: frozenset[Role]) -> None:
    """Nobody gives, takes or touches rights beyond their own."""
    held = tx.principal.rights
    excess = [r for r in rights_of(roles) if not any(covers(own, r) for own in held)]
    if excess and tx.principal.kind is not PrincipalKind.SYSTEM:
        raise NotPermittedError(
            msg("This touches rights you do not have yourself: %(got)s.",
                got=", ".join(sorted(excess))),
            hint=msg("Ask an administrator."),
        )  # fmt: skip


def _keep_an_admin(tx: Transaction, person: Person) -> None:
    if Role.ADMIN in person.roles and not people.count_equipped_admins(tx, without=person.id):
        raise ConflictError(
            msg("%(name)s is the last administrator who can sign in.", name=person.name),
            hint=msg("Make somebody else an administrator first."),
        )


def _record(tx: Transaction, person_id: PersonID, kind: str, detail: dict[str, object]) -> None:
    evidence.record(tx, kind=kind, subject=f"person:{person_id}", detail=detail, person=person_id)

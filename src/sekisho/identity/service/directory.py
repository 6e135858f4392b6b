"""People and groups as a directory keeps them by SCIM; it never gives roles.

A token with the scope ``identity.scim`` acts with the rights its owner has at this moment, but only
by these functions. Somebody who becomes inactive has left; the caller ends them over all rooms.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sekisho.identity.engine.roster import BETWEEN
from sekisho.identity.engine.scim import GroupChange, SCIMError, User
from sekisho.identity.model import Group, Person, PersonState, Role
from sekisho.identity.service.groups import (
    change_members,
    create_group,
    delete_group,
    find_group,
    get_group,
    update_group,
)
from sekisho.identity.service.leaving import readmit_person
from sekisho.identity.service.people import (
    add_person,
    change_profile,
    enable_person,
    find_person,
    get_person,
    place_person,
)
from sekisho.identity.service.rosters import unit_paths
from sekisho.identity.service.standing import NOWHERE, admission_of, places_in
from sekisho.identity.service.units import UnitDraft, create_unit
from sekisho.identity.store import directory, groups, people
from sekisho.identity.store import units as unit_store
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import NotFoundError, NotPermittedError
from sekisho.kernel.i18n import msg
from sekisho.kernel.principal import PrincipalKind

_ACTIVE = frozenset({PersonState.ACTIVE, PersonState.INVITED})


@dataclass(frozen=True, slots=True)
class DirectoryUser:
    """A person with what a directory asks of them."""

    person: Person
    user: User
    groups: tuple[Group, ...]


def act_for_directory(tx: Transaction) -> Transaction:
    """Return the transaction as the owner of a token with the scope ``identity.scim`` acts in it.

    Raises NotPermittedError for anybody and anything else.
    """
    tx.principal.require("identity.scim")
    owner = find_person(tx, tx.principal.owner_id or "")
    if tx.principal.kind is not PrincipalKind.TOKEN or owner is None:
        raise NotPermittedError(
            msg("A directory comes with an API token that has the scope identity.scim."),
            hint=msg("Make one on the page “API tokens”."),
        )
    admission = admission_of(tx, owner)
    acting = replace(tx.principal, rights=admission.rights, scoped=admission.scoped)
    acting.require("identity.read")
    return replace(tx, principal=acting)


def read_user(tx: Transaction, person_id: str) -> DirectoryUser:
    """Return a person for a directory; raise NotFoundError for a stranger or a deleted one."""
    person = find_person(tx, person_id)
    if person is None or directory.is_deleted(tx, person_id):
        raise NotFoundError(msg("There is no person with this id (%(id)s).", id=person_id))
    tx.principal.require("identity.read", person.unit_id)
    paths = {value: key for key, value in unit_paths(tx).items()}
    mine = set(groups.list_groups_of(tx, person.id))
    user = User(
        email=person.email, name=person.name, active=person.state in _ACTIVE,
        external_id=person.external_id, language=person.language,
        department=paths.get(person.unit_id or "", ""), manager_id=person.manager_id or "",
    )  # fmt: skip
    return DirectoryUser(
        person, user, tuple(group for group in groups.list_groups(tx) if group.id in mine)
    )


def list_users(
    tx: Transaction, wanted: Mapping[str, str], *, limit: int, offset: int
) -> tuple[list[DirectoryUser], int]:
    """Return one page of the people that match, and how many do (identity.read everywhere)."""
    tx.principal.require("identity.read")
    found, total = directory.list_ids(tx, wanted, limit=limit, offset=offset)
    return [read_user(tx, person_id) for person_id in found], total


def create_user(tx: Transaction, user: User) -> DirectoryUser:
    """Add a person as a directory describes them: a teleworker who may be invited."""
    tx.principal.require("identity.write")
    _refuse_taken(tx, user.email, "")
    directory.release_number(tx, user.external_id)
    unit = _find_unit(tx, user.department)
    place = places_in(tx, [unit])[unit] if unit else NOWHERE
    person = add_person(
        tx, name=user.name, email=user.email, language=user.language or place.language or "ja",
        roles=[Role.TELEWORKER], unit_id=unit,
    )  # fmt: skip
    return change_user(tx, person.id, replace(user, active=True))


def change_user(tx: Transaction, person_id: str, user: User) -> DirectoryUser:
    """Make a person what a directory describes; ``active`` brings back whoever may come back.

    Whoever becomes inactive is not ended here: the caller ends them over all rooms.
    """
    before = read_user(tx, person_id).person
    if user.active and before.state is PersonState.LEFT:
        readmit_person(tx, person_id)
    if user.active and before.state is PersonState.DISABLED:
        enable_person(tx, person_id)
    if not user.active and before.state is PersonState.LEFT:
        return read_user(tx, person_id)
    _refuse_taken(tx, user.email, person_id)
    manager = find_person(tx, user.manager_id) if user.manager_id else None
    person = change_profile(
        tx, person_id, version=get_person(tx, person_id).version, name=user.name,
        email=user.email, language=user.language or before.language,
        manager_id=manager.id if manager else None,
    )  # fmt: skip
    if user.external_id != person.external_id:
        people.update_person(tx, person_id, external_id=user.external_id)
    place_person(tx, person_id, _find_unit(tx, user.department))
    return read_user(tx, person_id)


def _refuse_taken(tx: Transaction, email: str, person_id: str) -> None:
    known = people.find_person_by_email(tx, email)
    if known is not None and known.id != person_id:
        raise SCIMError("uniqueness", msg("Somebody has this userName already."))


def _find_unit(tx: Transaction, department: str) -> str | None:
    """Return the unit a directory names by path or by name alone; make one if there is none."""
    if not department:
        return None
    paths = unit_paths(tx)
    alone = [unit.id for unit in unit_store.list_units(tx) if unit.name == department]
    if department in paths:
        return paths[department]
    if len(alone) == 1:
        return alone[0]
    return create_unit(tx, UnitDraft(department.replace(BETWEEN, " "))).id


def forget_user(tx: Transaction, person_id: str) -> None:
    """Let a directory find somebody who left no more (after a DELETE; identity.write there)."""
    tx.principal.require("identity.write", get_person(tx, person_id).unit_id)
    directory.mark_deleted(tx, person_id)


def change_group(tx: Transaction, group_id: str, change: GroupChange) -> Group:
    """Rename a group and change its members as a directory says (identity.write)."""
    group = get_group(tx, group_id)
    if change.name is not None and change.name != group.name:
        _refuse_same_name(tx, change.name)
        group = update_group(tx, group.id, group.version, change.name, group.note)
    if change.external_id is not None and change.external_id != group.external_id:
        groups.update_group(tx, group.id, group.version, external_id=change.external_id)
    present = set(groups.list_members(tx, group_id))
    wanted = present if change.members is None else set(change.members)
    wanted = (wanted | set(change.add)) - set(change.remove)
    if wanted - present - groups.known_people(tx, wanted - present):
        raise SCIMError("invalidValue", msg("A member is nobody here."))
    return change_members(tx, group_id, add=wanted - present, remove=present - wanted)


def make_group(tx: Transaction, change: GroupChange) -> Group:
    """Make a group as a directory describes it (identity.write)."""
    _refuse_same_name(tx, change.name or "")
    group = create_group(tx, change.name or "", "", change.external_id or "")
    return change_group(tx, group.id, GroupChange(members=change.members))


def _refuse_same_name(tx: Transaction, name: str) -> None:
    if find_group(tx, name) is not None:
        raise SCIMError("uniqueness", msg("There is a group “%(name)s” already.", name=name))


def remove_group(tx: Transaction, group_id: str) -> None:
    """Delete a group (identity.write)."""
    delete_group(tx, group_id, get_group(tx, group_id).version)


def list_group_members(tx: Transaction, group_id: str) -> list[tuple[str, str]]:
    """Return id and name of a group's members, by name (identity.read everywhere)."""
    tx.principal.require("identity.read")
    found = people.find_people(tx, groups.list_members(tx, group_id))
    return sorted(((person.id, person.name) for person in found.values()), key=lambda p: p[1])

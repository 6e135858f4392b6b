"""Groups: named sets of people across units, kept by hand or by a directory.

A group belongs to the whole organisation, so to change one takes identity.write there.
"""

from collections.abc import Iterable, Sequence

from sekisho.evidence import service as evidence
from sekisho.identity.engine.fields import clean_name
from sekisho.identity.model import Group, Person
from sekisho.identity.service.people import require_write
from sekisho.identity.store import groups, people
from sekisho.identity.store.people import PeopleFilter
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import ConflictError, InvalidInputError, NotFoundError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import GroupID, new_id

_LONGEST_NOTE = 1000


def list_groups(tx: Transaction) -> Sequence[Group]:
    """List all groups by name, with how many people each has (identity.read anywhere)."""
    tx.principal.require_reach("identity.read")
    return groups.list_groups(tx)


def get_group(tx: Transaction, group_id: str) -> Group:
    """Return a group; raise NotFoundError if there is none. For services: asks for no right."""
    found = groups.find_group(tx, group_id)
    if found is None:
        raise NotFoundError(
            msg("There is no group with this id (%(id)s).", id=group_id),
            hint=msg("Groups are listed on the page “Groups”."),
        )
    return found


def find_group(tx: Transaction, name: str) -> Group | None:
    """Return the group with this name, or None. For services: asks for no right."""
    return groups.find_group_by_name(tx, name.strip())


def list_members(
    tx: Transaction, group_id: str, *, limit: int = 100, offset: int = 0
) -> Sequence[Person]:
    """List the members of a group that the caller's identity.read reaches, by name."""
    reach = tx.principal.require_reach("identity.read")
    narrow = PeopleFilter(group_id=get_group(tx, group_id).id, reach=reach)
    return people.list_people(tx, narrow, limit=limit, offset=offset)


def create_group(tx: Transaction, name: str, note: str = "", external_id: str = "") -> Group:
    """Make a group without members (identity.write); raise ConflictError for a name taken."""
    require_write(tx)
    group = Group(GroupID(new_id("grp")), clean_name(name), _clean_note(note), external_id)
    _refuse_same_name(tx, group)
    groups.insert_group(tx, group)
    _record(tx, group.id, "identity.group_created", {"name": group.name, "note": group.note})
    return group


def update_group(tx: Transaction, group_id: str, version: int, name: str, note: str) -> Group:
    """Change name and note (identity.write); raise ConflictError after another's edit."""
    require_write(tx)
    before = get_group(tx, group_id)
    after = Group(before.id, clean_name(name), _clean_note(note))
    if (after.name, after.note) != (before.name, before.note):
        _refuse_same_name(tx, after)
        _save(tx, before, version, name=after.name, note=after.note)
        _record(tx, before.id, "identity.group_changed", {
            "before": {"name": before.name, "note": before.note},
            "after": {"name": after.name, "note": after.note},
        })  # fmt: skip
    return get_group(tx, group_id)


def delete_group(tx: Transaction, group_id: str, version: int) -> None:
    """Delete a group; its members stay people (identity.write)."""
    require_write(tx)
    group = get_group(tx, group_id)
    _save(tx, group, version)
    groups.delete_group(tx, group_id)
    _record(tx, group.id, "identity.group_deleted", {"name": group.name, "people": group.size})


def change_members(
    tx: Transaction, group_id: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()
) -> Group:
    """Take people into a group and out of it (identity.write); raise NotFoundError for a stranger.

    Who is in already, or was not in, stays so; only what really changes is recorded.
    """
    require_write(tx)
    group, present = get_group(tx, group_id), set(groups.list_members(tx, group_id))
    added = sorted(set(add) - present)
    removed = sorted((set(remove) - set(added)) & present)
    strange = sorted(set(added) - groups.known_people(tx, added))
    if strange:
        raise NotFoundError(msg("There is no person with this id (%(id)s).", id=strange[0]))
    if added or removed:
        groups.add_members(tx, group_id, added)
        groups.remove_members(tx, group_id, removed)
        _save(tx, group, group.version)
        _record(tx, group.id, "identity.group_members_changed", {
            "name": group.name, "added": added, "removed": removed,
        })  # fmt: skip
    return get_group(tx, group_id)


def _clean_note(note: str) -> str:
    plain = note.strip()
    if len(plain) > _LONGEST_NOTE:
        raise InvalidInputError(
            msg("A note has at most %(n)s characters.", n=_LONGEST_NOTE),
            hint=msg("Say in a sentence what the group is for."),
        )
    return plain


def _refuse_same_name(tx: Transaction, group: Group) -> None:
    known = groups.find_group_by_name(tx, group.name)
    if known is not None and known.id != group.id:
        raise ConflictError(
            msg("There is a group “%(name)s” already.", name=group.name),
            hint=msg("Use another name, or that group."),
        )


def _save(tx: Transaction, group: Group, version: int, **values: str) -> None:
    if not groups.update_group(tx, group.id, version, **values):
        raise ConflictError(
            msg("%(name)s was changed by somebody else meanwhile.", name=group.name),
            hint=msg("Look at what it says now, then repeat your change if it is still right."),
        )


def _record(tx: Transaction, group_id: str, kind: str, detail: dict[str, object]) -> None:
    evidence.record(tx, kind=kind, subject=f"group:{group_id}", detail=detail)

"""People, groups and units that an exception can be for: their names, and finding them by name."""

from collections.abc import Sequence

from sekisho.controls.exceptions import Scope, ScopeKind
from sekisho.controls.store import selections
from sekisho.identity import service as identity
from sekisho.identity.service import groups, units
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import NotFoundError

_NAMED = frozenset({ScopeKind.GROUP, ScopeKind.UNIT})


def name_scopes(tx: Transaction, scopes: Sequence[Scope]) -> dict[Scope, str]:
    """Return the names of people, groups and units; devices are named by their own room."""
    people = [scope.id for scope in scopes if scope.kind is ScopeKind.PERSON]
    names = identity.find_names(tx, people)
    found = {}
    for scope in dict.fromkeys(scopes):
        if scope.kind is ScopeKind.PERSON:
            found[scope] = names.get(scope.id, scope.id)
        elif scope.kind is ScopeKind.SELECTION:
            found[scope] = f"{selections.count_devices(tx, scope.id):,}"
        elif scope.kind in _NAMED:
            found[scope] = _find_name(tx, scope) or scope.id
    return found


def find_named(tx: Transaction, kind: ScopeKind, words: str) -> Sequence[str]:
    """Return the ids of the people, groups or units with this name, address or id."""
    if kind is ScopeKind.PERSON:
        return _find_people(tx, words)
    if kind is ScopeKind.GROUP:
        named = groups.find_group(tx, words)
        return [named.id] if named else _if_there(tx, kind, words)
    if kind is not ScopeKind.UNIT:
        return []
    found = [entry.unit.id for entry in units.list_units(tx) if entry.unit.name == words]
    return found or _if_there(tx, kind, words)


def is_there(tx: Transaction, scope: Scope) -> bool:
    """Tell whether there is such a person, group or unit."""
    if scope.kind is ScopeKind.PERSON:
        return identity.find_person(tx, scope.id) is not None
    if scope.kind is ScopeKind.SELECTION:
        return bool(selections.list_devices(tx, scope.id))
    return _find_name(tx, scope) is not None


def _find_people(tx: Transaction, words: str) -> Sequence[str]:
    addressed = identity.find_person_by_email(tx, words) if "@" in words else None
    if addressed is not None:
        return [addressed.id]
    if identity.find_person(tx, words) is not None:
        return [words]
    names = identity.find_names(tx, identity.search_ids(tx, words))
    return [person for person, name in names.items() if name == words]


def _if_there(tx: Transaction, kind: ScopeKind, words: str) -> Sequence[str]:
    return [words] if is_there(tx, Scope(kind, words)) else []


def _find_name(tx: Transaction, scope: Scope) -> str | None:
    try:
        if scope.kind is ScopeKind.GROUP:
            return groups.get_group(tx, scope.id).name
        return units.get_unit(tx, scope.id).name
    except NotFoundError:
        return None

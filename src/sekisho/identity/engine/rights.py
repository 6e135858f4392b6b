"""Which rights follow from roles and scopes.

- A right is ``room.verb``; ``room.*`` covers a room and ``*`` everything.
- A right held in a unit is held in every unit below it, and nowhere else.
- A token never gives more than its owner has at the moment of use.
- Nothing is given for an unknown role or scope, nor for a unit that is not there.
"""

from collections.abc import Iterable, Mapping

from sekisho.identity.model import Assignment, Role
from sekisho.identity.roles import RIGHTS_OF_ROLE, SELF_RIGHTS, TOKEN_SCOPES
from sekisho.kernel.errors import InvalidInputError, NotPermittedError
from sekisho.kernel.i18n import msg
from sekisho.kernel.principal import RESERVED_RIGHTS

_ALL = "*"
Scoped = Mapping[str, frozenset[str]]


def rights_of(roles: Iterable[Role]) -> frozenset[str]:
    """Return the rights that ``roles`` give together, with those of every signed-in person."""
    return SELF_RIGHTS.union(*(RIGHTS_OF_ROLE[role] for role in roles))


def scoped_rights_of(
    held: Iterable[Assignment], below: Mapping[str, frozenset[str]]
) -> dict[str, frozenset[str]]:
    """Return right → units where roles held in units give it.

    ``below`` gives for a unit itself and all units below it; a unit it does not know gives nothing.
    """
    found: dict[str, frozenset[str]] = {}
    for assignment in held:
        units = below.get(assignment.unit_id or "", frozenset())
        for right in RIGHTS_OF_ROLE[assignment.role] if units else ():
            found[right] = found.get(right, frozenset()) | units
    return found


def covers(held: str, wanted: str) -> bool:
    """Tell whether holding ``held`` includes ``wanted`` (which may itself be a pattern).

    For giving rights on: who holds ``*`` may give what only some roles name, without having it.
    """
    if held in (_ALL, wanted):
        return True
    return held.endswith(".*") and wanted.startswith(held[:-1])


def narrow(scopes: Iterable[str], rights: Iterable[str]) -> frozenset[str]:
    """Return what both ``scopes`` and ``rights`` allow, patterns resolved as far as needed."""
    held, asked = frozenset(rights), frozenset(scopes)
    both = {scope for scope in asked if any(_gives(right, scope) for right in held)}
    both |= {right for right in held if any(_gives(scope, right) for scope in asked)}
    return frozenset(both)


def _gives(held: str, wanted: str) -> bool:
    return held == wanted or (wanted not in RESERVED_RIGHTS and covers(held, wanted))


def narrow_scoped(scopes: Iterable[str], scoped: Scoped) -> dict[str, frozenset[str]]:
    """Return what both ``scopes`` and the rights held in units allow, unit by unit."""
    asked = frozenset(scopes)
    found: dict[str, frozenset[str]] = {}
    for right, units in scoped.items():
        for both in narrow(asked, {right}):
            found[both] = found.get(both, frozenset()) | units
    return found


def missing_for(
    wanted: Iterable[Assignment], rights: Iterable[str], scoped: Scoped
) -> frozenset[str]:
    """Return the rights that somebody would have to hold themselves to give ``wanted``.

    A role for the whole organisation takes rights held in the whole organisation; a role in a
    unit takes rights that reach this unit.
    """
    everywhere = frozenset(rights)
    return frozenset(
        right
        for assignment in wanted
        for right in RIGHTS_OF_ROLE[assignment.role]
        if not _may_give(right, assignment.unit_id, everywhere, scoped)
    )


def holds_all(rights: frozenset[str]) -> bool:
    """Tell whether nothing can be missing from these rights of the whole organisation."""
    return _ALL in rights


def _may_give(right: str, unit: str | None, rights: frozenset[str], scoped: Scoped) -> bool:
    here = {held for held, units in scoped.items() if unit in units} if unit else frozenset[str]()
    return any(covers(held, right) for held in rights | here)


def check_scopes(scopes: Iterable[str], rights: Iterable[str]) -> frozenset[str]:
    """Return the scopes of a new token; raise if there are none, or one that is not held.

    Raises InvalidInputError for an unknown or missing scope, NotPermittedError for one too many.
    """
    asked, held = frozenset(scopes), frozenset(rights)
    unknown = sorted(asked - set(TOKEN_SCOPES))
    if unknown or not asked:
        raise InvalidInputError(
            msg("These scopes are not known: %(got)s.", got=", ".join(unknown))
            if unknown
            else msg("A token needs at least one scope."),
            hint=msg("Known scopes are: %(known)s.", known=", ".join(TOKEN_SCOPES)),
        )
    excess = sorted(s for s in asked if not any(covers(right, s) for right in held))
    if excess:
        raise NotPermittedError(
            msg("You do not have these rights yourself: %(got)s.", got=", ".join(excess)),
            hint=msg("A token can do at most what its owner can do."),
        )
    return asked


def parse_roles(names: Iterable[str]) -> frozenset[Role]:
    """Read role names; raise InvalidInputError for an unknown one or for none."""
    wanted = sorted(set(names))
    if not wanted:
        raise _no_roles(wanted)
    return frozenset(parse_role(name) for name in wanted)


def parse_role(name: str) -> Role:
    """Read one role name; raise InvalidInputError for an unknown one."""
    try:
        return Role(name)
    except ValueError:
        raise _no_roles([name]) from None


def _no_roles(names: list[str]) -> InvalidInputError:
    known = ", ".join(role.value for role in Role)
    return InvalidInputError(
        msg("“%(got)s” is not a set of roles.", got=", ".join(names)),
        hint=msg("Roles are: %(known)s.", known=known),
    )

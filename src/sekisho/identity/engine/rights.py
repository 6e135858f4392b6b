"""Which rights follow from roles and scopes.

- A right is ``room.verb``; ``room.*`` covers a room and ``*`` everything.
- A token never gives more than its owner has at the moment of use.
- Nothing is given for an unknown role or scope.
"""

from collections.abc import Iterable

from sekisho.identity.model import RIGHTS_OF_ROLE, SELF_RIGHTS, TOKEN_SCOPES, Role
from sekisho.kernel.errors import InvalidInputError, NotPermittedError
from sekisho.kernel.i18n import msg

_ALL = "*"


def rights_of(roles: Iterable[Role]) -> frozenset[str]:
    """Return the rights that ``roles`` give together, with those of every signed-in person."""
    return SELF_RIGHTS.union(*(RIGHTS_OF_ROLE[role] for role in roles))


def covers(held: str, wanted: str) -> bool:
    """Tell whether holding ``held`` includes ``wanted`` (which may itself be a pattern)."""
    if held in (_ALL, wanted):
        return True
    return held.endswith(".*") and wanted.startswith(held[:-1])


def narrow(scopes: Iterable[str], rights: Iterable[str]) -> frozenset[str]:
    """Return what both ``scopes`` and ``rights`` allow, patterns resolved as far as needed."""
    held, asked = frozenset(rights), frozenset(scopes)
    both = {scope for scope in asked if any(covers(right, scope) for right in held)}
    both |= {right for right in held if any(covers(scope, right) for scope in asked)}
    return frozenset(both)


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
    known = [role.value for role in Role]
    if not wanted or set(wanted) - set(known):
        raise InvalidInputError(
            msg("“%(got)s” is not a set of roles.", got=", ".join(wanted)),
            hint=msg("Roles are: %(known)s.", known=", ".join(known)),
        )
    return frozenset(Role(name) for name in wanted)

"""Who belongs to an audience, asked of the room that knows people."""

from sekisho.controls.selfchecks import Audience
from sekisho.identity import service as identity
from sekisho.identity.model import PersonState
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import NotFoundError
from sekisho.kernel.i18n import msg

_AT_ONCE = 1000


def list_audience(
    tx: Transaction, audience: Audience, audience_id: str
) -> list[tuple[str, str | None]]:
    """Return (person, their unit) of every active person who is meant, units with those below."""
    narrow = identity.PeopleFilter(state=PersonState.ACTIVE)
    if audience is Audience.UNIT:
        narrow = identity.PeopleFilter(state=PersonState.ACTIVE, units=units_below(tx, audience_id))
    if audience is Audience.GROUP:
        narrow = identity.PeopleFilter(state=PersonState.ACTIVE, group_id=audience_id)
    found: list[tuple[str, str | None]] = []
    while True:
        some = identity.list_people(tx, narrow=narrow, limit=_AT_ONCE, offset=len(found))
        found += [(person.id, person.unit_id) for person in some]
        if len(some) < _AT_ONCE:
            return found


def units_below(tx: Transaction, unit_id: str) -> frozenset[str]:
    """Return a unit with all units below it."""
    parents = {entry.unit.id: entry.unit.parent_id for entry in identity.list_units(tx)}
    found = {unit_id}
    while True:
        more = {unit for unit, parent in parents.items() if parent in found} - found
        if not more:
            return frozenset(found)
        found |= {str(unit) for unit in more}


def require_audience(tx: Transaction, audience: Audience, audience_id: str) -> None:
    """Return if there is such a unit or group; raise NotFoundError."""
    if audience_id not in dict(list_choices(tx, audience)) and audience is not Audience.EVERYBODY:
        raise NotFoundError(
            msg("There is no such unit or group."), hint=msg("Choose one from the list.")
        )


def list_choices(tx: Transaction, audience: Audience) -> list[tuple[str, str]]:
    """Return (id, name) of the units or groups there are."""
    if audience is Audience.UNIT:
        return [(e.unit.id, "　" * e.depth + e.unit.name) for e in identity.list_units(tx)]
    if audience is Audience.GROUP:
        return [(group.id, group.name) for group in identity.list_groups(tx)]
    return []

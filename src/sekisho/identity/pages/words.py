"""Words and choices that several pages about people share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sekisho.identity import service
from sekisho.identity.engine import units as tree
from sekisho.identity.model import PersonState, Unit, UnitKind
from sekisho.kernel.db import Transaction
from sekisho.kernel.i18n import Text, msg

WORDS_OF_STATE: Mapping[PersonState, Text] = {
    PersonState.ACTIVE: msg("Active"),
    PersonState.INVITED: msg("Invited"),
    PersonState.DISABLED: msg("Disabled"),
    PersonState.LEFT: msg("Left"),
}
WORDS_OF_KIND: Mapping[UnitKind, Text] = {
    UnitKind.SUBSIDIARY: msg("Company"),
    UnitKind.DEPARTMENT: msg("Department"),
}


@dataclass(frozen=True, slots=True)
class UnitChoice:
    """A unit to choose: its name drawn in under what it belongs to, and its whole path."""

    id: str
    name: str
    path: str
    depth: int


def list_choices(tx: Transaction) -> Sequence[UnitChoice]:
    """List the units the caller may see, in the order of the tree."""
    entries = service.list_units(tx)
    known: dict[str, Unit] = {entry.unit.id: entry.unit for entry in entries}
    return [
        UnitChoice(entry.unit.id, entry.unit.name, tree.say_path(known, entry.unit.id), entry.depth)
        for entry in entries
    ]

"""The tree of units, judged without a database.

``parents`` is unit → unit above it (None at the top). Every walk ends even if the tree were
damaged: no unit is visited twice.
"""

from collections.abc import Iterable, Mapping, Sequence

from sekisho.identity.model import Unit
from sekisho.kernel.errors import ConflictError, InvalidInputError, NotFoundError
from sekisho.kernel.i18n import msg

DEEPEST = 20
Parents = Mapping[str, str | None]


def below(parents: Parents, roots: Iterable[str]) -> frozenset[str]:
    """Return ``roots`` that exist, with every unit below them."""
    children: dict[str, list[str]] = {}
    for unit, parent in parents.items():
        children.setdefault(parent or "", []).append(unit)
    found: set[str] = set()
    waiting = [unit for unit in roots if unit in parents]
    while waiting:
        unit = waiting.pop()
        if unit not in found:
            found.add(unit)
            waiting += children.get(unit, ())
    return frozenset(found)


def above(parents: Parents, unit: str | None) -> list[str]:
    """Return ``unit`` and what is above it, nearest first."""
    found: list[str] = []
    while unit is not None and unit in parents and unit not in found:
        found.append(unit)
        unit = parents[unit]
    return found


def check_place(parents: Parents, unit: str, parent: str | None) -> None:
    """Return if ``unit`` may stand under ``parent``.

    Raises NotFoundError for an unknown parent, ConflictError for a ring, InvalidInputError for a
    tree deeper than DEEPEST.
    """
    if parent is None:
        return
    if parent not in parents:
        raise NotFoundError(msg("There is no unit with this id (%(id)s).", id=parent))
    moved = below(parents, [unit])
    if parent == unit or parent in moved:
        raise ConflictError(
            msg("A unit cannot stand under itself or under a unit below it."),
            hint=msg("Choose a unit elsewhere in the tree."),
        )
    height = max((len(above(parents, u)) for u in moved), default=0) - len(above(parents, unit))
    if len(above(parents, parent)) + 1 + height > DEEPEST:
        raise InvalidInputError(
            msg("Units can be at most %(n)s levels deep.", n=DEEPEST),
            hint=msg("Choose a unit nearer to the top."),
        )


def in_order(units: Iterable[Unit]) -> list[tuple[Unit, int]]:
    """Return units with their depth, each after the one above it, siblings by name.

    A unit whose parent is not among ``units`` stands at the top.
    """
    given = list(units)
    known = {unit.id for unit in given}
    children: dict[str, list[Unit]] = {}
    for unit in sorted(given, key=lambda unit: (unit.name.casefold(), unit.id), reverse=True):
        parent = unit.parent_id if unit.parent_id in known else None
        children.setdefault(parent or "", []).append(unit)
    waiting = [(unit, 0) for unit in children.get("", ())]
    found: list[tuple[Unit, int]] = []
    while waiting:
        unit, depth = waiting.pop()
        found.append((unit, depth))
        waiting += [(child, depth + 1) for child in children.pop(unit.id, ())]
    return found


def say_path(units: Mapping[str, Unit], unit: str | None, between: str = " / ") -> str:
    """Return the names from the top down to ``unit``, "" for none."""
    parents = {key: value.parent_id for key, value in units.items()}
    return between.join(units[key].name for key in reversed(above(parents, unit)))


def inherit(chain: Sequence[Unit]) -> tuple[str, str, str]:
    """Return country, time zone and language of the first unit in ``chain`` that has each."""

    def first(values: Iterable[str]) -> str:
        return next((value for value in values if value), "")

    return (
        first(unit.country for unit in chain),
        first(unit.time_zone for unit in chain),
        first(unit.language for unit in chain),
    )

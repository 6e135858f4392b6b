"""Units of the organisation: made, changed, moved and merged, the tree always whole.

To move a unit takes identity.write over the unit, where it stands and where it will stand: a
role held in a unit never makes the unit, or its own reach, larger.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from zoneinfo import available_timezones

from sekisho.evidence import service as evidence
from sekisho.identity.engine import units as tree
from sekisho.identity.engine.fields import clean_language, clean_name
from sekisho.identity.model import Unit, UnitKind
from sekisho.identity.service.people import require_write
from sekisho.identity.service.sessions import sign_out_everywhere
from sekisho.identity.store import units
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import ConflictError, InvalidInputError, NotFoundError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import UnitID, new_id

_COUNTRY_LETTERS = 2


@dataclass(frozen=True, slots=True)
class UnitEntry:
    """A unit in the tree: how deep it stands, and how many people it has without and with below."""

    unit: Unit
    depth: int
    people: int
    people_below: int


@dataclass(frozen=True, slots=True)
class UnitDraft:
    """What somebody wrote about a unit; "" leaves country, time zone and language to above."""

    name: str
    kind: str = UnitKind.DEPARTMENT.value
    country: str = ""
    time_zone: str = ""
    language: str = ""


def list_units(tx: Transaction) -> Sequence[UnitEntry]:
    """List the units that identity.read reaches, each after the one above it."""
    shown = list_tree(tx)
    here = units.count_people(tx)
    sums = _count_below(units.read_parents(tx), here)
    return [
        UnitEntry(unit, depth, here.get(unit.id, 0), sums.get(unit.id, 0)) for unit, depth in shown
    ]


def list_tree(tx: Transaction) -> Sequence[tuple[Unit, int]]:
    """List the units that identity.read reaches with their depth, each after the one above it."""
    reach = tx.principal.require_reach("identity.read")
    known = units.list_units(tx)
    return tree.in_order([unit for unit in known if reach is None or unit.id in reach])


def name_units(tx: Transaction, ids: Iterable[str | None]) -> Mapping[str, str]:
    """Return the names of those of these units that identity.read reaches; none without it."""
    if not tx.principal.holds("identity.read"):
        return {}
    reach = tx.principal.reach("identity.read")
    wanted = {unit for unit in ids if unit and (reach is None or unit in reach)}
    return units.name_units(tx, sorted(wanted))


def _count_below(parents: tree.Parents, here: Mapping[str, int]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for unit, count in here.items():
        for upper in tree.above(parents, unit):
            sums[upper] = sums.get(upper, 0) + count
    return sums


def get_unit(tx: Transaction, unit_id: str) -> Unit:
    """Return a unit; raise NotFoundError if there is none. For services: asks for no right."""
    found = units.find_unit(tx, unit_id)
    if found is None:
        raise NotFoundError(
            msg("There is no unit with this id (%(id)s).", id=unit_id),
            hint=msg("Units are listed on the page “Units”."),
        )
    return found


def create_unit(
    tx: Transaction, draft: UnitDraft, parent_id: str | None = None, external_id: str = ""
) -> Unit:
    """Make a unit under another or at the top (identity.write there).

    Raises InvalidInputError for a bad field, ConflictError for a name its neighbours have.
    """
    require_write(tx, parent_id)
    units.lock_units(tx)
    parents, unit_id = units.read_parents(tx), UnitID(new_id("uni"))
    tree.check_place({**parents, unit_id: None}, unit_id, parent_id)
    unit = _drafted(
        Unit(unit_id, "", parent_id=UnitID(parent_id) if parent_id else None,
             external_id=external_id), draft
    )  # fmt: skip
    _refuse_same_name(tx, unit)
    units.insert_unit(tx, unit)
    _record(tx, unit.id, "identity.unit_created", _said(unit) | {"parent": parent_id})
    return unit


def _drafted(unit: Unit, draft: UnitDraft) -> Unit:
    """Return the unit as the draft has it; raise InvalidInputError for a field that cannot be."""
    try:
        kind = UnitKind(draft.kind)
    except ValueError:
        raise InvalidInputError(
            msg("“%(got)s” is no kind of unit; subsidiary or department is expected.",
                got=draft.kind[:40])
        ) from None  # fmt: skip
    return replace(
        unit,
        name=clean_name(draft.name),
        kind=kind,
        country=_clean_country(draft.country),
        time_zone=_clean_zone(draft.time_zone),
        language=clean_language(draft.language) if draft.language else "",
    )


def _clean_country(country: str) -> str:
    plain = country.strip().upper()
    if plain and not (len(plain) == _COUNTRY_LETTERS and plain.isascii() and plain.isalpha()):
        raise InvalidInputError(
            msg("“%(got)s” is not a country code.", got=country[:40]),
            hint=msg("Two letters of ISO 3166 are expected, such as JP, or nothing."),
        )
    return plain


def _clean_zone(name: str) -> str:
    plain = name.strip()
    if plain and plain not in available_timezones():
        raise InvalidInputError(
            msg("“%(got)s” is not a time zone.", got=name[:64]),
            hint=msg("A name such as Asia/Tokyo is expected, or nothing."),
        )
    return plain


def _refuse_same_name(tx: Transaction, unit: Unit) -> None:
    wanted = (unit.parent_id, unit.name.casefold())
    for known in units.list_units(tx):
        if known.id != unit.id and (known.parent_id, known.name.casefold()) == wanted:
            raise ConflictError(
                msg("There is a unit “%(name)s” here already.", name=unit.name),
                hint=msg("Use another name, or that unit."),
            )


def update_unit(tx: Transaction, unit_id: str, version: int, draft: UnitDraft) -> Unit:
    """Change what a unit is called and is (identity.write there).

    Raises ConflictError if it was changed since ``version`` or its neighbours have the name.
    """
    require_write(tx, unit_id)
    units.lock_units(tx)
    before = get_unit(tx, unit_id)
    after = _drafted(before, draft)
    if after != before:
        _refuse_same_name(tx, after)
        _save(tx, before, version, **_said(after))
        _record(tx, unit_id, "identity.unit_changed", {
            "before": _said(before), "after": _said(after),
        })  # fmt: skip
    return get_unit(tx, unit_id)


def move_unit(tx: Transaction, unit_id: str, parent_id: str | None, version: int) -> Unit:
    """Put a unit with all below it under another, or at the top (identity.write at all three).

    Raises ConflictError for a ring, for a change since ``version``, and for a name taken there.
    """
    before = get_unit(tx, unit_id)
    for place in (unit_id, before.parent_id, parent_id):
        require_write(tx, place)
    units.lock_units(tx)
    tree.check_place(units.read_parents(tx), unit_id, parent_id)
    if parent_id != before.parent_id:
        _refuse_same_name(tx, replace(before, parent_id=UnitID(parent_id) if parent_id else None))
        _save(tx, before, version, parent_id=parent_id)
        _record(tx, unit_id, "identity.unit_moved", {
            "name": before.name, "before": before.parent_id, "after": parent_id,
        })  # fmt: skip
    return get_unit(tx, unit_id)


def merge_unit(tx: Transaction, unit_id: str, into_id: str, version: int) -> Unit:
    """Put the people and units of one unit into another and delete it (identity.write at both).

    Roles held in the unit end, they do not grow to the other; who had one is signed out. Raises
    ConflictError for a unit that cannot take it in, or a change since ``version``.
    """
    source = get_unit(tx, unit_id)
    for place in (unit_id, source.parent_id, into_id):
        require_write(tx, place)
    units.lock_units(tx)
    tree.check_place(units.read_parents(tx), unit_id, into_id)
    get_unit(tx, into_id)
    _refuse_clash(tx, unit_id, into_id)
    _save(tx, source, version)
    moved = units.move_people(tx, unit_id, into_id)
    units.move_children(tx, unit_id, into_id)
    ended = _end_roles(tx, unit_id)
    units.delete_unit(tx, unit_id)
    _record(tx, unit_id, "identity.unit_merged", {
        "name": source.name, "into": into_id, "people": moved, "roles_ended": ended,
    })  # fmt: skip
    return get_unit(tx, into_id)


def _refuse_clash(tx: Transaction, unit_id: str, into_id: str) -> None:
    """Refuse two units of one name side by side, which a merge would make."""
    known = units.list_units(tx)
    there = {u.name.casefold() for u in known if u.parent_id == into_id and u.id != unit_id}
    clash = [u.name for u in known if u.parent_id == unit_id and u.name.casefold() in there]
    if clash:
        raise ConflictError(
            msg("Both units have a unit “%(name)s” below them.", name=clash[0]),
            hint=msg("Merge or rename these first."),
        )


def _end_roles(tx: Transaction, unit_id: str) -> list[str]:
    holders = units.list_holders(tx, [unit_id])
    units.delete_holders(tx, unit_id)
    for person_id in sorted({person_id for person_id, _, _ in holders}):
        sign_out_everywhere(tx, person_id, "roles changed")
    return [f"{person_id}:{role}" for person_id, role, _ in holders]


def delete_unit(tx: Transaction, unit_id: str, version: int) -> None:
    """Delete a unit that nobody and no unit belongs to; roles held in it end (identity.write)."""
    unit = get_unit(tx, unit_id)
    for place in (unit_id, unit.parent_id):
        require_write(tx, place)
    units.lock_units(tx)
    if units.has_people(tx, unit_id) or unit_id in units.read_parents(tx).values():
        raise ConflictError(
            msg("“%(name)s” still has people or units.", name=unit.name),
            hint=msg("Merge it into another unit instead."),
        )
    _save(tx, unit, version)
    ended = _end_roles(tx, unit_id)
    units.delete_unit(tx, unit_id)
    _record(tx, unit_id, "identity.unit_deleted", {"name": unit.name, "roles_ended": ended})


def _save(tx: Transaction, unit: Unit, version: int, **values: str | None) -> None:
    if not units.update_unit(tx, unit.id, version, **values):
        raise ConflictError(
            msg("%(name)s was changed by somebody else meanwhile.", name=unit.name),
            hint=msg("Look at what it says now, then repeat your change if it is still right."),
        )


def _said(unit: Unit) -> dict[str, str]:
    return {
        "name": unit.name,
        "kind": unit.kind.value,
        "country": unit.country,
        "time_zone": unit.time_zone,
        "language": unit.language,
    }


def _record(tx: Transaction, unit_id: str, kind: str, detail: Mapping[str, object]) -> None:
    evidence.record(tx, kind=kind, subject=f"unit:{unit_id}", detail=detail)

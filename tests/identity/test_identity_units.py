"""Units, and rights that reach as far as a unit: never further, whoever moves what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.identity import service
from sekisho.identity.engine import units as tree
from sekisho.identity.engine.rights import missing_for, narrow_scoped, scoped_rights_of
from sekisho.identity.model import Assignment, Role, Unit
from sekisho.identity.service import PeopleFilter, UnitDraft
from sekisho.identity.service.standing import admission_of
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    NotPermittedError,
)
from sekisho.kernel.ids import UnitID
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind
from support.identity_town import Town

_NAMES = st.sampled_from("abcdefgh")
_PARENTS = st.dictionaries(_NAMES, st.none() | _NAMES, max_size=8)


@given(_PARENTS, st.lists(_NAMES))
def test_what_is_below_is_what_has_it_above(
    parents: dict[str, str | None], roots: list[str]
) -> None:
    found = tree.below(parents, roots)

    assert found == {u for u in parents if set(tree.above(parents, u)) & set(roots)}


@given(_PARENTS, _NAMES, st.none() | _NAMES)
def test_no_move_makes_a_ring(
    parents: dict[str, str | None], unit: str, parent: str | None
) -> None:
    whole: dict[str, str | None] = {}
    for key, value in parents.items():  # a forest, grown move by move
        try:
            tree.check_place({**whole, key: whole.get(key)}, key, value)
        except (ConflictError, NotFoundError):
            whole.setdefault(key, None)
        else:
            whole[key] = value
    try:
        tree.check_place({**whole, unit: whole.get(unit)}, unit, parent)
    except (ConflictError, NotFoundError):
        return
    whole[unit] = parent
    assert all(whole[tree.above(whole, u)[-1]] is None for u in whole)


def test_a_tree_has_a_bottom() -> None:
    chain: dict[str, str | None] = {str(n): str(n - 1) if n else None for n in range(20)}
    with pytest.raises(InvalidInputError, match="20 levels"):
        tree.check_place({**chain, "x": None}, "x", "19")
    with pytest.raises(InvalidInputError):
        tree.check_place({**chain, "x": None, "y": "x"}, "x", "18")
    tree.check_place({**chain, "x": None}, "x", "18")


def test_units_are_listed_below_what_they_belong_to() -> None:
    units = [
        Unit(UnitID(key), name, parent_id=UnitID(parent) if parent else None)
        for key, name, parent in [
            ("3", "経理", "1"), ("1", "本社", ""), ("2", "開発", "1"), ("9", "失", "gone"),
        ]
    ]  # fmt: skip
    order = [(unit.name, depth) for unit, depth in tree.in_order(units)]

    assert order == [("失", 0), ("本社", 0), ("経理", 1), ("開発", 1)]
    assert tree.say_path({unit.id: unit for unit in units}, "3") == "本社 / 経理"


def test_a_role_in_a_unit_gives_its_rights_there() -> None:
    below = {"a": frozenset({"a", "b"})}
    held = [Assignment(Role.AUDITOR, UnitID("a")), Assignment(Role.ADMIN, UnitID("gone"))]
    scoped = scoped_rights_of(held, below)

    assert scoped["devices.read"] == {"a", "b"}
    assert "*" not in scoped
    assert narrow_scoped(["devices.read", "devices.write"], scoped) == {
        "devices.read": frozenset({"a", "b"})
    }
    assert narrow_scoped(["training.results"], {"*": frozenset({"a"})}) == {}
    assert missing_for(held[:1], [], scoped) == frozenset()
    assert "devices.read" in missing_for([Assignment(Role.AUDITOR)], [], scoped)
    assert missing_for([Assignment(Role.TELEWORKER)], [], {}) == frozenset()
    assert missing_for([Assignment(Role.TRAINER)], ["*"], {}) == frozenset()


def _east_and_west(town: Town) -> tuple[str, str, str]:
    east = town.unit("東日本")
    return east, town.unit("札幌", east), town.unit("西日本")


def test_an_admin_of_a_unit_is_one_there_only(town: Town) -> None:
    east, sapporo, west = _east_and_west(town)
    mori = town.add("mori@example.jp", unit=sapporo)
    nishi = town.add("nishi@example.jp", unit=west)
    free = town.add("free@example.jp")
    clerk = town.give(town.add("clerk@example.jp", unit=east), Role.ADMIN, east)

    with town.database.read(clerk) as tx:
        assert {p.email for p in service.list_people(tx)} == {"mori@example.jp", "clerk@example.jp"}
        assert service.count_people(tx) == 2
        assert [entry.unit.name for entry in service.list_units(tx)] == ["東日本", "札幌"]
        assert service.read_person(tx, mori.id) == mori
        for stranger in (nishi, free):
            with pytest.raises(NotFoundError):
                service.read_person(tx, stranger.id)
        assert service.count_people(tx, narrow=PeopleFilter(units=frozenset({west}))) == 0
    with town.database.write(clerk) as tx:
        service.change_roles(tx, mori.id, ["teleworker"])
        service.set_roles(tx, mori.id, [Assignment(Role.MANAGER, UnitID(sapporo))])
    for person, wanted in (
        (mori, [Assignment(Role.MANAGER)]),
        (mori, [Assignment(Role.MANAGER, UnitID(west))]),
        (nishi, [Assignment(Role.TELEWORKER)]),
        (free, [Assignment(Role.TELEWORKER)]),
    ):
        with pytest.raises(NotPermittedError), town.database.write(clerk) as tx:
            service.set_roles(tx, person.id, wanted)
    for target in (west, None):
        with pytest.raises(NotPermittedError), town.database.write(clerk) as tx:
            service.place_person(tx, mori.id, target)
    with town.database.write(clerk) as tx:
        assert service.place_person(tx, mori.id, east).unit_id == east


def test_nobody_gets_at_somebody_stronger(town: Town) -> None:
    east, sapporo, _ = _east_and_west(town)
    chief = town.add("chief@example.jp", Role.SECURITY, unit=sapporo)
    clerk = town.give(town.add("clerk@example.jp", unit=east), Role.ADMIN, east)

    for act in (
        lambda tx: service.disable_person(tx, chief.id),
        lambda tx: service.change_roles(tx, chief.id, ["teleworker"]),
        lambda tx: service.place_person(tx, chief.id, east),
        lambda tx: service.change_profile(
            tx, chief.id, version=1, name="x", email="x@example.jp", language="ja", manager_id=None
        ),
    ):
        with (
            pytest.raises(NotPermittedError, match="rights you do not"),
            town.database.write(clerk) as tx,
        ):
            act(tx)


def test_the_front_door_knows_how_far_a_right_reaches(town: Town) -> None:
    east, sapporo, west = _east_and_west(town)
    person = town.add("aya@example.jp", unit=sapporo)
    town.give(person, Role.MANAGER, east)
    with town.database.read(SYSTEM) as tx:
        admission = admission_of(tx, service.get_person(tx, person.id))
    assert admission.scoped["devices.read"] == {east, sapporo}
    assert "devices.read" not in admission.rights

    moved = town.database
    with moved.write(SYSTEM) as tx:
        service.move_unit(tx, sapporo, west, version=1)
    with moved.read(SYSTEM) as tx:
        admission = admission_of(tx, service.get_person(tx, person.id))
        assert service.unit_of(tx, person.id) == sapporo
        assert service.units_below(tx, [west]) == {west, sapporo}
        assert service.people_in(tx, west) == [person.id]
        assert service.people_in(tx, west, below=False) == []
    assert admission.scoped["devices.read"] == {east}


def test_units_are_moved_safely(town: Town) -> None:
    east, sapporo, west = _east_and_west(town)
    person = town.add("clerk@example.jp")
    clerk = town.give(person, Role.ADMIN, east)

    with pytest.raises(ConflictError, match="under itself"), town.database.write(SYSTEM) as tx:
        service.move_unit(tx, east, sapporo, version=1)
    with pytest.raises(ConflictError, match="changed by"), town.database.write(SYSTEM) as tx:
        service.move_unit(tx, sapporo, west, version=7)
    with pytest.raises(NotFoundError), town.database.write(SYSTEM) as tx:
        service.move_unit(tx, sapporo, "uni_gone", version=1)
    for unit, parent in ((sapporo, west), (sapporo, None), (west, east), (east, sapporo)):
        with pytest.raises(NotPermittedError), town.database.write(clerk) as tx:
            service.move_unit(tx, unit, parent, version=1)
    with town.database.write(clerk) as tx:
        hakodate = service.create_unit(tx, UnitDraft("函館"), sapporo)
    with town.database.write(town.principal(person)) as tx:
        assert service.move_unit(tx, hakodate.id, east, hakodate.version).parent_id == east
    with pytest.raises(NotPermittedError), town.database.write(clerk) as tx:
        service.create_unit(tx, UnitDraft("本社"))
    assert "identity.unit_moved" in town.kinds()


def test_a_merge_takes_people_and_units_along_but_no_roles(town: Town) -> None:
    east, sapporo, west = _east_and_west(town)
    person = town.add("aya@example.jp", unit=east)
    leader = town.add("leader@example.jp")
    town.give(leader, Role.MANAGER, east)
    with town.database.write(SYSTEM) as tx:
        service.merge_unit(tx, east, west, version=1)
        assert service.unit_of(tx, person.id) == west
        assert service.get_unit(tx, sapporo).parent_id == west
        assert service.get_person(tx, leader.id).unit_roles == frozenset()
        with pytest.raises(NotFoundError):
            service.get_unit(tx, east)
        with pytest.raises(ConflictError, match="people or units"):
            service.delete_unit(tx, west, version=1)
        with pytest.raises(ConflictError):
            service.merge_unit(tx, west, sapporo, version=1)
        service.delete_unit(tx, sapporo, version=2)


def test_bad_units_are_named(town: Town) -> None:
    east, *_ = _east_and_west(town)
    town_id = town.add("aya@example.jp").id
    for draft in (
        UnitDraft(""),
        UnitDraft("x", kind="planet"),
        UnitDraft("x", country="Japan"),
        UnitDraft("x", country="日本"),
        UnitDraft("x", time_zone="../etc/passwd"),
        UnitDraft("x", language="fr"),
    ):
        with pytest.raises(InvalidInputError), town.database.write(SYSTEM) as tx:
            service.create_unit(tx, draft)
    with pytest.raises(ConflictError, match="already"), town.database.write(SYSTEM) as tx:
        service.create_unit(tx, UnitDraft("札幌"), east)
    with town.database.write(SYSTEM) as tx:
        unit = service.update_unit(
            tx, east, 1, UnitDraft("東", "subsidiary", "jp", "Asia/Tokyo", "ja")
        )
        person = service.place_person(tx, town_id, unit.id).id
        assert service.place_of(tx, person) == service.Place("JP", "Asia/Tokyo", "ja")
    with pytest.raises(ConflictError, match="changed by"), town.database.write(SYSTEM) as tx:
        service.update_unit(tx, east, 1, UnitDraft("東日本"))


def test_groups_are_kept(town: Town) -> None:
    aya, ken = town.add("aya@example.jp"), town.add("ken@example.jp")
    with town.database.write(SYSTEM) as tx:
        group = service.create_group(tx, "在宅の人", "週に三日以上")
        service.change_members(tx, group.id, add=[aya.id, ken.id])
        assert service.change_members(tx, group.id, remove=[ken.id]).size == 1
        assert service.groups_of(tx, aya.id) == {group.id}
        assert service.members_of(tx, group.id) == [aya.id]
        assert [p.id for p in service.list_members(tx, group.id)] == [aya.id]
        with pytest.raises(NotFoundError):
            service.change_members(tx, group.id, add=["per_gone"])
        with pytest.raises(ConflictError, match="already"):
            service.create_group(tx, "在宅の人")
        with pytest.raises(ConflictError, match="changed by"):
            service.update_group(tx, group.id, 1, "x", "")
        service.update_group(tx, group.id, 3, "在宅", "")
        assert service.find_group(tx, "在宅") is not None
        service.delete_group(tx, group.id, 4)
        assert list(service.list_groups(tx)) == []
    clerk = Principal(PrincipalKind.PERSON, "per_x", "x", scoped={"*": frozenset({"uni_1"})})
    with pytest.raises(NotPermittedError), town.database.write(clerk) as tx:
        service.create_group(tx, "x")

"""A role held in a unit opens the devices of this unit and of those below it, no others."""

import pytest

from pages.conftest import Town
from sekisho.devices.model import DeviceState
from sekisho.devices.service import carves, certificates, inventory, lifecycle
from sekisho.identity import service as identity
from sekisho.identity.model import Assignment, Role
from sekisho.kernel.errors import NotFoundError, NotPermittedError
from sekisho.kernel.ids import PersonID, UnitID
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind


def _unit(town: Town, name: str, parent: str | None = None) -> str:
    with town.house.database.write(SYSTEM) as tx:
        return identity.create_unit(tx, identity.UnitDraft(name), parent).id


def _place(town: Town, person: PersonID, unit: str) -> PersonID:
    with town.house.database.write(SYSTEM) as tx:
        identity.place_person(tx, person, unit)
    return person


def _give(town: Town, person: PersonID, role: Role, unit: str) -> PersonID:
    with town.house.database.write(SYSTEM) as tx:
        identity.set_roles(tx, person, [Assignment(role, UnitID(unit))])
    return person


def test_a_manager_sees_the_devices_of_their_unit(town: Town) -> None:
    east = _unit(town, "東日本")
    sapporo, west = _unit(town, "札幌", east), _unit(town, "西日本")
    near = town.enrol("near", owner=_place(town, town.add_person("森下 彩"), sapporo))
    far = town.enrol("far", owner=_place(town, town.add_person("大西 健太"), west))
    town.enrol("nobodys")
    town.answer(near, failing=1)
    town.answer(far, failing=2)
    manager = town.sign_in(_give(town, town.add_person("東 部長さん"), Role.MANAGER, east))
    browser = town.client()

    listed = browser.get("/devices", headers=manager)
    assert listed.status_code == 200
    assert "near" in listed.text
    assert far.id not in listed.text
    assert "nobodys" not in listed.text
    assert browser.get("/devices?verdict=fail", headers=manager).text.count("/devices/dev_") == (
        listed.text.count("/devices/dev_")
    )
    exported = browser.get("/devices.csv", headers=manager).text
    assert "near" in exported
    assert "far" not in exported
    assert browser.get(f"/devices/{near.id}", headers=manager).status_code == 200
    assert browser.get(f"/devices/{far.id}", headers=manager).status_code == 404
    for act in ("check", "remove"):
        refused = browser.post(f"/devices/{near.id}/{act}", headers=manager)
        assert refused.status_code == 403
        assert browser.post(f"/devices/{far.id}/{act}", headers=manager).status_code == 403
    assert 'href="/devices"' in listed.text
    assert 'href="/evidence"' not in listed.text


def test_an_office_in_a_unit_is_none_over_ones_own_device_elsewhere(town: Town) -> None:
    east, west = _unit(town, "東日本"), _unit(town, "西日本")
    guard = _place(town, _give(town, town.add_person("佐伯 航"), Role.SECURITY, east), west)
    own = town.enrol("own", owner=guard)
    here = town.enrol("here", owner=_place(town, town.add_person("森下 彩"), east))
    nobodys = town.enrol("nobodys")
    every = frozenset({east})
    principal = Principal(
        PrincipalKind.PERSON, guard, "佐伯 航", frozenset({"self.read", "self.write"}),
        scoped={"devices.*": every},
    )  # fmt: skip
    for act in (
        lambda tx: lifecycle.approve_device(tx, own.id),
        lambda tx: lifecycle.rename_device(tx, own.id, "x", None),
        lambda tx: certificates.revoke_certificates(tx, own.id, "x"),
        lambda tx: carves.request_carve(tx, own.id, "/etc/hosts", "x"),
    ):
        with pytest.raises(NotPermittedError), town.house.database.write(principal) as tx:
            act(tx)
    with town.house.database.write(principal) as tx:
        assert lifecycle.rename_device(tx, here.id, "机の上", here.owner_id).label == "机の上"
        counts = inventory.count_devices(tx)
        assert counts.total == sum(counts.by_state.values()) == 1
        assert set(counts.by_state) <= {state.value for state in DeviceState}
        with pytest.raises(NotFoundError):
            lifecycle.rename_device(tx, nobodys.id, "x", None)

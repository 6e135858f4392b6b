"""When somebody leaves, everything of theirs ends at once, on every way in, with one record."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from pages.conftest import Town
from sekisho.devices.model import DeviceState
from sekisho.devices.service import inventory
from sekisho.evidence import service as evidence
from sekisho.identity import service as identity
from sekisho.identity.model import Assignment, PersonState, Role
from sekisho.kernel.errors import ConflictError, NotPermittedError, UnauthenticatedError
from sekisho.kernel.ids import UnitID
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind
from sekisho.server.leaving import end_person
from sekisho.worklists.model import Listing
from sekisho.worklists.service import views
from sekisho.worklists.store import views as stored_views


def _principal(town: Town, person_id: str, *rights: str) -> Principal:
    return Principal(
        PrincipalKind.PERSON, person_id, person_id, frozenset(rights), "ses_x", town.clock.now()
    )


@dataclass(frozen=True)
class Leaver:
    """Somebody with one of everything, and how they come in."""

    id: str
    email: str
    led: str
    group: str
    unit: str
    company: str
    private: str
    cookie: dict[str, str]
    token: str


def _settle(town: Town) -> Leaver:
    town.add_person("佐伯 航", Role.ADMIN)
    aya = town.add_person("森下 彩", Role.SECURITY)
    led = town.add_person("大西 健", Role.TELEWORKER)
    company = town.enrol("kaisha", owner=aya)
    private = town.enrol("jitaku", owner=aya, ownership="private")
    with town.house.database.write(_principal(town, aya, "*")) as tx:
        unit = identity.create_unit(tx, identity.UnitDraft("東日本"))
        group = identity.create_group(tx, "在宅")
        identity.change_members(tx, group.id, add=[aya, led])
        _, secret = identity.make_token(
            tx, label="ci", scopes=["devices.read"], ends_at=tx.now + timedelta(days=9)
        )
    with town.house.database.write(SYSTEM) as tx:
        held = identity.get_person(tx, aya).assignments
        identity.set_roles(tx, aya, held | {Assignment(Role.MANAGER, UnitID(unit.id))})
        person = identity.get_person(tx, led)
        identity.change_profile(
            tx, led, version=person.version, name=person.name, email=person.email,
            language="ja", manager_id=aya,
        )  # fmt: skip
        email = identity.get_person(tx, aya).email
    with town.house.database.write(_principal(town, aya, "*")) as tx:
        for name, unit_id in (("private", ""), ("shared", unit.id)):
            draft = views.ViewDraft(name, "verdict=fail", unit_id=unit_id)
            views.set_default(tx, Listing.DEVICES, views.save_view(tx, Listing.DEVICES, draft).id)
    return Leaver(
        aya, email, led, group.id, unit.id, company.id, private.id, town.sign_in(aya), secret
    )


def test_everything_of_a_person_ends_at_once(town: Town) -> None:
    leaver = _settle(town)
    assert town.client().get("/devices", headers=leaver.cookie).status_code == 200

    with town.house.database.write(SYSTEM) as tx:
        ended = end_person(tx, leaver.id, "退職")

    assert (
        town.client().get("/devices", headers=leaver.cookie, follow_redirects=False).status_code
        != 200
    )
    bearer = {"Authorization": f"Bearer {leaver.token}"}
    assert town.client().get("/api/devices", headers=bearer).status_code == 401
    with town.house.database.write(SYSTEM) as tx:
        gone = identity.get_person(tx, leaver.id)
        assert (gone.state, gone.assignments) == (PersonState.LEFT, frozenset())
        assert identity.find_person_by_email(tx, leaver.email) is None
        assert identity.get_person(tx, leaver.led).manager_id is None
        assert identity.members_of(tx, leaver.group) == [leaver.led]
        back = inventory.get_device(tx, leaver.company)
        assert (back.owner_id, back.state) == (None, DeviceState.PENDING)
        assert inventory.get_device(tx, leaver.private).state is DeviceState.WITHDRAWN
        assert [view.name for view in stored_views.list_views(tx, None, leaver.id, None, ())] == [
            "shared"
        ]
        assert stored_views.list_defaults(tx, leaver.id) == {}
        with pytest.raises(UnauthenticatedError):
            identity.admit_token(tx, leaver.token)
        with pytest.raises(ConflictError, match="has left"):
            end_person(tx, leaver.id, "again")
    _check_record(town, leaver, dict(ended))


def _check_record(town: Town, leaver: Leaver, ended: dict[str, object]) -> None:
    with town.house.database.write(SYSTEM) as tx:
        evidence.seal_records(tx)
        records = evidence.list_records(tx, kind="identity.person_left", limit=9)
    assert [record.detail for record in records] == [{"reason": "退職", "ended": ended}]
    assert ended["devices_handed_back"] == [leaver.company]
    assert ended["devices_withdrawn"] == [leaver.private]
    assert ended["roles"] == [f"manager@{leaver.unit}", "security"]
    assert ended["led"] == [leaver.led]


def test_a_new_person_with_the_address_is_somebody_else(town: Town) -> None:
    town.add_person("佐伯 航", Role.ADMIN)
    former = town.add_person("森下 彩", Role.SECURITY)
    with town.house.database.write(SYSTEM) as tx:
        email = identity.get_person(tx, former).email
        end_person(tx, former, "")
        newcomer = identity.invite_person(
            tx, name="森下 あや", email=email, language="ja", roles=["teleworker"]
        )
        assert newcomer.id != former
        assert newcomer.roles == {Role.TELEWORKER}
        assert identity.read_dossier(tx, newcomer.id).tokens == []
        with pytest.raises(ConflictError, match="already"):
            identity.readmit_person(tx, former)
        end_person(tx, newcomer.id, "")
        back = identity.readmit_person(tx, former)
        assert (back.state, back.roles, back.email) == (PersonState.INVITED, frozenset(), email)


def test_nobody_ends_the_last_admin_or_themselves(town: Town) -> None:
    boss = town.add_person("佐伯 航", Role.ADMIN)
    other = town.add_person("森下 彩", Role.ADMIN)
    with (
        pytest.raises(NotPermittedError, match="own time"),
        town.house.database.write(_principal(town, boss, "*")) as tx,
    ):
        end_person(tx, boss, "")
    with (
        pytest.raises(ConflictError, match="last administrator"),
        town.house.database.write(_principal(town, other, "*")) as tx,
    ):
        end_person(tx, boss, "")
    for rights in (frozenset({"identity.read"}), frozenset({"identity.write"})):
        with (
            pytest.raises(NotPermittedError),
            town.house.database.write(_principal(town, other, *rights)) as tx,
        ):
            end_person(tx, boss, "")

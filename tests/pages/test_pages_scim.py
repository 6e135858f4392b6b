"""A directory keeps people and groups by SCIM 2.0; it ends people, and gains nothing by it."""

from datetime import timedelta
from typing import Any

import pytest

from fakes.scim_client import ENTERPRISE, GROUP, USER, Directory
from pages.conftest import Town
from sekisho.devices.model import DeviceState
from sekisho.devices.service import inventory
from sekisho.identity import service as identity
from sekisho.identity.model import Assignment, PersonState, Role
from sekisho.identity.store import people
from sekisho.kernel.ids import PersonID
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind


def make_token(town: Town, owner: PersonID, *scopes: str) -> str:
    principal = Principal(
        PrincipalKind.PERSON, owner, "x", frozenset({"*"}), "ses_x", town.clock.now()
    )
    with town.house.database.write(principal) as tx:
        ends = tx.now + timedelta(days=30)
        return identity.make_token(tx, label="IdP", scopes=scopes, ends_at=ends)[1]


@pytest.fixture
def boss(town: Town) -> PersonID:
    town.add_person("予備 管理者さん", Role.ADMIN)
    return town.add_person("佐伯 航", Role.ADMIN)


@pytest.fixture
def directory(town: Town, boss: PersonID) -> Directory:
    return Directory(town.client(), make_token(town, boss, "identity.scim"))


def _state(town: Town, person_id: str) -> PersonState:
    with town.house.database.read(SYSTEM) as tx:
        return identity.get_person(tx, person_id).state


def test_the_service_says_what_it_can(directory: Directory) -> None:
    config = directory.ask("GET", "/ServiceProviderConfig")
    assert config["patch"]["supported"] is True
    assert config["bulk"]["supported"] is False
    assert config["authenticationSchemes"][0]["type"] == "oauthbearertoken"
    kinds = directory.ask("GET", "/ResourceTypes")["Resources"]
    assert {kind["endpoint"] for kind in kinds} == {"/Users", "/Groups"}
    assert {s["id"] for s in directory.ask("GET", "/Schemas")["Resources"]} == {
        USER, GROUP, ENTERPRISE,
    }  # fmt: skip


def test_a_person_is_made_read_changed_and_found(town: Town, directory: Directory) -> None:
    lead = directory.create("Ken@example.jp")
    made = directory.ask("POST", "/Users", {
        "schemas": [USER, ENTERPRISE], "userName": "aya@example.jp", "externalId": "ext-1",
        "name": {"familyName": "森下", "givenName": "彩"}, "preferredLanguage": "en-US",
        "emails": [{"value": "aya@example.jp", "primary": True}], "title": "設計",
        ENTERPRISE: {"department": "設計部", "manager": {"value": lead["id"]}},
    }, 201)  # fmt: skip
    path = f"/Users/{made['id']}"
    assert made["displayName"] == "森下 彩"
    assert made["preferredLanguage"] == "en"
    assert made[ENTERPRISE]["department"] == "設計部"
    assert made[ENTERPRISE]["manager"]["value"] == lead["id"]
    assert directory.ask("GET", path) == made
    for text in (
        'userName eq "AYA@example.jp"', 'externalId eq "ext-1"', f'id eq "{made["id"]}"',
        f'{USER}:userName EQ "aya@example.jp" and active eq true',
    ):  # fmt: skip
        assert [user["id"] for user in directory.find("Users", text)] == [made["id"]], text
    assert directory.find("Users", 'userName eq "nobody@example.jp"') == []
    changed = directory.change(
        path,
        {"op": "Replace", "path": "displayName", "value": "森下 あや"},
        {
            "op": "replace",
            "value": {"preferredLanguage": "ja", f"{ENTERPRISE}:department": "営業部"},
        },
        {"op": "remove", "path": f"{ENTERPRISE}:manager"},
    )
    assert (changed["displayName"], changed["preferredLanguage"]) == ("森下 あや", "ja")
    assert changed[ENTERPRISE] == {"department": "営業部"}
    replaced = directory.ask("PUT", path, {
        "userName": "aya@example.jp", "displayName": "森下", "externalId": "ext-1",
    })  # fmt: skip
    assert replaced["displayName"] == "森下"
    assert replaced[ENTERPRISE] == {}
    with town.house.database.read(SYSTEM) as tx:
        assert identity.get_person(tx, made["id"]).roles == {Role.TELEWORKER}


def test_pages_of_people_are_counted(directory: Directory) -> None:
    for n in range(5):
        directory.create(f"p{n}@example.jp")
    seen: list[str] = []
    for start in (1, 4, 7):
        page = directory.ask("GET", f"/Users?startIndex={start}&count=3")
        assert page["startIndex"] == start
        assert page["totalResults"] == 7
        seen += [user["id"] for user in page["Resources"]]
    assert len(set(seen)) == 7
    assert directory.ask("GET", "/Users?count=0")["Resources"] == []
    assert directory.ask("GET", "/Users?startIndex=-5&count=1")["startIndex"] == 1


@pytest.mark.parametrize("value", [False, "False"])
def test_who_becomes_inactive_has_left(town: Town, directory: Directory, value: object) -> None:
    made = directory.create("aya@example.jp", externalId="e1")
    device = town.enrol("kaisha", owner=PersonID(made["id"]))
    gone = directory.change(
        f"/Users/{made['id']}", {"op": "replace", "path": "active", "value": value}
    )
    assert gone["active"] is False
    assert _state(town, made["id"]) is PersonState.LEFT
    with town.house.database.read(SYSTEM) as tx:
        assert inventory.get_device(tx, device.id).state is DeviceState.PENDING
    assert directory.find("Users", 'userName eq "aya@example.jp"') == []
    assert [u["id"] for u in directory.find("Users", 'externalId eq "e1"')] == [made["id"]]
    other = directory.create("aya@example.jp", externalId="e2")
    assert other["id"] != made["id"]
    refused = directory.change(
        f"/Users/{made['id']}", {"op": "replace", "value": {"active": True}}, expect=409
    )
    assert "すでに別の人" in refused["detail"]  # in the language of the token's person


def test_who_comes_back_has_nothing_of_before(town: Town, directory: Directory) -> None:
    made = directory.create("aya@example.jp")
    with town.house.database.write(SYSTEM) as tx:
        identity.change_roles(tx, made["id"], ["security"])
    path = f"/Users/{made['id']}"
    directory.change(path, {"op": "replace", "value": {"active": False}})
    back = directory.change(path, {"op": "replace", "value": {"active": True}})
    assert back["active"] is True
    with town.house.database.read(SYSTEM) as tx:
        person = identity.get_person(tx, made["id"])
        assert person.state is PersonState.INVITED
        assert person.roles == frozenset()


def test_who_is_deleted_is_found_no_more(town: Town, directory: Directory) -> None:
    made = directory.create("aya@example.jp", externalId="e1")
    path = f"/Users/{made['id']}"
    directory.ask("DELETE", path, expect=204)
    for method, body in (("GET", None), ("DELETE", None), ("PUT", {"userName": "a@example.jp"})):
        directory.ask(method, path, body, 404)
    assert directory.find("Users", 'externalId eq "e1"') == []
    assert _state(town, made["id"]) is PersonState.LEFT


def test_two_changes_at_once_are_noticed(directory: Directory) -> None:
    made = directory.create("aya@example.jp")
    path, old = f"/Users/{made['id']}", made["meta"]["version"]
    body = {"schemas": [USER], "userName": "aya@example.jp", "displayName": "x"}
    assert directory.ask("PUT", path, body, If_Match=old)["meta"]["version"] != old
    directory.ask("PUT", path, {**body, "displayName": "y"}, 412, If_Match=old)
    directory.ask("PUT", path, {**body, "displayName": "y"}, If_Match="*")


def test_groups_are_kept(directory: Directory) -> None:
    aya, ken = (directory.create(f"{name}@example.jp")["id"] for name in ("aya", "ken"))
    made = directory.ask("POST", "/Groups", {
        "schemas": [GROUP], "displayName": "在宅", "externalId": "g1", "members": [{"value": aya}],
    }, 201)  # fmt: skip
    path = f"/Groups/{made['id']}"

    def members() -> set[str]:
        return {item["value"] for item in directory.ask("GET", path)["members"]}

    assert members() == {aya}
    assert [g["id"] for g in directory.find("Groups", 'displayName eq "在宅"')] == [made["id"]]
    directory.change(path, {"op": "Add", "path": "members", "value": [{"value": ken}]})
    assert members() == {aya, ken}
    directory.change(path, {"op": "remove", "path": f'members[value eq "{aya}"]'})
    assert members() == {ken}
    directory.change(path, {"op": "replace", "value": {"displayName": "自宅", "members": []}})
    assert members() == set()
    assert directory.ask("GET", f"/Users/{aya}")["groups"] == []
    directory.ask("POST", "/Groups", {"displayName": "自宅"}, 409)
    wrong = {"op": "add", "path": "members", "value": [{"value": "per_gone"}]}
    assert directory.change(path, wrong, expect=400)["scimType"] == "invalidValue"
    directory.ask("DELETE", path, expect=204)
    directory.ask("GET", path, expect=404)


@pytest.mark.parametrize(
    ("method", "path", "body", "scim_type"),
    [
        ("GET", '/Users?filter=userName sw "a"', None, "invalidFilter"),
        ("GET", '/Users?filter=userName eq "a" or id eq "b"', None, "invalidFilter"),
        ("GET", '/Users?filter=password eq "a"', None, "invalidFilter"),
        ("GET", '/Users?filter=userName eq "a" and', None, "invalidFilter"),
        ("POST", "/Users", {"displayName": "x"}, "invalidValue"),
        ("POST", "/Users", {"userName": 1}, "invalidValue"),
        ("POST", "/Users", {"userName": "a@example.jp", "active": "maybe"}, "invalidValue"),
        ("POST", "/Users", ["x"], "invalidSyntax"),
        ("POST", "/Groups", {}, "invalidValue"),
    ],
)
def test_what_is_not_understood_is_refused(
    directory: Directory, method: str, path: str, body: Any, scim_type: str
) -> None:
    assert directory.ask(method, path, body, 400)["scimType"] == scim_type


def test_a_directory_has_no_more_than_it_needs(town: Town, boss: PersonID) -> None:
    browser = town.client()
    directory = Directory(browser, make_token(town, boss, "identity.scim"))
    made = directory.create("aya@example.jp")
    bearer = {"Authorization": f"Bearer {directory.token}"}
    for path in ("/people", "/devices", "/evidence", "/settings"):
        assert browser.get(path, headers=bearer).status_code == 403
    assert directory.ask("POST", "/Users", {"userName": "aya@example.jp"}, 409)["scimType"] == (
        "uniqueness"
    )
    directory.ask("DELETE", f"/Users/{boss}", expect=403)
    for scopes in (["identity.read"], ["devices.read", "self.read"]):
        other = Directory(browser, make_token(town, boss, *scopes))
        other.ask("GET", "/Users", expect=403)
        other.ask("DELETE", f"/Users/{made['id']}", expect=403)
        other.ask("GET", "/Schemas", expect=403)
    person = town.sign_in(boss)
    assert browser.get("/scim/v2/Users", headers=person).status_code == 403
    assert browser.get("/scim/v2/Users").status_code == 401
    assert town.client("public").get("/scim/v2/Users", headers=bearer).status_code in {403, 404}
    with town.house.database.write(SYSTEM) as tx:
        people.replace_roles(tx, boss, [Assignment(Role.AUDITOR)])
    directory.ask("POST", "/Users", {"userName": "b@example.jp"}, 403)


def test_the_last_administrator_is_not_ended_by_a_directory(town: Town) -> None:
    boss = town.add_person("佐伯 航", Role.ADMIN)
    other = town.add_person("別の 管理者さん", Role.ADMIN)
    directory = Directory(town.client(), make_token(town, other, "identity.scim"))
    directory.ask("DELETE", f"/Users/{boss}", expect=409)
    assert _state(town, boss) is PersonState.ACTIVE


def test_whoever_says_no_language_gets_that_of_their_unit(town: Town, directory: Directory) -> None:
    with town.house.database.write(SYSTEM) as tx:
        identity.create_unit(tx, identity.UnitDraft("Overseas", language="en"))
    made = directory.ask("POST", "/Users", {
        "schemas": [USER, ENTERPRISE], "userName": "ann@example.jp",
        "name": {"familyName": "Lee", "givenName": "Ann"},
        ENTERPRISE: {"department": "Overseas"},
    }, 201)  # fmt: skip
    assert made["preferredLanguage"] == "en"

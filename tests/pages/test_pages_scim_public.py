"""SCIM on the public listener: off by default, for a directory's own token, nothing else."""

import pytest

from fakes.scim_client import USER, Directory
from pages.conftest import Town
from pages.test_pages_scim import make_token
from sekisho.evidence import service as evidence
from sekisho.identity.model import Role
from sekisho.identity.roles import SELF_RIGHTS, TOKEN_SCOPES
from sekisho.identity.store import people
from sekisho.kernel.ids import PersonID
from sekisho.kernel.principal import SYSTEM

NEWCOMER = {
    "schemas": [USER], "userName": "aya@example.jp", "displayName": "森下 彩", "active": True,
}  # fmt: skip


@pytest.fixture
def boss(town: Town) -> PersonID:
    return town.add_person("佐伯 航", Role.ADMIN)


@pytest.fixture
def cloud(town: Town, boss: PersonID) -> Directory:
    return Directory(town.client("public"), make_token(town, boss, "identity.scim"))


def _switch(town: Town, boss: PersonID, act: str) -> int:
    sent = town.client().post(
        "/people/sign-in/directory", data={"act": act}, headers=town.sign_in(boss),
        follow_redirects=False,
    )  # fmt: skip
    town.clock.advance(seconds=2)  # the door looks once a second
    return sent.status_code


def test_it_is_not_there_until_it_is_opened_and_not_after(
    town: Town, boss: PersonID, cloud: Directory
) -> None:
    cloud.ask("GET", "/Users", expect=404)
    assert _switch(town, boss, "on") == 303
    cloud.ask("POST", "/Users", NEWCOMER, expect=201)
    assert cloud.find("Users", 'userName eq "aya@example.jp"')
    assert _switch(town, boss, "off") == 303
    cloud.ask("GET", "/Users", expect=404)
    with town.house.database.read(SYSTEM) as tx:
        changes = evidence.list_records(tx, kind="settings.changed")
    assert len(changes) == 2


def test_only_whoever_may_change_settings_and_just_proved_it_opens_it(
    town: Town, boss: PersonID, cloud: Directory
) -> None:
    for role in (Role.SECURITY, Role.CSIRT, Role.AUDITOR, Role.MANAGER):
        assert _switch(town, town.add_person(f"{role} さん", role), "on") == 403
    late = town.sign_in(boss)
    town.clock.advance(minutes=16)
    sent = town.client().post(
        "/people/sign-in/directory", data={"act": "on"}, headers=late, follow_redirects=False
    )
    assert "/sign-in?again=1" in sent.headers["location"]
    town.clock.advance(seconds=2)
    cloud.ask("GET", "/Users", expect=404)


def test_a_token_that_may_more_or_other_things_is_refused(town: Town, boss: PersonID) -> None:
    _switch(town, boss, "on")
    for scope in TOKEN_SCOPES:
        several = {scope, "identity.scim"}
        for scopes in {(scope,), tuple(sorted(several))} - {("identity.scim",)}:
            directory = Directory(town.client("public"), make_token(town, boss, *scopes))
            directory.ask("GET", "/Users", expect=403)
            directory.ask("POST", "/Users", NEWCOMER, expect=403)


def test_a_browser_gets_nothing_there_and_a_directory_nothing_elsewhere(
    town: Town, boss: PersonID, cloud: Directory
) -> None:
    _switch(town, boss, "on")
    public = town.client("public")
    own = {**town.sign_in(boss), "Accept": "application/scim+json"}
    assert public.get("/scim/v2/Users", headers=own).status_code == 403
    assert public.get("/scim/v2/Users").status_code == 401
    bearer = {"Authorization": f"Bearer {cloud.token}"}
    assert public.get("/people", headers=bearer).status_code == 404
    assert public.get("/my", headers=bearer).status_code == 403
    assert "identity.scim" not in SELF_RIGHTS


def test_an_owner_who_loses_the_role_takes_the_directory_along(
    town: Town, boss: PersonID, cloud: Directory
) -> None:
    _switch(town, boss, "on")
    with town.house.database.write(SYSTEM) as tx:
        people.replace_roles(tx, boss, set())
    cloud.ask("GET", "/Users", expect=403)


def test_a_flood_is_asked_to_wait_and_a_wrong_token_counts(
    town: Town, boss: PersonID, cloud: Directory
) -> None:
    _switch(town, boss, "on")
    guesser = Directory(town.client("public"), "sks_wrong")
    statuses = {guesser.client.get("/scim/v2/Users", headers={
        "Authorization": f"Bearer sks_wrong{n}"}).status_code for n in range(120)}  # fmt: skip
    assert statuses == {401}
    town.clock.advance(seconds=2)  # the door looks at blocks once a second
    cloud.ask("GET", "/Users", expect=429)
    town.clock.advance(hours=2)
    cloud.ask("GET", "/Users")


def test_errors_are_said_in_the_language_asked_for_or_the_owners(
    town: Town, boss: PersonID, cloud: Directory
) -> None:
    _switch(town, boss, "on")
    cloud.ask("POST", "/Users", NEWCOMER, expect=201)
    japanese = cloud.ask("POST", "/Users", NEWCOMER, expect=409)["detail"]
    english = cloud.ask("POST", "/Users", NEWCOMER, expect=409, Accept_Language="en")["detail"]
    assert english == "Somebody has this userName already."
    assert japanese != english

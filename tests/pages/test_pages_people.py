"""The pages about people on the whole server: found, changed, invited, ended; conflicts shown."""

import re

from pages.conftest import Town
from sekisho.identity import service as identity
from sekisho.identity.model import PersonState, Role
from sekisho.kernel.principal import SYSTEM


def _form(headers: dict[str, str], **fields: object) -> dict[str, object]:
    return {"csrf": headers["X-CSRF-Token"], **fields}


def _send(town: Town, headers: dict[str, str], path: str, **fields: object) -> tuple[int, str]:
    answer = town.client().post(
        path, data=_form(headers, **fields), headers=headers, follow_redirects=False
    )
    return answer.status_code, answer.text


def _read(town: Town, headers: dict[str, str], path: str) -> str:
    answer = town.client().get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.text


def _find(town: Town, email: str) -> identity.Dossier:
    with town.house.database.read(SYSTEM) as tx:
        person = identity.find_person_by_email(tx, email)
        assert person is not None
        return identity.read_dossier(tx, person.id)


def test_units_are_drawn_up_on_their_page(town: Town) -> None:
    admin = town.sign_in(town.add_person("佐伯 航", Role.ADMIN))
    assert "まだ部署はありません" in _read(town, admin, "/people/units")

    status, _ = _send(town, admin, "/people/units", name="東日本", kind="subsidiary", country="JP")
    assert status == 303
    with town.house.database.read(SYSTEM) as tx:
        east = identity.list_units(tx)[0].unit
    _send(town, admin, "/people/units", name="札幌", kind="department", parent=east.id)
    page = _read(town, admin, "/people/units")
    assert page.index("東日本") < page.index("札幌")
    status, text = _send(
        town,
        admin,
        f"/people/units/{east.id}",
        act="change",
        version=9,
        name="東",
        kind="subsidiary",
    )
    assert (status, "ほかの人が変更しました" in text) == (409, True)
    for act, expected in (("delete", 409), ("nonsense", 400), ("move", 303)):
        status, _ = _send(town, admin, f"/people/units/{east.id}", act=act, version=1, target="")
        assert status == expected


def test_units_are_searched_sorted_and_paged(town: Town) -> None:
    admin = town.sign_in(town.add_person("佐伯 航", Role.ADMIN))
    ren = town.add_person("蓮", Role.TELEWORKER)
    with town.house.database.write(SYSTEM) as tx:
        east = identity.create_unit(tx, identity.UnitDraft("East")).id
        west = identity.create_unit(tx, identity.UnitDraft("West")).id
        for number in range(100):
            identity.create_unit(tx, identity.UnitDraft(f"Team {number:03}"), east)
        last = identity.create_unit(tx, identity.UnitDraft("Team 100%"), west).id
        identity.place_person(tx, ren, last)

    def shown(query: str) -> list[str]:
        page = _read(town, admin, f"/people/units?{query}")
        return re.findall(r'<a href="/people\?unit=\w+">([^<]+)</a>', page)

    first = shown("")
    assert (first[:2], len(first)) == (["East", "Team 000"], 100)
    assert shown("page=2") == ["Team 099", "West", "Team 100%"]
    assert shown("q=%25") == ["Team 100%"]
    assert "West</span>" in _read(town, admin, "/people/units?q=%25"), "where it belongs"
    assert shown("sort=-name")[0] == "West"
    assert shown("sort=-people")[:2] == ["West", "Team 100%"]
    assert shown("q=team 01&sort=name") == [f"Team {n:03}" for n in range(10, 20)]
    assert "当てはまる部署はありません" in _read(town, admin, "/people/units?q=zzz")


def _newcomer(town: Town) -> tuple[dict[str, str], str, str]:
    """Return an administrator's browser, a unit, and the page of somebody just invited to it."""
    admin = town.sign_in(town.add_person("佐伯 航", Role.ADMIN))
    with town.house.database.write(SYSTEM) as tx:
        east = identity.create_unit(tx, identity.UnitDraft("東日本")).id
        person = identity.invite_person(
            tx, name="高橋 遥", email="haruka@example.jp", language="ja", roles=["teleworker"],
            unit_id=east,
        )  # fmt: skip
    return admin, east, f"/people/{person.id}"


def test_an_invitation_works_until_the_next_one_or_none(town: Town) -> None:
    admin = town.sign_in(town.add_person("佐伯 航", Role.ADMIN))
    with town.house.database.write(SYSTEM) as tx:
        east = identity.create_unit(tx, identity.UnitDraft("東日本")).id
    status, page = _send(
        town, admin, "/people", name="高橋 遥", email="haruka@example.jp", language="ja",
        role="teleworker", unit=east,
    )  # fmt: skip
    assert status == 200
    links = re.findall(r"http://\S+?/start/[\w-]+", page)
    assert links
    dossier = _find(town, "haruka@example.jp")
    path = f"/people/{dossier.person.id}"
    assert dossier.invited_until is not None
    status, page = _send(town, admin, path, act="invite")
    again = re.findall(r"http://\S+?/start/[\w-]+", page)
    assert again != links
    assert town.client().get(links[0].split("127.0.0.1")[-1]).status_code == 404
    _send(town, admin, path, act="revoke-invitation")
    assert _find(town, "haruka@example.jp").invited_until is None


def test_two_edits_at_once_do_not_overwrite_each_other(town: Town) -> None:
    admin, east, path = _newcomer(town)
    version = _find(town, "haruka@example.jp").person.version
    profile = {"act": "profile", "name": "高橋 はるか", "email": "haruka@example.jp",
               "language": "en", "unit": "", "manager": ""}  # fmt: skip
    assert _send(town, admin, path, version=version, **profile)[0] == 303
    status, page = _send(town, admin, path, version=version, **(profile | {"name": "別の名"}))
    assert status == 409
    assert "別の名" in page
    assert "高橋 はるか" in page

    person = _find(town, "haruka@example.jp").person
    assert _send(town, admin, path, act="roles", version=version, held=[])[0] == 409
    assert (person.name, person.unit_id, person.language) == ("高橋 はるか", None, "en")
    _send(
        town, admin, path, act="roles", version=person.version, held=["teleworker"],
        add_role="manager", add_unit=east,
    )  # fmt: skip
    assert [held.role for held in _find(town, "haruka@example.jp").person.unit_roles] == ["manager"]
    assert "東日本" in _read(town, admin, path)


def test_somebody_leaves_and_comes_back_with_nothing(town: Town) -> None:
    admin, _, path = _newcomer(town)
    assert _send(town, admin, path, act="leave", reason="退職")[0] == 303
    assert "退社" in _read(town, admin, path) or "退職" in _read(town, admin, path)
    assert "haruka@example.jp" not in _read(town, admin, "/people")
    assert "haruka@example.jp" in _read(town, admin, "/people?state=left")
    assert _send(town, admin, path, act="readmit")[0] == 303
    assert _find(town, "haruka@example.jp").person.roles == frozenset()


def test_many_are_changed_at_once_and_each_refusal_is_named(town: Town) -> None:
    boss = town.add_person("佐伯 航", Role.ADMIN)
    admin = town.sign_in(boss)
    ids = [town.add_person(name, Role.TELEWORKER) for name in ("森下 彩", "大西 健太郎")]
    with town.house.database.write(SYSTEM) as tx:
        east = identity.create_unit(tx, identity.UnitDraft("東日本")).id
    _, page = _send(town, admin, "/people/bulk", act="unit", unit=east, person=ids)
    assert "森下 彩" in page
    _, page = _send(town, admin, "/people/bulk", act="disable", person=[*ids, boss, "per_gone"])
    with town.house.database.read(SYSTEM) as tx:
        people = [identity.get_person(tx, person_id) for person_id in ids]
        assert identity.get_person(tx, boss).state is PersonState.ACTIVE
    assert {(p.unit_id, p.state) for p in people} == {(east, PersonState.DISABLED)}
    assert "per_gone" in page
    assert _send(town, admin, "/people/bulk", act="role", role="admin", person=[boss])[0] == 200
    assert _send(town, admin, "/people/bulk", act="disable")[0] == 400
    listed = _read(town, admin, f"/people?unit={east}&role=teleworker&state=disabled&sort=-name")
    assert listed.count('name="person"') == 2


def test_many_are_taken_into_a_group_and_the_list_stays_as_it_was_narrowed(town: Town) -> None:
    admin = town.sign_in(town.add_person("佐伯 航", Role.ADMIN))
    ids = [town.add_person(name, Role.TELEWORKER) for name in ("森下 彩", "大西 健太郎")]
    with town.house.database.write(SYSTEM) as tx:
        group = identity.create_group(tx, "在宅").id
    narrowed = "/people?q=%E6%A3%AE%E4%B8%8B&sort=-email"
    assert 'action="/people/bulk?q=%E6%A3%AE%E4%B8%8B&amp;sort=-email"' in _read(
        town, admin, narrowed
    )
    path = narrowed.replace("/people?", "/people/bulk?")
    status, page = _send(town, admin, path, act="group", group=group, person=ids)
    assert status == 200
    assert page.count('name="person"') == 1, "the list is still that of the search"
    back = town.client().get(f"{path}&page=2", headers=admin, follow_redirects=False)
    assert (back.status_code, back.headers["location"]) == (303, narrowed)
    with town.house.database.read(SYSTEM) as tx:
        members = identity.list_people(tx, narrow=identity.PeopleFilter(group_id=group))
    assert {person.id for person in members} == set(ids)
    _, page = _send(town, admin, path, act="group", group="grp_none", person=ids)
    assert "森下 彩" in page


def test_groups_have_their_pages(town: Town) -> None:
    admin = town.sign_in(town.add_person("佐伯 航", Role.ADMIN))
    aya = town.add_person("森下 彩")
    assert _send(town, admin, "/people/groups", name="在宅", note="週三日")[0] == 303
    with town.house.database.read(SYSTEM) as tx:
        group = identity.list_groups(tx)[0]
    path = f"/people/groups/{group.id}"
    assert "森下 彩" in _read(town, admin, f"{path}?q=森下")
    assert _send(town, admin, path, act="add", person=[aya])[0] == 303
    assert "森下 彩" in _read(town, admin, path)
    assert "在宅" in _read(town, admin, f"/people/{aya}")
    _send(town, admin, path, act="remove", person=[aya])
    assert "森下 彩" not in _read(town, admin, path)
    assert _send(town, admin, path, act="change", version=1, name="x", note="")[0] == 409
    assert _send(town, admin, path, act="delete", version=3)[0] == 303


def test_groups_are_searched_sorted_and_paged(town: Town) -> None:
    admin = town.sign_in(town.add_person("佐伯 航", Role.ADMIN))
    aya = town.add_person("森下 彩")
    with town.house.database.write(SYSTEM) as tx:
        for number in range(60):
            made = identity.create_group(tx, f"組{number:02}", "週三日" if number == 7 else "")
        identity.change_members(tx, made.id, add=[aya])

    def names(query: str) -> list[str]:
        return re.findall(r">(組\d\d)</a>", _read(town, admin, f"/people/groups{query}"))

    assert names("?q=週三") == ["組07"]
    assert names("")[:2] == ["組00", "組01"]
    assert (len(names("")), names("?page=2")[-1]) == (50, "組59")
    assert names("?sort=-name")[0] == names("?sort=-size")[0] == "組59"
    assert "条件に合うグループはありません" in _read(town, admin, "/people/groups?q=無い&page=-1")


def test_members_of_a_group_are_searched_and_sorted(town: Town) -> None:
    boss = town.sign_in(town.add_person("佐伯 航", Role.ADMIN))
    with town.house.database.write(SYSTEM) as tx:
        names = ("Zoe", "Ada", "Mia")
        added = [
            identity.add_person(
                tx, name=name, email=f"{n}@example.jp", language="ja", roles=[Role.TELEWORKER],
                state=PersonState.ACTIVE,
            ).id
            for n, name in enumerate(names)
        ]  # fmt: skip
        group = identity.create_group(tx, "在宅").id
        identity.change_members(tx, group, add=added[:2])

    def shown(query: str) -> list[str]:
        page = town.client().get(f"/people/groups/{group}?{query}", headers=boss).text
        return re.findall(r'<th scope="row"><a href="/people/\w+">(\w+)</a>', page)

    assert shown("") == ["Ada", "Zoe"]
    assert shown("sort=-name") == shown("sort=email") == ["Zoe", "Ada"]
    assert shown("who=ad") == ["Ada"]
    assert shown("q=Mia") == ["Ada", "Zoe"], "whom to add is another search"
    assert shown("sort=nonsense") == ["Ada", "Zoe"]
    none = town.client().get(f"/people/groups/{group}?who=%25", headers=boss).text
    assert "当てはまるメンバーはいません" in none


def test_people_are_for_whom_they_concern(town: Town) -> None:
    aya = town.add_person("森下 彩", Role.TELEWORKER)
    guard = town.sign_in(town.add_person("佐伯 航", Role.SECURITY))
    stranger = town.sign_in(aya)
    for path in ("/people", "/people/units", "/people/groups", f"/people/{aya}"):
        assert town.client().get(path, headers=guard).status_code == 200
        refused = town.client().get(path, headers=stranger).status_code
        assert refused == 403
        assert town.client("public").get(path, headers=guard).status_code in {403, 404}
    for act in ("leave", "roles", "disable", "sign-out", "profile"):
        assert _send(town, guard, f"/people/{aya}", act=act, version=1)[0] == 403

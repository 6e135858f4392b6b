"""People come in by a file: looked at first, done as shown, leavers only when ticked."""

import re

from pages.conftest import Town
from sekisho.identity import service as identity
from sekisho.identity.model import PersonState, Role
from sekisho.kernel.principal import SYSTEM

HEAD = "氏名,メールアドレス,部署\n"


def _upload(town: Town, headers: dict[str, str], content: bytes) -> tuple[int, str]:
    answer = town.client().post(
        "/people/import",
        data={"csrf": headers["X-CSRF-Token"]},
        files={"file": ("名簿.csv", content, "text/csv")},
        headers=headers,
        follow_redirects=False,
    )
    return answer.status_code, answer.headers.get("location", "") or answer.text


def _send(town: Town, headers: dict[str, str], path: str, **fields: str) -> tuple[int, str]:
    data = {"csrf": headers["X-CSRF-Token"], **fields}
    answer = town.client().post(path, data=data, headers=headers)
    return answer.status_code, answer.text


def _digest(town: Town, headers: dict[str, str], path: str) -> str:
    page = town.client().get(path, headers=headers).text
    found = re.search(r'name="digest" value="([0-9a-f]{64})"', page)
    assert found
    return found[1]


def test_a_file_is_looked_at_and_then_brought_in(town: Town) -> None:
    admin = town.sign_in(town.add_person("佐伯 航", Role.ADMIN))
    former = town.add_person("去る人", Role.TELEWORKER)
    with town.house.database.read(SYSTEM) as tx:
        boss = identity.list_people(tx, search="佐伯")[0]
    text = f"{HEAD}佐伯 航,{boss.email},\n森下 彩,aya@example.jp,本社 / 設計\n壊れた,x,\n"
    status, path = _upload(town, admin, text.encode("cp932"))
    assert status == 303
    page = town.client().get(path, headers=admin).text
    assert "森下 彩" in page
    assert "去る人" in page
    digest = _digest(town, admin, path)
    with town.house.database.read(SYSTEM) as tx:
        assert identity.find_person_by_email(tx, "aya@example.jp") is None

    assert _send(town, admin, path, digest="0" * 64)[0] == 409
    status, page = _send(town, admin, path, digest=digest, leave="yes")
    assert status == 200
    with town.house.database.read(SYSTEM) as tx:
        added = identity.find_person_by_email(tx, "aya@example.jp")
        assert added is not None
        assert added.state is PersonState.INVITED
        assert identity.get_person(tx, former).state is PersonState.LEFT
    assert _send(town, admin, path, digest=digest)[0] == 404


def test_what_is_no_roster_is_told_on_the_page(town: Town) -> None:
    admin = town.sign_in(town.add_person("佐伯 航", Role.ADMIN))
    status, page = _upload(town, admin, b"\x00\x01")
    assert status == 400
    assert "notice bad" in page
    assert _upload(town, admin, b"x" * 10_000_001)[0] == 413
    guard = town.sign_in(town.add_person("守る人", Role.SECURITY))
    assert _upload(town, guard, HEAD.encode())[0] == 403
    assert town.client().get("/people/import", headers=guard).status_code == 403


def test_everybody_goes_out_as_a_file(town: Town) -> None:
    auditor = town.sign_in(town.add_person("監査 役", Role.AUDITOR))
    town.add_person("=1+1")
    answer = town.client().get("/people.csv", headers=auditor)
    assert answer.text.startswith("\ufeff")
    assert "'=1+1" in answer.text

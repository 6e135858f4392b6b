"""Lists about access: each is searched, sorted by what the reader sees, and paged."""

import re

import pytest

from access.making import resource
from pages.conftest import Town
from sekisho.access import service
from sekisho.identity.model import Role
from sekisho.kernel.principal import Principal, PrincipalKind


@pytest.fixture
def boss(town: Town) -> Principal:
    who = town.add_person("管理者 航", Role.ADMIN)
    return Principal(
        PrincipalKind.PERSON, who, "管理者 航", frozenset({"*"}), authenticated_at=town.clock.now()
    )


def _listed(town: Town, who: dict[str, str], path: str, pattern: str) -> list[str]:
    page = town.client().get(path, headers=who)
    assert page.status_code == 200, page.text
    return re.findall(pattern, page.text)


def test_resources_are_sorted_by_the_name_in_the_reader_s_language(
    town: Town, boss: Principal, guard: dict[str, str]
) -> None:
    with town.house.database.write(boss) as tx:
        for key, ja, en in (("a", "経費", "Beta"), ("b", "あいさつ", "Gamma"), ("c", "", "alpha")):
            service.add_resource(
                tx, resource(key=key, name_ja=ja, name_en=en, public_host=f"{key}.example.jp")
            )
    for sort, language, keys in (
        ("name", "en", ["c", "a", "b"]), ("-name", "en", ["b", "a", "c"]),
        ("name", "ja", ["c", "b", "a"]),
    ):  # fmt: skip
        reader = guard | {"Cookie": f"{guard['Cookie']}; sekisho_language={language}"}
        found = _listed(town, reader, f"/access/resources?sort={sort}", r"\b([abc])\.example\.jp")
        assert list(dict.fromkeys(found)) == keys

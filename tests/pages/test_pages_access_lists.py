"""Lists about access: each is searched, sorted by what the reader sees, and paged."""

import re

import pytest

from access.making import resource
from pages.conftest import Town
from sekisho.access import service
from sekisho.access.engine.forms import write_form
from sekisho.access.policies import Effect, Policy, PolicyForm, PolicyVersion, VersionState
from sekisho.access.store.policies import insert_version
from sekisho.identity.model import Role
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind


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


def _policies(count: int) -> list[Policy]:
    """Make as many policies, the last one first; every third forbids, and the first is off."""
    return [
        Policy(
            f"p{n:03}",
            write_form(f"p{n:03}", PolicyForm(effect=Effect.PERMIT if n % 3 else Effect.FORBID)),
            f"規則{n:03}", f"Rule {n:03}", enabled=n > 0,
        )
        for n in reversed(range(count))
    ]  # fmt: skip


def test_policies_in_force_are_sorted_and_paged(
    town: Town, boss: Principal, guard: dict[str, str]
) -> None:
    with town.house.database.write(boss) as tx:
        service.propose_policies(tx, [*_policies(54)], note="一括", based_on=0)
    with town.house.database.write(SYSTEM) as tx:
        for waiting in service.list_waiting(tx):
            service.approve_version(tx, waiting.number, "")
    shown = r'class="small sub mono">(p\d+)</span></th>'
    first = _listed(town, guard, "/access/policies", shown)
    assert first == [f"p{n:03}" for n in range(50)]
    rest = _listed(town, guard, "/access/policies?page=2", shown)
    assert rest == ["p050", "p051", "p052", "p053"]
    assert _listed(town, guard, "/access/policies?sort=-title", shown)[0] == "p053"
    forbids = _listed(town, guard, "/access/policies?sort=effect&q=RULE", shown)[:18]
    assert forbids == [f"p{n:03}" for n in range(0, 54, 3)]
    assert _listed(town, guard, "/access/policies?sort=-state", shown)[0] == "p000"
    assert _listed(town, guard, "/access/policies?q=p9", shown) == []


def test_every_version_of_the_policies_is_found(
    town: Town, boss: Principal, guard: dict[str, str]
) -> None:
    notes = ["在宅", "100%", *(f"n{n}" for n in range(22))]
    for number, note in enumerate(notes, 1):
        with town.house.database.write(SYSTEM) as tx:
            insert_version(tx, PolicyVersion(
                number, VersionState.REFUSED, (), note, boss.id, tx.now, 0, None, None, "",
            ))  # fmt: skip
    row = r'href="/access/policies/versions/(\d+)">\d+</a></th>'
    assert _listed(town, guard, "/access/policies", row) == ["24", "23", "22", "21", "20"]
    path = "/access/policies/versions"
    assert _listed(town, guard, path, row) == [str(n) for n in range(24, 4, -1)]
    assert _listed(town, guard, f"{path}?page=2", row) == ["4", "3", "2", "1"]
    assert _listed(town, guard, f"{path}?sort=number", row)[:2] == ["1", "2"]
    assert _listed(town, guard, f"{path}?q=%25", row) == ["2"]
    assert len(_listed(town, guard, f"{path}?q=航&sort=-state", row)) == 20
    assert _listed(town, guard, f"{path}?q=nobody", row) == []


def test_networks_are_sorted_and_paged(town: Town, boss: Principal, guard: dict[str, str]) -> None:
    with town.house.database.write(boss) as tx:
        for n in reversed(range(52)):
            country = "US" if n == 7 else "JP"
            service.put_network(
                tx, service.NamedNetwork(f"n{n:02}", (f"10.0.{n}.0/24",), country), before=""
            )
        form = PolicyForm(networks=("n30",))
        service.propose_policies(
            tx, [Policy("p", write_form("p", form), "規則", "Rule")], note="", based_on=0
        )
    with town.house.database.write(SYSTEM) as tx:
        for waiting in service.list_waiting(tx):
            service.approve_version(tx, waiting.number, "")
    row = r'<th scope="row">(n\d\d)</th>'
    path = "/access/networks"
    assert _listed(town, guard, path, row) == [f"n{n:02}" for n in range(50)]
    assert _listed(town, guard, f"{path}?page=2", row) == ["n50", "n51"]
    assert _listed(town, guard, f"{path}?sort=-name", row)[0] == "n51"
    assert _listed(town, guard, f"{path}?sort=-country", row)[0] == "n07"
    assert _listed(town, guard, f"{path}?sort=-used", row)[0] == "n30"
    assert _listed(town, guard, f"{path}?sort=used&page=2", row)[-1] == "n30"
    assert _listed(town, guard, f"{path}?q=10.0.7.9&page=1", row) == ["n07"]

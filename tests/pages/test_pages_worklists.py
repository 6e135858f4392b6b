"""Working through lists: findings, acts on many from tick to result, saved views."""

import re
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from fakes.clock import FakeClock
from pages.conftest import Town
from sekisho.devices.model import Device
from sekisho.devices.service import many
from sekisho.evidence import service as evidence
from sekisho.findings import service as findings
from sekisho.identity import service as identity
from sekisho.identity.model import Role
from sekisho.kernel.kept import Kept
from sekisho.kernel.principal import SYSTEM
from sekisho.server.chores import work_on_acts
from sekisho.worklists.model import ActState, Outcome
from sekisho.worklists.service import acts
from sekisho.worklists.service.findings import FindingSearch
from sekisho.worklists.service.trends import read_days

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def devices(town: Town) -> list[Device]:
    owner = town.add_person("田中 花子")
    found = [town.enrol(f"pc-{n}", owner=owner) for n in range(3)]
    for device in found:
        town.answer(device, failing=2)
    return found


def _post(town: Town, who: dict[str, str], path: str, **form: object) -> tuple[int, str]:
    """Send a form; return the status and where it leads, or the page."""
    pairs = [(k, i) for k, v in form.items() for i in (v if isinstance(v, list) else [v])]
    pairs.append(("csrf", who["X-CSRF-Token"]))
    answer = town.client().post(
        path, content=urlencode(pairs), headers={**who, **FORM}, follow_redirects=False
    )
    return answer.status_code, answer.headers.get("location", answer.text)


def _get(town: Town, who: dict[str, str], path: str) -> str:
    answer = town.client().get(path, headers=who)
    assert answer.status_code == 200, answer.text[:600]
    return answer.text


def _order(town: Town, who: dict[str, str], listing: str, kind: str, **form: object) -> str:
    """Choose rows, plan the act, and return its address."""
    chosen = {"listing": listing, "kind": kind, "which": form.pop("which", "ticked"),
              "id": form.pop("id", []), "wish": form.pop("wish", "")}  # fmt: skip
    status, act = _post(town, who, "/acts", **chosen)
    assert status == 303, act
    status, planned = _post(town, who, f"{act}/plan", kind=kind, **form)
    assert (status, planned) == (303, act), planned
    return act


def _do(town: Town, who: dict[str, str], act: str) -> str:
    status, _ = _post(town, who, f"{act}/start")
    assert status == 303
    work_on_acts(town.house)
    return _get(town, who, act)


def test_tags_on_all_that_match_and_undone(
    town: Town, guard: dict[str, str], devices: list[Device]
) -> None:
    act = _order(town, guard, "devices", "tag", which="all", wish="q=pc-", tags="在宅, A4")
    plan = _get(town, guard, act)
    assert "起きること" in plan
    result = _do(town, guard, act)
    assert "結果" in result
    listed = _get(town, guard, "/devices?tag=A4")
    assert all(device.title in listed for device in devices)

    status, undo = _post(town, guard, f"{act}/undo")
    assert status == 303
    _do(town, guard, undo)
    assert devices[0].title not in _get(town, guard, "/devices?tag=A4")
    with town.house.database.read(SYSTEM) as tx:
        kinds = [record.kind for record in evidence.list_records(tx, kind="bulk.*")]
        ordered = evidence.list_records(tx, kind="bulk.ordered", limit=1)[0]
    assert kinds == ["bulk.finished", "bulk.ordered"] * 2
    assert ordered.detail is not None
    assert set(ordered.detail["rows"]) == {device.id for device in devices}  # type: ignore[call-overload]


@pytest.mark.usefixtures("devices")
def test_findings_are_found_given_and_noted(town: Town, guard: dict[str, str]) -> None:
    page = _get(town, guard, "/findings?q=pc-1")
    assert "pc-1" in page
    assert "pc-2" not in page
    ids = re.findall(r'name="id" value="(fnd_[A-Z0-9]+)"', page)
    assert len(ids) == 2
    act = _order(town, guard, "findings", "assign", id=ids, whom="other", who_words="田中")
    assert "田中 花子" in _get(town, guard, act)
    _do(town, guard, act)
    assert "田中 花子" in _get(town, guard, f"/findings/{ids[0]}")
    status, _ = _post(town, guard, f"/findings/{ids[0]}/note", note="本人に電話した")
    assert status == 303
    one = _get(town, guard, f"/findings/{ids[0]}")
    assert "本人に電話した" in one
    assert "担当" in one


@pytest.mark.usefixtures("devices")
def test_an_exception_for_many_is_one_request_for_each_rule(
    town: Town, guard: dict[str, str], clock: FakeClock
) -> None:
    until = (clock.now() + timedelta(days=7)).date().isoformat()
    act = _order(
        town, guard, "findings", "except", which="all", wish="", reason="更新が間に合わない",
        measure="社内からだけ使う", until=until,
    )  # fmt: skip
    page = _do(town, guard, act)
    made = set(re.findall(r"/exceptions/(exc_[A-Z0-9]+)", page))
    assert len(made) == 2
    request = _get(town, guard, f"/exceptions/{made.pop()}")
    assert "選んだ端末" in request

    boss = town.sign_in(town.add_person("決裁 者", Role.ADMIN))
    status, _ = _post(town, boss, f"{_exceptions(page)[0]}/approve")
    assert status == 303
    with town.house.database.read(SYSTEM) as tx:
        assert findings.count_open(tx) == 3


def _exceptions(page: str) -> list[str]:
    return sorted(set(re.findall(r"/exceptions/exc_[A-Z0-9]+", page)))


def test_a_private_pc_keeps_its_person_and_the_plan_says_so(
    town: Town, guard: dict[str, str]
) -> None:
    owner = town.add_person("佐藤 次郎")
    town.enrol("home", owner=owner, ownership="private")
    act = _order(town, guard, "devices", "own", which="all", wish="", whom="nobody")
    page = _get(town, guard, act)
    assert "私物PC" in page
    status, said = _post(town, guard, f"{act}/start")
    assert status == 409, said


def test_a_view_is_kept_shared_begun_with_and_sent(town: Town, guard: dict[str, str]) -> None:
    town.enrol("pc-1")
    status, view = _post(
        town, guard, "/views", listing="devices", query="verdict=fail&c=tags&c=gone&page=3",
        name="要対応", role="csirt", unit="", begin="1",
    )  # fmt: skip
    assert status == 303
    led = town.client().get(view, headers=guard, follow_redirects=False)
    address = f"/devices?verdict=fail&c=tags&c=gone&view={view[7:]}"
    assert (led.status_code, led.headers["location"]) == (303, address)
    page = _get(town, guard, address)
    assert f'href="{view}"' in page.split("</nav>")[0]  # the menu begins with it
    counts = town.client().get("/views/counts?listing=devices", headers=guard).json()
    assert counts == {view[7:]: 0}

    csirt = town.sign_in(town.add_person("緊急 対応", Role.CSIRT))
    assert "要対応" in _get(town, csirt, "/devices")
    auditor = town.sign_in(town.add_person("監査 人", Role.AUDITOR))
    assert "要対応" not in _get(town, auditor, "/devices")
    assert town.client().get(view, headers=auditor).status_code == 404
    status, _ = _post(town, csirt, f"{view}/change", act="save", name="別", query="", version="1")
    assert status == 403


def _upload(town: Town, who: dict[str, str], listing: str, text: str) -> tuple[int, str]:
    answer = town.client().post(
        f"/sheets/{listing}/file", data={"csrf": who["X-CSRF-Token"]}, headers=who,
        files={"file": ("list.csv", text.encode(), "text/csv")}, follow_redirects=False,
    )  # fmt: skip
    return answer.status_code, answer.headers.get("location", answer.text)


def test_a_sheet_goes_out_and_comes_back_whole_or_not_at_all(
    town: Town, guard: dict[str, str], devices: list[Device]
) -> None:
    home = town.enrol("home", owner=devices[0].owner_id, ownership="private")
    saved = town.client().get("/devices.csv", headers=guard).text
    head, *lines = saved.splitlines()
    assert head.startswith("\ufeffid,name")
    mine = next(line for line in lines if devices[0].id in line)
    cells = mine.split(",")
    cells[-3:] = ["在宅; A4", "=2+2", cells[-1]]
    plan = _upload(town, guard, "devices", f"{head}\n{','.join(cells)}")
    assert plan[0] == 303, plan[1]
    page = _get(town, guard, plan[1])
    mark = re.findall(r'name="mark" value="(\w+)"', page)[0]

    wrong = f"id,owner_email,tags\n{home.id},,x\ndev_gone,,\n{devices[1].id},nobody@example.jp,y\n"
    status, faulty = _upload(town, guard, "devices", wrong)
    assert status == 303
    faults = _get(town, guard, faulty)
    assert 'name="mark"' not in faults
    assert "3行に誤り" in faults

    assert _post(town, guard, f"{plan[1]}/apply", mark="another")[0] == 409
    assert _post(town, guard, f"{plan[1]}/apply", mark=mark)[0] == 303
    again = town.client().get("/devices.csv?tag=A4", headers=guard).text
    assert "'=2+2" in again  # harmless to a spreadsheet, and not changed by going round
    assert _upload(town, guard, "devices", f"{head}\n{mine}")[0] == 303
    stale = _get(town, guard, _upload(town, guard, "devices", f"{head}\n{mine}")[1])
    assert "ほかの人" in stale


def test_an_act_by_the_interface_is_planned_and_started(
    town: Town, guard: dict[str, str], devices: list[Device]
) -> None:
    headers = {**guard, "Accept": "application/json"}
    body = {"listing": "devices", "kind": "tag", "words": {"tags": "api"}, "query": "q=pc-1"}
    made = town.client().post("/api/acts", json=body, headers=headers)
    assert made.status_code == 201, made.text
    assert made.json()["outcomes"] == {"todo": 1}
    started = town.client().post(f"/api/acts/{made.json()['id']}/start", headers=headers)
    assert started.json()["state"] == "running"
    work_on_acts(town.house)
    rows = town.client().get(f"/api/acts/{made.json()['id']}/rows", headers=headers).json()
    assert [(row["target"], row["outcome"]) for row in rows] == [(devices[1].id, "done")]


def test_whoever_may_not_come_in_any_more_changes_nothing(
    town: Town, devices: list[Device]
) -> None:
    person = town.add_person("異動 する人", Role.CSIRT)
    act = _order(town, town.sign_in(person), "devices", "tag", which="all", wish="", tags="x")
    assert _post(town, town.sign_in(person), f"{act}/start")[0] == 303
    with town.house.database.write(SYSTEM) as tx:
        identity.disable_person(tx, person)
    work_on_acts(town.house)
    with town.house.database.read(SYSTEM) as tx:
        _, tally = acts.get_act(tx, act.removeprefix("/acts/"))
        assert many.find_tags(tx, [device.id for device in devices]) == {}
    assert tally.outcomes == {Outcome.LEFT: len(devices)}


def test_whoever_signed_in_long_ago_starts_nothing(
    town: Town, guard: dict[str, str], devices: list[Device]
) -> None:
    act = _order(town, guard, "devices", "tag", id=[devices[0].id], tags="在宅")
    town.clock.advance(minutes=20)
    status, led = _post(town, guard, f"{act}/start")
    assert not led.startswith("/acts/"), (status, led[:300])
    with town.house.database.read(SYSTEM) as tx:
        found, _ = acts.get_act(tx, act.removeprefix("/acts/"))
    assert found.state is ActState.PLANNED


def test_acts_are_searched_and_sorted(
    town: Town, guard: dict[str, str], devices: list[Device]
) -> None:
    for kind, words in (("tag", {"tags": "在宅"}), ("notify", {"title": "確認", "body": "お願い"})):
        _do(town, guard, _order(town, guard, "devices", kind, id=[devices[0].id], **words))

    def rows(query: str) -> list[str]:
        return re.findall(r'<a href="/acts/[^"]+">([^<]+)</a>', _get(town, guard, f"/acts{query}"))

    both = rows("?sort=kind")
    assert (len(both), rows("?sort=-kind")) == (2, both[::-1])
    assert rows("?q=在宅") == [row for row in both if "在宅" in row] != []
    assert rows("?q=write+to") == rows("?q=確認") == [row for row in both if "在宅" not in row]
    assert rows("?q=nothing+such") == []
    assert rows("?sort=nonsense") == rows("")


def test_a_crash_in_the_midst_goes_on_where_it_was(
    town: Town, guard: dict[str, str], devices: list[Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acts, "PIECE", 2)
    act = _order(town, guard, "devices", "tag", which="all", wish="", tags="x")
    assert _post(town, guard, f"{act}/start")[0] == 303
    assert acts.work_on_acts(town.house.database)  # one piece, and then the worker dies
    with town.house.database.read(SYSTEM) as tx:
        assert len(many.find_tags(tx, [device.id for device in devices])) == 2
    work_on_acts(town.house)
    with town.house.database.read(SYSTEM) as tx:
        found, tally = acts.get_act(tx, act.removeprefix("/acts/"))
        records = evidence.list_records(tx, kind="bulk.*")
    assert (found.state, tally.outcomes) == (ActState.DONE, {Outcome.DONE: len(devices)})
    assert [record.kind for record in records] == ["bulk.finished", "bulk.ordered"]


def test_a_dear_trend_is_kept_for_a_minute_for_those_of_the_same_reach(
    town: Town, devices: list[Device]
) -> None:
    kept, search = Kept(dear=0.0), FindingSearch()
    with town.house.database.read(SYSTEM) as tx:
        before = read_days(kept, tx, search, 30)
    town.answer(devices[0], failing=3)
    narrow = replace(SYSTEM, rights=frozenset(), scoped={"findings.read": frozenset({"uni_x"})})
    with town.house.database.read(SYSTEM) as tx:
        assert read_days(kept, tx, search, 30) == before
        assert read_days(Kept(), tx, search, 30)[-1].open == before[-1].open + 1
    with town.house.database.read(narrow) as tx:
        assert read_days(kept, tx, search, 30)[-1].open == 0
    town.clock.advance(minutes=1)
    with town.house.database.read(SYSTEM) as tx:
        assert read_days(kept, tx, search, 30)[-1].open == before[-1].open + 1

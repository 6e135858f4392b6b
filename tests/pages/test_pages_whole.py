"""Every page on the whole server: what it shows is what the rooms know, and only to whom it may."""

import re
from html import unescape

import pytest

from pages.conftest import Town
from sekisho.controls import service as controls
from sekisho.controls.faults import Fault
from sekisho.controls.model import Severity
from sekisho.evidence import service as evidence
from sekisho.identity.model import Role
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import ControlID
from sekisho.kernel.pages import mark_code
from sekisho.kernel.principal import SYSTEM

FORM = {"ownership": "company", "kind": "device", "label": "森", "max_devices": "1", "days": "7"}


def read(town: Town, path: str, headers: dict[str, str], listener: str = "admin") -> str:
    answer = town.client(listener).get(path, headers=headers, follow_redirects=False)
    assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    return unescape(re.sub(r"\s+", " ", answer.text))


def test_an_empty_house_teaches_the_next_step(town: Town, guard: dict[str, str]) -> None:
    assert "端末がまだ登録されていません" in read(town, "/", guard)
    assert "端末がまだ登録されていません" in read(town, "/devices", guard)
    assert "登録キットがまだありません" in read(town, "/devices/kits", guard)
    assert "まだ検証していません" in read(town, "/evidence", guard)
    assert str(len(town.catalogue.controls)) in read(town, "/controls", guard)
    assert "登録された端末が、まだありません" in read(town, "/my", guard)


def test_a_failing_device_is_seen_everywhere(town: Town, guard: dict[str, str]) -> None:
    device = town.enrol("mnt-l-0231", owner=town.add_person("高橋 遥", Role.TELEWORKER))
    asked = town.answer(device, failing=2)
    first = asked[0]
    overview = read(town, "/", guard)
    assert first.title["ja"] in overview
    assert "mnt-l-0231" in overview
    listed = read(town, "/devices?verdict=fail", guard)
    assert "mnt-l-0231" in listed
    assert "高橋 遥" in listed
    assert "不適合" in listed
    page = read(town, f"/devices/{device.id}?open={first.id}", guard)
    probe = first.checks["linux"].probe  # type: ignore[index] # by its name
    assert re.sub(r"\s+", " ", probe.sql.strip()) in page
    assert "いいえ（0行）" in page
    assert mark_code(first.fix_steps("linux", "ja")[0]) in page
    rule = read(town, f"/controls/{first.id}", guard)
    assert "mnt-l-0231" in rule
    assert first.why["ja"] in rule


def test_every_device_that_does_not_pass_a_rule_is_found_on_its_page(
    town: Town, guard: dict[str, str]
) -> None:
    """Twenty a page; the page used to end with the worst twenty."""
    for number in range(23):
        town.clock.advance(seconds=60)
        rule = town.answer(town.enrol(f"pc-{number:02}"), failing=1)[0]
    town.clock.advance(seconds=60)
    town.enrol("silent")
    path = f"/controls/{rule.id}"

    def shown(query: str) -> list[str]:
        return re.findall(r'\?open=[a-z0-9-]+">([^<]+)</a></th>', read(town, path + query, guard))

    failing = [f"pc-{number:02}" for number in range(23)]
    assert shown("") == failing[:20]
    assert shown("?page=2") == [*failing[20:], "silent"]
    assert shown("?kind=fail&page=2") == failing[20:]
    assert shown("?kind=unknown") == ["silent"]
    assert shown("?page=3") == shown("?kind=exempt") == shown(f"?page={10**9}") == []
    assert shown("?kind=pass") == failing[:20], "what is no kind of this list narrows nothing"


def test_rules_are_sorted_by_any_column(town: Town, guard: dict[str, str]) -> None:
    town.answer(town.enrol("pc"), failing=2)
    catalogue = town.catalogue.controls

    def shown(query: str) -> list[str]:
        return re.findall(r'<span class="sub mono">([a-z0-9-]+)</span></th>',
                          read(town, f"/controls{query}", guard))  # fmt: skip

    usual = shown("")
    assert sorted(usual) == sorted(catalogue)
    titles = [catalogue[ControlID(name)].title["ja"].casefold() for name in shown("?sort=title")]
    assert titles == sorted(titles)
    severities = [catalogue[ControlID(name)].severity for name in shown("?sort=-severity")]
    assert severities == sorted(severities, key=list(Severity).index)
    assert shown("?sort=-fail")[:2] == usual[:2]
    assert shown("?sort=fail")[-2:] == usual[:2]
    assert shown("?sort=nonsense") == usual


def test_mistakes_in_the_controls_on_disk_are_shown(town: Town, guard: dict[str, str]) -> None:
    mistake = Fault("/rules/firewall.yaml", 7, msg("The severity is not known; <b>"))
    controls.note_faults((mistake,))
    try:
        page = town.client().get("/controls", headers=guard).text
    finally:
        controls.note_faults(())
    assert "直前の正しい版を使っています" in page
    assert "/rules/firewall.yaml:7" in page
    assert "&lt;b&gt;" in page
    assert "/rules/" not in read(town, "/controls", guard)


def test_pages_are_complete_in_english(town: Town, guard: dict[str, str]) -> None:
    device = town.enrol("laptop")
    asked = town.answer(device, failing=1)
    english = {**guard, "Cookie": guard["Cookie"] + "; sekisho_language=en"}
    kana = re.compile(r"[\u3041-\u3096\u30a1-\u30fa]")
    for path in ("/", "/devices", f"/devices/{device.id}", "/devices/kits", "/devices/kits/new",
                 "/controls", f"/controls/{asked[0].id}", "/evidence", "/settings"):  # fmt: skip
        body = read(town, path, english)
        assert '<html lang="en"' in body
        words = re.findall(r">([^<>]+)<", body.replace("株式会社みなと設計", ""))
        assert [w for w in words if kana.search(w)] == [], path


def test_looking_at_a_persons_device_is_told_to_that_person(
    town: Town, guard: dict[str, str]
) -> None:
    owner = town.add_person("高橋 遥", Role.TELEWORKER)
    device = town.enrol("mnt-l-0231", owner=owner)
    town.answer(device)
    own = town.sign_in(owner)
    assert "これまでに閲覧はありません" in read(town, "/my", own)
    read(town, f"/devices/{device.id}", guard)
    mine = read(town, "/my", own)
    assert "佐伯 航" in mine
    assert "この端末の画面を開いた" in mine


def test_a_teleworker_sees_their_own_device_and_nobody_elses(
    town: Town, guard: dict[str, str]
) -> None:
    mine = town.enrol("mine", owner=town.add_person("森下 彩", Role.TELEWORKER))
    other = town.enrol("other", owner=town.add_person("大西 健", Role.TELEWORKER))
    town.answer(mine, failing=1)
    own = town.sign_in(mine.owner_id)  # type: ignore[arg-type] # it has one
    page = read(town, "/my", own, "public")
    assert "直すことが、1つあります" in page
    assert "あと" in page
    client = town.client()
    assert client.get(f"/my/devices/{other.id}", headers=own).status_code == 404
    for path in ("/devices", f"/devices/{mine.id}", "/controls", "/evidence", "/settings"):
        assert client.get(path, headers=own).status_code in {403, 404}, path
    home = client.get("/", headers=own, follow_redirects=False)
    assert (home.status_code, home.headers["location"]) == (303, "/my")
    # Not even whoever may see all devices acts on them as if they were their own.
    answer = client.post(f"/my/devices/{mine.id}/withdraw", headers=guard)
    assert answer.status_code == 404


def test_the_owner_of_a_private_device_decides(town: Town) -> None:
    owner = town.add_person("森下 彩", Role.TELEWORKER)
    device = town.enrol("own-pc", owner=owner, ownership="private")
    own, client = town.sign_in(owner), town.client("public")
    assert "同意をお願いします" in read(town, "/my", own, "public")

    def act(name: str) -> str:
        answer = client.post(f"/my/devices/{device.id}/{name}", headers=own, follow_redirects=False)
        assert answer.status_code == 303, answer.text
        return read(town, answer.headers["location"], own, "public")

    assert "一時停止" in act("consent")
    assert "再開" in act("pause")
    assert "一時停止中" not in act("resume")
    gone = act("withdraw")
    assert "登録された端末が、まだありません" in gone
    assert "残るのは、端末を登録し、取り消したことと、その日時の記録1行だけです" in gone
    assert "残るのは" not in read(town, "/my", own, "public"), "said once"


def test_without_the_page_token_nothing_changes(town: Town, guard: dict[str, str]) -> None:
    device = town.enrol("laptop")
    bare = {k: v for k, v in guard.items() if k != "X-CSRF-Token"}
    for path in (f"/devices/{device.id}/check", f"/devices/{device.id}/remove", "/devices/kits"):
        assert town.client().post(path, headers=bare).status_code == 403, path


def test_a_kit_is_shown_once_and_never_again(town: Town, guard: dict[str, str]) -> None:
    answer = town.client().post("/devices/kits", data=FORM | {"label": "森 拓海"}, headers=guard)
    assert answer.status_code == 200, answer.text
    secret = re.search(r"skt_[\w-]+", answer.text)
    assert secret is not None
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text.count("data:application/zip;base64,") == 3
    assert secret.group() not in read(town, "/devices/kits", guard)
    assert "森 拓海" in read(town, "/devices/kits", guard)


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"days": "x"}, "「x」は整数ではありません"), ({"kind": "all"}, "選んでください")],
)
def test_a_wrong_kit_brings_the_form_back(
    town: Town, guard: dict[str, str], changed: dict[str, str], said: str
) -> None:
    answer = town.client().post("/devices/kits", data=FORM | changed, headers=guard)
    assert answer.status_code == 400
    assert said in answer.text
    assert 'value="森"' in answer.text


def test_a_waiting_device_is_approved_or_turned_away(town: Town, guard: dict[str, str]) -> None:
    first, second = town.enrol("a", group=True), town.enrol("b", group=True)
    assert "承認待ち" in read(town, "/devices/kits", guard)
    client = town.client()
    assert client.post(f"/devices/{first.id}/approve", headers=guard).status_code == 200
    assert client.post(f"/devices/{second.id}/refuse", headers=guard).status_code == 200
    assert "承認待ち" not in read(town, "/devices/kits", guard)


def test_a_device_is_removed_only_by_its_name(town: Town, guard: dict[str, str]) -> None:
    device = town.enrol("laptop")
    client = town.client()
    wrong = client.post(f"/devices/{device.id}/remove", data={"confirm": "x"}, headers=guard)
    assert wrong.status_code == 400
    assert "laptop" in read(town, "/devices", guard)
    right = client.post(f"/devices/{device.id}/remove", data={"confirm": "laptop"}, headers=guard)
    assert right.status_code == 200
    assert "laptop" not in read(town, "/devices?state=active", guard)


def test_csv_has_every_device_and_no_formula(town: Town, guard: dict[str, str]) -> None:
    town.enrol("=1+1")
    town.enrol("plain")
    answer = town.client().get("/devices.csv", headers=guard)
    assert answer.headers["content-type"].startswith("text/csv")
    lines = answer.text.lstrip("\ufeff").strip().splitlines()
    assert len(lines) == 3
    assert any(",'=1+1," in line for line in lines)


@pytest.mark.parametrize(
    "query",
    ["?page=-4", "?page=99", "?sort=%27", "?verdict=nope", "?ownership=x&platform=y&seen=z",
     "?q=" + "%22%3E%3Cscript%3E" * 20],
)  # fmt: skip
def test_a_strange_address_narrows_nothing_and_breaks_nothing(
    town: Town, guard: dict[str, str], query: str
) -> None:
    town.enrol("laptop")
    assert "<script>" not in town.client().get(f"/devices{query}", headers=guard).text.replace(
        "<script src", ""
    )


def test_what_is_not_there_is_said_with_a_next_step(town: Town, guard: dict[str, str]) -> None:
    client = town.client()
    for path in ("/devices/dev_nope", "/controls/nope", "/evidence/999999", "/evidence/rec_x"):
        answer = client.get(path, headers=guard)
        assert answer.status_code == 404, path
        assert "<h1>" in answer.text


def test_the_evidence_of_an_act_is_found_and_read(town: Town, guard: dict[str, str]) -> None:
    device = town.enrol("laptop")
    listed = read(town, "/evidence?kind=device", guard)
    assert "device.enrolled" in listed
    address = re.search(r'href="(/evidence/[^"]+)">[^<]*</a></th>', listed)
    assert address is not None
    assert "ソルト付き" in read(town, address.group(1), guard)
    assert device.id in read(town, f"/evidence?q={device.id}", guard)
    with town.house.database.write(SYSTEM) as tx:
        evidence.seal_records(tx)
    assert "device.enrolled" in read(town, "/evidence?kind=device&sort=-subject", guard)
    assert "device.enrolled" not in read(town, "/evidence?kind=device&sort=kind&after=99", guard)


@pytest.mark.parametrize(
    "path",
    ["/devices?page=", "/people?page=", "/notices?page=", "/evidence?after=", "/api/findings?page=",
     "/api/devices?offset=", "/selfchecks?page=", "/selfchecks/schedules?page=",
     "/evidence/", "/exceptions?page=", "/acts?page="],
)  # fmt: skip
def test_a_page_beyond_all_numbers_is_refused_and_breaks_nothing(
    town: Town, guard: dict[str, str], path: str
) -> None:
    answer = town.client().get(path + "9" * 40, headers=guard)
    assert answer.status_code in {400, 404}, answer.text


def test_figures_agree_on_every_page(town: Town, guard: dict[str, str]) -> None:
    for number in range(4):
        town.answer(town.enrol(f"pc-{number}"), failing=number % 2)
    with town.house.database.read(SYSTEM) as tx:
        standings = controls.count_standings(tx)
        total = controls.count_verdicts(tx).total
    overview = read(town, "/", guard)
    assert f"判定 {total}件" in overview
    for state, number in standings.items():
        assert re.search(rf'verdict={state}">.*?<b>{number}</b>', overview), state

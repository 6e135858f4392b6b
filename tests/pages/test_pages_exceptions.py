"""Exceptions in the browser: asked on one's own page, decided on another, read in from paper."""

from datetime import timedelta
from pathlib import Path

import pytest

from pages.conftest import Town
from sekisho.controls import service as controls
from sekisho.devices.model import Device
from sekisho.identity import service as identity
from sekisho.identity.model import Role
from sekisho.kernel.principal import SYSTEM


def _failing(town: Town) -> tuple[Device, dict[str, str], str]:
    """Enrol a failing PC of a teleworker; return it, their browser and a rule that fails."""
    owner = town.add_person("森下 彩", Role.TELEWORKER)
    device = town.enrol("mnt-l-0231", owner=owner)
    town.answer(device, failing=2)
    with town.house.database.read(SYSTEM) as tx:
        failing = [v.control_id for v in controls.list_verdicts(tx, device.id) if v.kind == "fail"]
    high = [c for c in failing if town.catalogue.controls[c].severity in {"high", "medium", "low"}]
    return device, town.sign_in(owner), (high or failing)[0]


def _form(town: Town, device: Device, rule: str, days: int = 5) -> dict[str, str]:
    return {
        "rule": rule, "scope": f"device:{device.id}", "reason": "古い業務ソフトのため",
        "measure": "社内網に接続しない", "renews": "",
        "until": (town.clock.now() + timedelta(days=days)).date().isoformat(),
    }  # fmt: skip


def test_asked_on_ones_own_page_and_decided_by_another(town: Town) -> None:
    device, own, rule = _failing(town)
    chief = town.sign_in(town.add_person("佐伯 航", Role.ADMIN))
    public, admin = town.client("public"), town.client()

    form = public.get(f"/my/exceptions/new?device={device.id}&rule={rule}", headers=own)
    assert form.status_code == 200
    assert f'value="{rule}" selected' in form.text
    asked = public.post(
        "/my/exceptions", data=_form(town, device, rule), headers=own, follow_redirects=False
    )
    assert asked.status_code == 303
    address = asked.headers["location"].removeprefix("/my")
    assert "承認待ち" in public.get(f"/my{address}", headers=own).text

    listed = admin.get("/exceptions?show=open", headers=chief).text
    assert address in listed
    assert "mnt-l-0231" in listed
    assert "森下 彩" in listed
    assert "承認待ち" in admin.get(address, headers=chief).text
    sent = admin.post(
        f"{address}/approve", data={"words": "了解"}, headers=chief, follow_redirects=False
    )
    assert sent.status_code == 303
    done = admin.get(address, headers=chief)
    assert "適用中" in done.text
    assert "了解" in done.text
    assert "mnt-l-0231" in done.text

    mine = public.get("/my/exceptions", headers=own).text
    assert "適用中" in mine
    exempt = admin.get(f"/devices/{device.id}?verdict=exempt", headers=chief).text
    assert rule in exempt
    assert "利用可否" in exempt


def test_a_mistake_brings_the_form_back(town: Town) -> None:
    device, own, rule = _failing(town)
    form = _form(town, device, rule)
    public = town.client("public")
    for wrong in (
        {"until": ""}, {"until": "2026-99-01"}, {"until": "2020-01-01"}, {"until": "2036-01-01"},
        {"reason": " "}, {"scope": ""}, {"scope": "planet:earth"}, {"ownership": "both"},
    ):  # fmt: skip
        back = public.post("/my/exceptions", data=form | wrong, headers=own)
        assert back.status_code == 400, wrong
        assert "社内網に接続しない" in back.text
        assert "notice bad" in back.text
    unknown = public.post("/my/exceptions", data=form | {"rule": "nope"}, headers=own)
    assert unknown.status_code == 404


def test_nobody_else_sees_or_decides(town: Town) -> None:
    device, own, rule = _failing(town)
    other = town.sign_in(town.add_person("大西 健太", Role.TELEWORKER))
    public, admin = town.client("public"), town.client()
    asked = public.post(
        "/my/exceptions", data=_form(town, device, rule), headers=own, follow_redirects=False
    )
    address = asked.headers["location"].removeprefix("/my")

    assert public.get(f"/my{address}", headers=other).status_code == 404
    assert public.post("/my/exceptions", data=_form(town, device, rule), headers=other).status_code
    stranger = public.post("/my/exceptions", data=_form(town, device, rule), headers=other)
    assert stranger.status_code == 403
    assert public.get(address, headers=own).status_code == 404, "not on the public listener"
    for act in ("approve", "reject", "revoke", "withdraw", "explode"):
        refused = admin.post(f"{address}/{act}", data={"words": "理由です"}, headers=other)
        assert refused.status_code == 404
    assert admin.get("/exceptions", headers=other).status_code == 403
    assert admin.get("/exceptions.csv", headers=other).status_code == 403
    assert admin.get("/exceptions/new", headers=other).status_code == 403
    assert admin.get("/exceptions/import", headers=other).status_code == 403
    own_approval = admin.post(f"{address}/approve", data={}, headers=own)
    assert own_approval.status_code == 403
    public.post(f"/my{address}/withdraw", data={}, headers=own)
    assert "取り下げ" in public.get(f"/my{address}", headers=own).text


def test_lists_filter_sort_and_export_harmless_cells(town: Town) -> None:
    device, own, rule = _failing(town)
    chief = town.sign_in(town.add_person("佐伯 航", Role.ADMIN))
    form = _form(town, device, rule) | {"reason": '=HYPERLINK("http://x")'}
    town.client("public").post("/my/exceptions", data=form, headers=own)
    admin = town.client()

    for address in (
        "/exceptions?q=mnt-l", "/exceptions?q=%E6%A3%AE%E4%B8%8B", f"/exceptions?q={rule}",
        "/exceptions?sort=-age", "/exceptions?sort=nonsense", "/exceptions?page=-3",
        "/exceptions?show=nonsense",
    ):  # fmt: skip
        page = admin.get(address, headers=chief)
        assert page.status_code == 200, address
        assert "/exceptions/exc_" in page.text, address
    for empty in ("/exceptions?q=nothing", "/exceptions?show=renewed", "/exceptions?page=9"):
        assert "条件に合う例外はありません" in admin.get(empty, headers=chief).text
    sheet = admin.get("/exceptions.csv", headers=chief).text
    assert sheet.startswith("\ufeffid,rule,")
    assert "mnt-l-0231" in sheet


def test_a_form_for_others_finds_whom_it_is_for(town: Town) -> None:
    device, _, rule = _failing(town)
    chief = town.sign_in(town.add_person("佐伯 航", Role.ADMIN))
    admin = town.client()

    found = admin.get(f"/exceptions/new?q=mnt&rule={rule}", headers=chief).text
    assert f"device:{device.id}" in found
    person = admin.get("/exceptions/new?q=%E6%A3%AE%E4%B8%8B", headers=chief).text
    assert f"person:{device.owner_id}" in person
    form = _form(town, device, rule) | {"scope": f"person:{device.owner_id}", "q": ""}
    made = admin.post("/exceptions/new", data=form, headers=chief, follow_redirects=False)
    assert made.status_code == 303
    again = admin.post("/exceptions/new", data=form, headers=chief)
    assert again.status_code == 409
    assert "森下 彩" in again.text


PAPER = (
    "ルール,対象の種類,対象,理由,代わりの対策,期限,開始日,申請者,記載元\n"
    "{rule},個人,{mail},古い業務ソフトのため,社内網に接続しない,{until},2026-04-01,森下 彩,"
    "申請書14\n"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_paper_is_planned_first_and_taken_over_once(town: Town, encoding: str) -> None:
    device, _, rule = _failing(town)
    chief = town.sign_in(town.add_person("佐伯 航", Role.ADMIN))
    admin = town.client()
    form = _form(town, device, rule)
    text = PAPER.format(rule=rule, mail=device.owner_id, until=form["until"])

    plan = _upload(town, chief, text.encode(encoding))
    assert "1件の例外を取り込みます" in plan
    assert "すべての例外" not in admin.get("/exceptions?show=in_force", headers=chief).text
    admin.post("/exceptions/import/run", data={"text": text}, headers=chief)
    listed = admin.get("/exceptions?show=in_force", headers=chief).text
    assert listed.count("/exceptions/exc_") == 1
    address = "/exceptions/exc_" + listed.split("/exceptions/exc_")[1].split('"')[0]
    shown = admin.get(address, headers=chief).text
    assert "申請書14" in shown
    assert "佐伯 航" in shown
    again = _upload(town, chief, text.encode(encoding))
    assert "登録済み" in again
    assert "新しい例外はありません" in again


def _upload(town: Town, headers: dict[str, str], content: bytes) -> str:
    page = town.client().post(
        "/exceptions/import", files={"file": ("paper.csv", content, "text/csv")}, headers=headers
    )
    return page.text


def test_every_wrong_line_is_told_and_nothing_is_taken_over(town: Town) -> None:
    device, _, rule = _failing(town)
    chief = town.sign_in(town.add_person("佐伯 航", Role.ADMIN))
    end = _form(town, device, rule)["until"]
    lines = [
        "rule,scope,for,reason,measure,until",
        f"{rule},device,mnt-l-0231,古い業務ソフト,接続しない運用,",
        f"{rule},device,mnt-l-0231,古い業務ソフト,接続しない運用,2036-01-01",
        f"{rule},device,mnt-l-0231,古い業務ソフト,接続しない運用,tomorrow",
        f"nope,device,mnt-l-0231,古い業務ソフト,接続しない運用,{end}",
        f"{rule},planet,earth,古い業務ソフト,接続しない運用,{end}",
        f"{rule},person,nobody@example.jp,古い業務ソフト,接続しない運用,{end}",
        f"{rule},device,mnt-l-0231,,接続しない運用,{end}",
        f"{rule},device,mnt-l-0231,古い業務ソフト,接続しない運用,{end}",
    ]
    text = "\n".join(lines)
    plan = _upload(town, chief, text.encode())
    assert "取り込めない行が7行あります" in plan
    for line in range(2, 9):
        assert f'class="num">{line}</th>' in plan
    assert "期限がありません" in plan
    refused = town.client().post("/exceptions/import/run", data={"text": text}, headers=chief)
    assert refused.status_code == 400
    assert "/exceptions/exc_" not in town.client().get("/exceptions", headers=chief).text


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\x01\x02", b"\xff\xfe\x00h\x00i", b"rule\n" * 10, b'a,"b', b"x" * 1_100_000],
)
def test_hostile_files_are_refused_in_words(town: Town, content: bytes) -> None:
    chief = town.sign_in(town.add_person("佐伯 航", Role.ADMIN))
    answer = town.client().post(
        "/exceptions/import", files={"file": ("x.csv", content, "text/csv")}, headers=chief
    )
    assert answer.status_code in {200, 400, 413}
    assert "Take over" not in answer.text
    assert "件を取り込む" not in answer.text


def _of_person(
    town: Town, device: Device, chief: dict[str, str], own: dict[str, str], other: dict[str, str]
) -> None:
    """A person stands as their best device does, and without one nobody knows."""
    ask = town.client().get
    owner = f"/api/people/{device.owner_id}/access"
    said = ask(owner, headers=chief).json()
    (only,) = said["devices"]
    assert (said["person"], only["device"]) == (device.owner_id, device.id)
    assert said["kind"] == only["kind"]
    assert said["computed_at"] < said["valid_until"]
    assert ask(owner, headers=own).json()["kind"] == said["kind"]
    assert ask(owner, headers=other).status_code == 403
    with town.house.database.read(SYSTEM) as tx:
        nobody = identity.search_ids(tx, "大西 健太", 1)[0]
    said = ask(f"/api/people/{nobody}/access", headers=other).json()
    assert (said["kind"], said["devices"]) == ("unknown", [])
    assert ask("/api/people/per_x/access", headers=chief).status_code == 404


def test_access_is_shown_filtered_and_answered_as_json(town: Town) -> None:
    device, own, _ = _failing(town)
    chief = town.sign_in(town.add_person("佐伯 航", Role.ADMIN))
    admin = town.client()
    answer = admin.get(f"/api/devices/{device.id}/access", headers=chief).json()
    assert answer["kind"] in {"fix_by", "unknown"}
    assert answer["device"] == device.id
    assert {reason["kind"] for reason in answer["reasons"]} <= {"fix_by", "unknown", "fine"}
    with town.house.database.read(SYSTEM) as tx:
        assert controls.access_state(tx, device.id).kind == answer["kind"]
    assert device.id in admin.get(f"/devices?access={answer['kind']}", headers=chief).text
    assert device.id not in admin.get("/devices?access=not_allowed", headers=chief).text
    assert device.id in admin.get("/devices?access=nonsense", headers=chief).text
    assert admin.get(f"/api/devices/{device.id}/access", headers=own).status_code == 200
    other = town.sign_in(town.add_person("大西 健太", Role.TELEWORKER))
    assert admin.get(f"/api/devices/{device.id}/access", headers=other).status_code == 404
    _of_person(town, device, chief, own, other)
    town.clock.advance(days=60)
    late = town.sign_in(town.add_person("高橋 陽", Role.ADMIN))
    silent = admin.get(f"/api/devices/{device.id}/access", headers=late).json()
    assert silent["kind"] in {"not_allowed", "unknown"}


def test_the_templates_have_no_script_and_no_style() -> None:
    folder = Path(controls.__file__).parents[2] / "server/pages/templates/pages"
    for template in folder.glob("*exception*.html"):
        text = template.read_text(encoding="utf-8")
        assert "<script" not in text
        assert "style=" not in text

"""Self-checks, exports and documents over the whole application: who gets in, what is shown."""

import re
from typing import Any

import pytest

from pages.conftest import Town
from sekisho.controls.selfchecks import load_questionnaires
from sekisho.controls.service import applying, imports, selfcheck_lists, selfchecks
from sekisho.controls.service.selfchecks import turn_selfchecks
from sekisho.devices.service import known
from sekisho.identity.model import Role
from sekisho.kernel.principal import SYSTEM

QUESTIONS = load_questionnaires()["telework"].questions
YES = {question.id: "yes" for question in QUESTIONS}
HEAD = "Device name,Serial number,OS,Ownership,Last check-in,Encrypted\n"
# route → who is let in, of a teleworker, an auditor and somebody responsible for security
TABLE = {
    ("GET", "/my/self-checks"): "tas",
    ("GET", "/selfchecks"): "as",
    ("GET", "/selfchecks/mismatches"): "s",
    ("GET", "/selfchecks/schedules"): "s",
    ("POST", "/selfchecks"): "s",
    ("POST", "/selfchecks/schedules/x/stop"): "s",
    ("GET", "/selfchecks/rounds/x"): "as",
    ("GET", "/imports"): "as",
    ("GET", "/imports/devices"): "as",
    ("GET", "/imports/x"): "s",
    ("POST", "/imports"): "s",
    ("POST", "/imports/x/preview"): "s",
    ("POST", "/imports/x/apply"): "s",
    ("POST", "/imports/x/cancel"): "s",
    ("POST", "/imports/x/rows/1"): "s",
    ("GET", "/documents"): "as",
    ("GET", "/documents/x"): "as",
    ("POST", "/documents"): "s",
    ("POST", "/documents/x/review"): "s",
    ("POST", "/documents/x/end"): "s",
}


@pytest.fixture
def people(town: Town) -> dict[str, Any]:
    """Headers of a teleworker, an auditor and somebody responsible for security."""
    roles = {"t": Role.TELEWORKER, "a": Role.AUDITOR, "s": Role.SECURITY}
    ids = {key: town.add_person(f"{key}人", role) for key, role in roles.items()}
    return {key: town.sign_in(person) for key, person in ids.items()} | {"ids": ids}


def test_only_those_whose_task_it_is_get_in(town: Town, people: dict[str, Any]) -> None:
    for (method, address), let_in in TABLE.items():
        for key in "tas":
            body: dict[str, Any] = {} if method == "GET" else {"data": {}}
            if method == "POST" and address in ("/imports", "/documents"):
                body = {"files": {"file": ("a.csv", b"a,b")}}
            answer = town.client().request(
                method, address, headers=people[key], follow_redirects=False, **body
            )
            assert answer.status_code < 500, (method, address, answer.text)
            assert (answer.status_code != 403) == (key in let_in), (method, address, key)


def test_a_wrong_answer_on_a_phone_is_seen_by_security_and_by_nobody_else(
    town: Town, people: dict[str, Any]
) -> None:
    device = town.enrol("kaisha", owner=people["ids"]["t"])
    town.answer(device, failing=99)
    asked = town.client().post(
        "/selfchecks", headers=people["s"], follow_redirects=False,
        data={"check": "telework", "audience": "everybody", "every": "90", "open": "14",
              "remind": "5"},
    )  # fmt: skip
    assert asked.status_code == 303
    with town.house.database.write(SYSTEM) as tx:
        turn_selfchecks(tx)
    phone = town.client("public")
    listed = phone.get("/my/self-checks", headers=people["t"])
    address = listed.text.split('href="/my/self-checks/')[1].split('"')[0]
    half = phone.post(f"/my/self-checks/{address}", headers=people["t"], data={"disk": "yes"})
    assert half.status_code == 400
    assert "質問1" in half.text
    done = phone.post(
        f"/my/self-checks/{address}", headers=people["t"], data=YES, follow_redirects=False
    )
    assert done.status_code == 303

    seen = town.client().get("/selfchecks/mismatches?sort=rule&question=telework:disk",
                             headers=people["s"])  # fmt: skip
    assert "t人" in seen.text
    assert "kaisha" in seen.text
    assert "違反" not in seen.text, "nobody is blamed"
    overview = town.client().get("/selfchecks", headers=people["a"])
    assert "t人" not in overview.text
    assert "5" in overview.text
    before = town.client().get(f"/selfchecks/rounds/{address}", headers=people["a"])
    assert "締め切った後" in before.text
    assert phone.get("/selfchecks", headers=people["s"]).status_code == 404


def test_a_yes_is_silence_to_whom_it_is_not_meant_for_and_a_no_is_to_be_mended(
    town: Town, people: dict[str, Any]
) -> None:
    device = town.enrol("kaisha", owner=people["ids"]["t"])
    with town.house.database.write(SYSTEM) as tx:
        selfchecks.make_schedule(tx, selfchecks.NewSchedule("telework"))
        turn_selfchecks(tx)
        asked = selfcheck_lists.list_rounds(tx)[0].id
    desk = town.client()
    answers = YES | {"lock": "no", "antivirus": "unsure"}
    town.client("public").post(f"/my/self-checks/{asked}", headers=people["t"], data=answers)

    def told(who: str) -> dict[str, dict[str, Any]]:
        listed = desk.get(f"/api/devices/{device.id}/verdicts", headers=people[who]).json()
        return {v.pop("control"): v for v in listed if v.pop("version")}

    yes, unsure, no = "disk-encrypted", "antivirus", "screen-lock"
    for who in "st":
        assert (told(who)[yes]["verdict"], told(who)[yes]["proven"]) == ("pass", "self")
        assert told(who)[unsure]["verdict"] == "unknown"
    assert told("a")[yes] == told("a")[unsure]  # nothing tells a yes from what was never said
    assert {told(who)[no]["verdict"] for who in "ast"} == {"fail"}
    for who, shown in (("a", False), ("s", True)):
        passing = desk.get(f"/devices/{device.id}?verdict=pass", headers=people[who]).text
        assert (f"open={yes}" in passing) is shown
    kept = desk.get("/api/evidence/records?kind=control.verdict_said", headers=people["a"]).json()
    assert len(kept["records"] if isinstance(kept, dict) else kept) > 1
    assert yes not in str(kept)


def test_an_export_is_looked_at_brought_in_and_counted(town: Town, people: dict[str, Any]) -> None:
    town.enrol("kaisha", owner=people["ids"]["t"])
    hostile = "<img src=x onerror=alert(1)>"
    lines = (
        f"{hostile},NEW11111,Windows,Corporate,2026-11-23,True\n"
        "kaisha,,Linux,Corporate,2026-11-23,True\n"
    )
    admin = town.client()
    sent = admin.post(
        "/imports", headers=people["s"], follow_redirects=False,
        files={"file": ("devices.csv", (HEAD + lines).encode())},
    )  # fmt: skip
    assert sent.status_code == 303
    address = sent.headers["location"]
    columns = admin.get(address, headers=people["s"])
    assert "Microsoft Intune" in columns.text
    assert hostile not in columns.text
    wrong = admin.post(f"{address}/preview", headers=people["s"], data={"mapping": "no-such"})
    assert wrong.status_code == 400
    admin.post(f"{address}/preview", headers=people["s"], data={"mapping": "intune-devices"})
    shown = admin.get(address, headers=people["s"])
    assert hostile not in shown.text
    assert "kaisha" in shown.text
    admin.post(f"{address}/apply", headers=people["s"])
    with town.house.database.write(SYSTEM) as tx:
        folder = imports.imports_folder(town.house.settings)
        assert applying.apply_imports(tx, folder) == 2
        assert applying.apply_imports(tx, folder) == 0
        assert {device.name for device in known.list_known(tx)} == {"kaisha"}
    alone = admin.get("/imports/devices", headers=people["a"])
    assert "NEW11111" in alone.text
    home = admin.get("/", headers=people["s"])
    assert home.status_code == 200
    assert hostile not in home.text


def test_a_mapping_can_be_put_together_in_the_page(town: Town, people: dict[str, Any]) -> None:
    admin = town.client()
    text = (
        "コンピュータ名,製造番号,OS名,最終通信日時,暗号化の有無\n"
        "K-1,5CG1234ABC,Windows 11,令和8年11月20日,済\n"
    )
    sent = admin.post(
        "/imports", headers=people["s"], follow_redirects=False,
        files={"file": ("資産.csv", text.encode("cp932"))},
    )  # fmt: skip
    address = sent.headers["location"]
    form = {
        "mapping": "own", "id": "our-list", "title": "資産台帳", "name": "0", "serial": "1",
        "platform": "2", "seen": "3", "zone": "Asia/Tokyo", "order": "auto", "days": "30",
        "control0": "disk-encrypted", "column0": "4", "pass0": "済、完了", "fail0": "未",
    }  # fmt: skip
    for field, value in (("id", "Our List"), ("days", "0"), ("column0", "99"), ("zone", "Mars")):
        bad = admin.post(
            f"{address}/preview", headers=people["s"], data=form | {field: value},
            follow_redirects=False,
        )  # fmt: skip
        assert bad.status_code == 400, field
    made = admin.post(f"{address}/preview", headers=people["s"], data=form, follow_redirects=False)
    assert made.status_code == 303
    again = admin.post(
        "/imports", headers=people["s"], follow_redirects=False,
        files={"file": ("b.csv", text.encode())},
    )  # fmt: skip
    again = admin.get(again.headers["location"], headers=people["s"])
    assert "資産台帳" in again.text, "it is offered the next time"


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"a,b\n", b"\xff\xfe\x00", b'"' * 1000, b"a,b\n1,\x00\n"]
)
def test_what_is_no_export_is_told_on_the_page(
    town: Town, people: dict[str, Any], content: bytes
) -> None:
    answer = town.client().post(
        "/imports", headers=people["s"], files={"file": ("x.csv", content)}, follow_redirects=False
    )
    if answer.status_code == 303:  # headings and nothing else: told with the mapping
        answer = town.client().post(
            answer.headers["location"] + "/preview", headers=people["s"],
            data={"mapping": "intune-devices"},
        )  # fmt: skip
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text


def test_a_document_is_handed_in_by_one_and_accepted_by_another(
    town: Town, people: dict[str, Any]
) -> None:
    other = town.sign_in(town.add_person("別の人", Role.SECURITY))
    form = {"control": "restore-test", "title": "<b>記録</b>", "scope": "organisation",
            "from": "2026-11-01", "until": "2027-03-31", "note": ""}  # fmt: skip
    admin = town.client()
    no_file = admin.post("/documents", headers=people["s"], data=form)
    assert no_file.status_code == 400
    sent = admin.post(
        "/documents", headers=people["s"], data=form, follow_redirects=False,
        files={"file": ("記録.pdf", b"%PDF-1.7")},
    )  # fmt: skip
    assert sent.status_code == 303
    address = sent.headers["location"]
    own = admin.post(f"{address}/review", headers=people["s"], data={"decision": "accept"})
    assert own.status_code == 400
    town.clock.advance(minutes=20)  # a session left open: the form waits for a fresh proof
    late = admin.post(
        f"{address}/review", headers=other, data={"decision": "accept"}, follow_redirects=False
    )
    assert (late.status_code, "again=1" in late.headers["location"]) == (303, True)
    other = town.sign_in(town.add_person("別の人たち", Role.SECURITY))
    done = admin.post(
        f"{address}/review", headers=other, data={"decision": "accept"}, follow_redirects=False
    )
    assert done.status_code == 303
    page = admin.get(address, headers=other)
    assert "<b>記録</b>" not in page.text
    assert "承認済み" in page.text
    saved = admin.get(f"{address}/file", headers=other)
    assert saved.content == b"%PDF-1.7"
    assert saved.headers["content-disposition"].startswith("attachment")


def test_every_schedule_is_found_and_can_be_stopped(town: Town, people: dict[str, Any]) -> None:
    form = {"check": "telework", "audience": "everybody", "open": "3", "remind": "0"}
    for days in range(10, 17):
        sent = form | {"every": str(days)}
        town.client().post("/selfchecks", headers=people["s"], data=sent, follow_redirects=False)
    overview = town.client().get("/selfchecks", headers=people["s"]).text
    assert overview.count('data-dialog="stop-') == 5
    assert "7件の予定をすべて見る" in overview
    path = "/selfchecks/schedules?sort=-every"
    listed = town.client().get(path, headers=people["s"]).text
    assert re.findall(r"<td[^>]*>(\d+)日ごと", listed) == [str(n) for n in range(16, 9, -1)]
    first = re.search(r"/selfchecks/schedules/\w+/stop", listed)
    assert first is not None
    gone = town.client().post(first[0], headers=people["s"], follow_redirects=False)
    assert (gone.status_code, gone.headers["location"]) == (303, "/selfchecks/schedules")
    over = town.client().get("/selfchecks/schedules?status=over", headers=people["s"]).text
    assert (over.count("<tr class"), over.count("16日ごと")) == (1, 1)
    none = town.client().get("/selfchecks/schedules?q=%25x", headers=people["s"]).text
    assert "当てはまる予定はありません" in none

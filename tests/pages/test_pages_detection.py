"""Detection rules over the real pages: looked at before they count, decided about, never run."""

import pytest

from detection.test_detection_library import Shelf, pack, rule_id, write_rule
from pages.conftest import Town
from sekisho.detection import service
from sekisho.identity.model import Role

HOSTILE = "<script>alert(1)</script>"


def _upload(town: Town, who: dict[str, str], content: bytes, name: str = "Ours") -> str:
    sent = town.client().post(
        "/detection/sources/upload", headers=who, data={"name": name, "source_id": ""},
        files={"file": ("rules.zip", content, "application/zip")}, follow_redirects=False,
    )  # fmt: skip
    assert sent.status_code == 303, sent.text
    service.turn_staged(town.house.database, Shelf(b""))
    return str(sent.headers["location"])


def _post(town: Town, who: dict[str, str], path: str, **data: str) -> int:
    return town.client().post(path, headers=who, data=data, follow_redirects=False).status_code


def _take(town: Town, who: dict[str, str], content: bytes) -> None:
    staged = _upload(town, who, content)
    assert _post(town, who, f"{staged}/approve") == 303
    service.turn_staged(town.house.database, Shelf(b""))


def test_rules_are_looked_at_before_they_count(town: Town, guard: dict[str, str]) -> None:
    broken = b"title: x\nlogsource: {product: windows}\ndetection: {a: {b|nope: c}, condition: a}\n"
    files = {"a.yml": write_rule(1), "b.yml": write_rule(2), "c.yml": broken}
    staged = _upload(town, guard, pack(files))
    page = town.client().get(staged, headers=guard).text
    assert "Sample 1 mimi" in page
    assert "c.yml:3" in page
    assert "Sample" not in town.client().get("/detection/rules", headers=guard).text
    assert _post(town, guard, f"{staged}/approve") == 303
    assert "取り込み中" in town.client().get("/detection/sources", headers=guard).text
    service.turn_staged(town.house.database, Shelf(b""))
    assert "Sample 2 mimi" in town.client().get("/detection/rules", headers=guard).text
    assert town.client().get(staged, headers=guard).status_code == 404


def test_a_broken_upload_says_what_to_do_and_can_be_discarded(
    town: Town, guard: dict[str, str]
) -> None:
    staged = _upload(town, guard, b"PK\x03\x04broken")
    assert "パスワードのない通常のZIP" in town.client().get(staged, headers=guard).text
    assert _post(town, guard, f"{staged}/approve") == 409
    assert _post(town, guard, f"{staged}/discard") == 303
    assert town.client().get(staged, headers=guard).status_code == 404


def test_a_rule_gets_a_level_of_ones_own_and_is_held_back_for_a_time(
    town: Town, guard: dict[str, str]
) -> None:
    _take(town, guard, pack({"a.yml": write_rule(1)}))
    rule = f"/detection/rules/{rule_id(1)}"
    assert _post(town, guard, f"{rule}/tune", level="low", reason="") == 400
    assert _post(town, guard, f"{rule}/tune", level="low", reason="社内では日常") == 303
    wrong = town.client().post(
        f"{rule}/suppress", headers=guard,
        data={"condition": "User|nope: x", "why": "定期処理", "ends_on": "2027-01-31"},
    )  # fmt: skip
    assert wrong.status_code == 400
    assert "User|nope: x" in wrong.text  # nothing that was typed is lost
    for day in ("2026-02-30", "tomorrow", "2031-01-01"):
        assert _post(town, guard, f"{rule}/suppress", condition="", why="x", ends_on=day) == 400
    said = {"condition": "User: svc", "why": "定期処理", "ends_on": "2027-01-31"}
    assert _post(town, guard, f"{rule}/suppress", **said) == 303
    page = town.client().get(rule, headers=guard).text
    assert "社内では日常" in page
    assert "定期処理" in page
    listed = town.client().get(f"/api/detection/rules?search={rule_id(1)}", headers=guard)
    (found,) = listed.json()["rules"]
    assert (found["level"], found["written_level"], found["suppressions"]) == ("low", "high", 1)
    held = town.client().get("/detection/suppressions", headers=guard).text
    made = held.split("/detection/suppressions/sup_", 1)[1].split("/", 1)[0]
    assert _post(town, guard, f"/detection/suppressions/sup_{made}/end", rule_id="") == 303
    assert "抑制している一致はありません" in town.client().get(rule, headers=guard).text
    assert _post(town, guard, f"{rule}/tune", level="") == 303
    assert "ルールの記載どおり" in town.client().get(rule, headers=guard).text


def test_coverage_leads_to_the_rules_of_a_technique(town: Town, guard: dict[str, str]) -> None:
    _take(town, guard, pack({"a.yml": write_rule(1, tag="t1562.001")}))
    page = town.client().get("/detection/coverage", headers=guard).text
    assert 'href="/detection/rules?technique=T1685"' in page
    for technique in ("T1685", "T1562.001"):  # both versions lead there
        listed = town.client().get(f"/detection/rules?technique={technique}", headers=guard).text
        assert "Sample 1" in listed
    cells = town.client().get("/api/detection/coverage", headers=guard).json()["cells"]
    assert "T1685" in {c["technique"] for c in cells if c["rules"]}


def test_what_a_rule_says_is_shown_and_never_run(town: Town, guard: dict[str, str]) -> None:
    _take(town, guard, pack({f"{HOSTILE}.yml": write_rule(1, word=f"'{HOSTILE}'")}))
    for path in ("/detection/rules", f"/detection/rules/{rule_id(1)}"):
        main = town.client().get(path, headers=guard).text.split("<main", 1)[1]
        assert "<script" not in main
    assert "&lt;script&gt;alert(1)" in main


def test_an_address_is_kept_on_the_page_that_refuses_it(town: Town, guard: dict[str, str]) -> None:
    answer = town.client().post(
        "/detection/sources/address", headers=guard,
        data={"address_name": "Web", "address": "http://rules.example/r.zip"},
    )  # fmt: skip
    assert answer.status_code == 400
    assert "http://rules.example/r.zip" in answer.text


@pytest.mark.parametrize("role", [Role.MANAGER, Role.TELEWORKER, Role.AUDITOR])
def test_who_may_not_write_changes_nothing(town: Town, guard: dict[str, str], role: Role) -> None:
    _take(town, guard, pack({"a.yml": write_rule(1)}))
    who = town.sign_in(town.add_person("誰か", role))
    rule = f"/detection/rules/{rule_id(1)}"
    assert _post(town, who, f"{rule}/tune", level="off", reason="x") == 403
    assert _post(town, who, "/detection/sources/src_sekisho/remove") == 403
    sent = town.client().post(
        "/detection/sources/upload", headers=who, data={"name": "n"},
        files={"file": ("r.yml", b"x", "text/plain")}, follow_redirects=False,
    )  # fmt: skip
    assert sent.status_code == 403
    may_read = role is Role.AUDITOR
    assert (town.client().get(rule, headers=who).status_code == 200) is may_read


WINDOWS_EVENT = (
    '{"Event": {"System": {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": 1},'
    ' "EventData": {"CommandLine": "%s", "Image": "C:\\\\x.exe"}}}'
)


def test_a_rule_says_why_it_matches_an_event_or_not(town: Town, guard: dict[str, str]) -> None:
    _take(town, guard, pack({"a.yml": write_rule(1)}))
    address = f"/detection/rules/{rule_id(1)}/why"

    def ask(text: str) -> str:
        answer = town.client().post(address, headers=guard, data={"event": text})
        assert answer.status_code in {200, 400}
        return answer.text

    matched = ask(WINDOWS_EVENT % "run mimi now")
    assert "このイベントに一致します" in matched
    assert "run mimi now" in matched
    missed = ask(WINDOWS_EVENT % "run something else")
    assert "一致しません" in missed
    assert "CommandLine" in missed
    other = ask(WINDOWS_EVENT.replace('"EventID": 1', '"EventID": 3') % "mimi")
    assert "このルールの対象ではない種類" in other
    for junk in ("", "[]", "{", "1", "{}", "[" * 5_000):
        assert "JSON" in ask(junk)

"""A report over the real pages: sent with a photo from anywhere, answered, and never executed."""

import re

import pytest

from cases.test_cases_pictures import JPEG, PNG, SECRET
from pages.conftest import Town
from sekisho.identity.model import Role

HOSTILE = (
    "<script>alert(1)</script>\n[click](javascript:alert(1)) **bold**\n"
    "<img src=x onerror=alert(1)>\n"
    "{{ 7*7 }} ![x](https://evil.example/x.png)"
)

EMPTY = {"photo": ("", b"", "application/octet-stream")}  # what a browser sends for no file


def _send(town: Town, who: dict[str, str], text: str = "不審な画面", **files: object) -> str:
    sent = town.client("public").post(
        "/my/reports", headers=who, data={"kind": "strange", "text": text},
        files=files or EMPTY, follow_redirects=False,  # type: ignore[arg-type]  # as httpx takes them
    )  # fmt: skip
    assert sent.status_code == 303, sent.text
    return str(sent.headers["location"]).split("?", 1)[0]


def _post(
    town: Town, who: dict[str, str], path: str, data: dict[str, str], listener: str = "admin"
) -> None:
    done = town.client(listener).post(path, headers=who, data=data, follow_redirects=False)
    assert done.status_code == 303, done.text


def test_a_report_is_sent_and_its_photo_is_only_a_download(town: Town) -> None:
    her = town.sign_in(town.add_person("高橋 遥", Role.TELEWORKER))
    csirt = town.sign_in(town.add_person("森下 彩", Role.CSIRT))
    public, admin = town.client("public"), town.client()
    assert public.get("/my/reports/new", headers=her).status_code == 200
    mine = _send(town, her, photo=("screen.png", JPEG, "text/html"))
    page = public.get(f"{mine}?made=1", headers=her).text
    assert "セキュリティ担当に届きました" in page
    assert "LANケーブルを抜き" in page
    report = admin.get(mine.removeprefix("/my"), headers=csirt).text
    link = re.search(r"/reports/rpt_\w+/photos/pho_\w+", report)
    assert link
    photo = admin.get(link[0], headers=csirt)
    assert photo.headers["content-type"] == "application/octet-stream"
    assert photo.headers["content-disposition"] == 'attachment; filename="screen.jpg"'
    assert photo.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert photo.headers["x-content-type-options"] == "nosniff"
    assert SECRET not in photo.content


def test_a_report_is_answered_and_its_maker_sees_the_answer_alone(town: Town) -> None:
    her = town.sign_in(town.add_person("高橋 遥", Role.TELEWORKER))
    csirt = town.sign_in(town.add_person("森下 彩", Role.CSIRT))
    public, admin = town.client("public"), town.client()
    mine = _send(town, her)
    assert "高橋 遥" in admin.get("/reports", headers=csirt).text
    report = mine.removeprefix("/my")
    said = {"text": "電源は切らずにお待ちください。", "for": "reporter"}
    _post(town, csirt, f"{report}/answer", said)
    note = {"text": "内部メモ-XYZ", "for": "colleagues"}
    _post(town, csirt, f"{report}/answer", note)
    assert "内部メモ-XYZ" in admin.get(report, headers=csirt).text
    page = public.get(mine, headers=her).text
    assert "電源は切らずにお待ちください。" in page
    assert "内部メモ-XYZ" not in page
    _post(town, her, f"{mine}/reply", {"text": "はい"}, "public")
    _post(town, csirt, f"{report}/take", {})
    _post(town, csirt, f"{report}/close", {})
    assert "完了" in admin.get(report, headers=csirt).text
    listed = admin.get("/api/reports", headers=csirt).json()
    assert (listed["total"], listed["reports"][0]["status"]) == (1, "closed")
    assert len(admin.get(f"/api{report}", headers=csirt).json()["messages"]) == 3


def test_hostile_words_stay_words(town: Town) -> None:
    her = town.sign_in(town.add_person("高橋 遥", Role.TELEWORKER))
    csirt = town.sign_in(town.add_person("森下 彩", Role.CSIRT))
    mine = _send(town, her, HOSTILE)
    pages = [town.client("public").get(mine, headers=her).text,
             town.client().get(mine.removeprefix("/my"), headers=csirt).text,
             town.client().get("/reports", headers=csirt).text]  # fmt: skip
    for page in pages:
        main = page.split("<main", 1)[1]
        assert "<script" not in main
        assert "<img" not in main
        assert "javascript:" not in re.sub(r">[^<]*<", "><", main)
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in main
    assert "{{ 7*7 }}" in pages[0]


def test_whoever_reads_evidence_alone_does_not_read_reports_in_it(town: Town) -> None:
    her = town.sign_in(town.add_person("高橋 遥", Role.TELEWORKER))
    csirt = town.sign_in(town.add_person("森下 彩", Role.CSIRT))
    chief = town.sign_in(town.add_person("相沢 誠", Role.EXECUTIVE))
    _send(town, her, "怪しいメールXYZ")
    admin, listed = town.client(), "/api/evidence/records?kind=case.reported"
    (record,) = admin.get(listed, headers=chief).json()["records"]
    assert (record["detail"], record["needs"]) == (None, "cases.read")
    page = admin.get(f"/evidence/{record['id']}", headers=chief).text
    assert "読むには権限 cases.read が必要です" in page
    assert "怪しいメールXYZ" not in page
    assert admin.get("/api/evidence/records?search=XYZ", headers=chief).json()["records"] == []
    assert "怪しいメールXYZ" in admin.get(f"/evidence/{record['id']}", headers=csirt).text


@pytest.mark.parametrize(
    ("name", "content"),
    [("x.svg", b"<svg onload=alert(1)>"), ("x.html", b"<script>alert(1)</script>"),
     ("x.png", PNG[:30]), ("x.exe", b"MZ\x90\x00")],
)  # fmt: skip
def test_a_file_that_is_no_picture_is_refused_and_the_words_are_kept(
    town: Town, name: str, content: bytes
) -> None:
    her = town.sign_in(town.add_person("高橋 遥", Role.TELEWORKER))
    answer = town.client("public").post(
        "/my/reports", headers=her, data={"kind": "mail", "text": "届いたメール<b>"},
        files={"photo": (name, content, "image/png")},
    )  # fmt: skip
    assert answer.status_code == 400
    assert "この画像は受け取れません" in answer.text
    assert "届いたメール&lt;b&gt;" in answer.text
    assert "まだありません" in town.client("public").get("/my/reports", headers=her).text


def test_a_body_that_is_too_large_is_refused(town: Town) -> None:
    her = town.sign_in(town.add_person("高橋 遥", Role.TELEWORKER))
    answer = town.client("public").post(
        "/my/reports", headers=her, data={"kind": "mail", "text": "x"},
        files={"photo": ("x.png", PNG + bytes(32 * 1024 * 1024), "image/png")},
    )  # fmt: skip
    assert answer.status_code == 413


def test_a_forged_form_and_strangers_are_refused(town: Town) -> None:
    her = town.sign_in(town.add_person("高橋 遥", Role.TELEWORKER))
    ren = town.sign_in(town.add_person("蓮", Role.TELEWORKER))
    mine = _send(town, her)
    public, admin = town.client("public"), town.client()
    forged = {name: value for name, value in her.items() if name != "X-CSRF-Token"}
    form = {"kind": "mail", "text": "x"}
    assert public.post("/my/reports", headers=forged, data=form, files=EMPTY).status_code == 403
    assert public.get(mine, headers=ren).status_code == 404
    assert public.post(f"{mine}/reply", headers=ren, data={"text": "x"}).status_code == 404
    assert admin.get("/reports", headers=ren).status_code == 403
    assert admin.get(mine.removeprefix("/my"), headers=ren).status_code == 403
    assert public.get("/reports", headers=ren).status_code == 404

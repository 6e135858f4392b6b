"""Stops of the tour about proofs that no machine gives: self-checks, exports, documents."""

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from support.visiting import query, wait_until

WAIT_SECONDS = 60
HEAD = "Device name,Serial number,Primary user UPN,OS,Ownership,Last check-in,Encrypted\n"
LINES = (
    "mnt-l-0231,,saeki@example.jp,Windows,Corporate,2026-11-20 04:12:00,True\n"
    "MNT-L-0514,PF4D2K7Q,mori@example.jp,Windows,Corporate,2026-11-21 23:40:00,True\n"
    "MNT-L-0515,PF4D2K8R,ota@example.jp,Windows,Corporate,2026-11-21 08:02:00,False\n"
    "MAC-0034,C02F91XYMD6R,hara@example.jp,macOS,Corporate,2026-11-19 01:15:00,True\n"
    "NEW-PC,To be filled by O.E.M.,saeki@example.jp,Windows,Corporate,2026-11-21 09:00:00,True\n"
    "my-macbook,C02XYZ99ABCD,kato@example.jp,macOS,Personal,2026-11-21 10:00:00,True\n"
    "iPhone-88,F4GH5678JK,ota@example.jp,iOS,Corporate,2026-11-21 10:00:00,True\n"
    "MNT-L-0516,PF4D2K9S,abe@example.jp,Windows,Corporate,03/04/2026,True\n"
)
TITLE = "復元テストの記録（2026年11月）"
JAPANESE = (
    "コンピュータ名,製造番号,使用者,OS名,最終通信日時,ドライブ暗号化の状態\n"
    "KEIRI-01,5CG1234ABC,山本,Microsoft Windows 11 Pro,令和8年11月20日 9時15分,済\n"
    "KEIRI-02,5CG1234ABD,井上,Microsoft Windows 11 Pro,2026/11/19 18:02,未\n"
)
# What people and programs wrote, in whatever language.
DATA = [TITLE, "資産一覧.csv", "復元テスト記録.pdf", *re.split(r"[,\n]", JAPANESE)]


def settle_proofs(town: Any) -> None:
    """Ask everybody, answer "yes" to all, bring in an export, hand in a document."""
    page = town.admin.new_page()
    page.goto(town.url("/selfchecks"))
    with page.expect_navigation():
        page.click("form[action='/selfchecks'] button[type=submit]")
    wait_until(lambda: query(town.up, "SELECT 1 FROM selfcheck_rounds"), WAIT_SECONDS, "a round")
    town.devices["round"] = str(query(town.up, "SELECT id FROM selfcheck_rounds")[0][0])
    answer_yes(page, town.url(f"/my/self-checks/{town.devices['round']}"))
    town.devices["import_preview"] = preview(town, page)
    town.devices["import_done"] = preview(town, page)
    with page.expect_navigation():
        page.click("form[action$='/apply'] button")
    town.devices["import_draft"] = upload(town, page, "資産一覧.csv", JAPANESE.encode("cp932"))
    town.devices["document"] = hand_in(town, page)
    wait_until(
        lambda: query(town.up, "SELECT 1 FROM imports WHERE state = 'done'"), WAIT_SECONDS,
        "an import",
    )  # fmt: skip
    page.close()


def answer_yes(page: Page, address: str) -> None:
    """Answer every question with yes."""
    page.goto(address)
    for label in page.locator("fieldset.question .replies label:first-child").all():
        label.click()
    with page.expect_navigation():
        page.click("form.questions button[type=submit]")


def upload(town: Any, page: Page, name: str, content: bytes) -> str:
    """Choose a file; return the id of the import."""
    path = Path(town.folder) / name
    path.write_bytes(content)
    page.goto(town.url("/imports"))
    page.set_input_files("#file", path)
    with page.expect_navigation():
        page.click("form[action='/imports'] button[type=submit]")
    return page.url.rpartition("/")[2]


def preview(town: Any, page: Page) -> str:
    """Bring an export of Intune as far as its preview; return its id."""
    made = upload(town, page, "DevicesWithInventory.csv", (HEAD + LINES).encode())
    with page.expect_navigation():
        page.click("form[action$='/preview'] button[type=submit]")
    return made


def hand_in(town: Any, page: Page) -> str:
    """Hand a document in; return its id."""
    page.goto(town.url("/documents"))
    page.fill("#title", TITLE)
    page.fill("#from", "2026-11-01")
    page.fill("#until", "2027-05-31")
    page.set_input_files("#file", {
        "name": "復元テスト記録.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7\n",
    })  # fmt: skip
    with page.expect_navigation():
        page.click("form[action='/documents'] button[type=submit]")
    return page.url.rpartition("/")[2]


def _go(path: str) -> Any:
    return lambda town, page: page.goto(town.url(path.format(**town.devices)))


def _half_answered(town: Any, page: Page) -> None:
    """Send the page without its required answers, as a browser without checks would."""
    _go("/my/self-checks/{round}")(town, page)
    page.evaluate(
        "() => { const f = document.querySelector('form.questions'); f.noValidate = true;"
        " f.querySelectorAll('[name=disk]').forEach((i) => { i.checked = false; }); }"
    )
    with page.expect_navigation():
        page.click("form.questions button[type=submit]")


def _wrong_file(town: Any, page: Page) -> None:
    page.goto(town.url("/imports"))
    page.set_input_files("#file", {
        "name": "list.xlsx", "mimeType": "application/zip", "buffer": b"PK\x03\x04",
    })  # fmt: skip
    with page.expect_navigation():
        page.click("form[action='/imports'] button[type=submit]")


PROOFS: dict[str, Any] = {
    "selfchecks": _go("/selfchecks"),
    "selfcheck_round": _go("/selfchecks/rounds/{round}"),
    "schedules": _go("/selfchecks/schedules"),
    "schedules_none": _go("/selfchecks/schedules?q=nobody-of-the-kind&status=over"),
    "mismatches": _go("/selfchecks/mismatches"),
    "mismatches_none": _go("/selfchecks/mismatches?q=nobody-of-the-kind"),
    "my_checks": _go("/my/self-checks"),
    "my_check": _go("/my/self-checks/{round}?saved=1"),
    "my_check_wrong": _half_answered,
    "imports": _go("/imports"),
    "imports_wrong": _wrong_file,
    "import_columns": _go("/imports/{import_draft}"),
    "import_preview": _go("/imports/{import_preview}"),
    "import_done": _go("/imports/{import_done}"),
    "imported": _go("/imports/devices"),
    "documents": _go("/documents"),
    "document": _go("/documents/{document}"),
}

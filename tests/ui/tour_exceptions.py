"""Exceptions for the tour: one asked for, some taken over from paper, and their pages."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.sync_api import Page

Walk = Callable[[Any, Page], None]

LINES = (
    "rule,scope,for,reason,measure,until,since,asked by,source\n"
    "uac-on,person,takahashi@example.jp,古い会計ソフトが管理者の確認画面で止まるため,"
    "その端末は社内網に接続しない,{soon},2026-03-02,高橋 遥,例外申請書 2026-014\n"
    "backup,person,takahashi@example.jp,外付けディスクを手配中のため,"
    "毎日の終わりに共有フォルダーへ写す,{later},2026-10-01,高橋 遥,例外申請書 2026-022\n"
)
# What was typed here, in whatever language the page is.
TYPED = [
    "古い会計ソフトが管理者の確認画面で止まるため", "その端末は社内網に接続しない",
    "外付けディスクを手配中のため", "毎日の終わりに共有フォルダーへ写す",
    "業務で使う古いソフトが、この設定では動かないため",
    "そのソフトを使うとき以外は、社内ネットワークに接続しない",
    "例外申請書 2026-014", "例外申請書 2026-022", "例外申請書",
    "nobody@example.jp", "田中 結衣", "古い業務ソフトのため", "社内網に接続しない",
]  # fmt: skip
WRONG = "uac-on,person,nobody@example.jp,古い会計ソフト,接続しない運用,,2026-03-02,高橋 遥,\n"


def settle_exceptions(town: Any) -> None:
    """Ask for an exception on one's own page, and take two over from paper."""
    page = town.admin.new_page()
    page.goto(town.url(f"/my/exceptions/new?device={town.devices['mnt-l-0231']}"))
    rule = page.locator("#rule option").nth(1).get_attribute("value")
    page.select_option("#rule", rule)
    page.fill("#reason", "業務で使う古いソフトが、この設定では動かないため")
    page.fill("#measure", "そのソフトを使うとき以外は、社内ネットワークに接続しない")
    page.fill("#until", _day(5))
    with page.expect_navigation():
        page.click("form[action='/my/exceptions'] button[type=submit]")
    town.devices["asked"] = page.url.rpartition("/")[2]
    read_paper(town, page, _lines())
    with page.expect_navigation():
        page.click("form[action='/exceptions/import/run'] button")
    page.locator("tr.row th a").first.click()
    page.wait_for_url("**/exceptions/exc_*")
    town.devices["excepted"] = page.url.rpartition("/")[2]
    page.close()


def _day(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


def _lines() -> str:
    return LINES.format(soon=_day(9), later=_day(28))


def read_paper(town: Any, page: Page, text: str) -> None:
    """Read a file in as far as its plan."""
    page.goto(town.url("/exceptions/import"))
    page.set_input_files(
        "#file", {"name": "paper.csv", "mimeType": "text/csv", "buffer": text.encode()}
    )
    with page.expect_navigation():
        page.click("form[action='/exceptions/import'] button[type=submit]")


def _go(path: str) -> Walk:
    def walk(town: Any, page: Page) -> None:
        page.goto(town.url(path.format(**town.devices)))

    return walk


def _dialog(town: Any, page: Page) -> None:
    page.goto(town.url(f"/exceptions/{town.devices['excepted']}"))
    page.click("[data-dialog=revoke]")


EXCEPTION_STOPS: dict[str, Walk] = {
    "exceptions": _go("/exceptions"),
    "exceptions_no_match": _go("/exceptions?q=nothing-of-the-kind"),
    "exception_asked": _go("/exceptions/{asked}"),
    "exception_in_force": _go("/exceptions/{excepted}"),
    "exception_revoke": _dialog,
    "exception_new": _go("/exceptions/new?q=mnt&rule=uac-on"),
    "exception_renew": _go("/exceptions/new?renews={excepted}"),
    "exception_import": _go("/exceptions/import"),
    "exception_plan": lambda town, page: read_paper(town, page, _lines()),
    "exception_faults": lambda town, page: read_paper(town, page, _lines() + WRONG),
    "my_decision": _go("/my/decisions/{asked}"),
    "my_exceptions": _go("/my/exceptions"),
    "my_exception": _go("/my/exceptions/{asked}"),
    "my_exception_new": _go("/my/exceptions/new"),
    "devices_by_access": _go("/devices?access=unknown"),
}

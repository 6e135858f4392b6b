"""The two scripts in a real browser: manners of a page, and pages that stay true by themselves."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from support.browser import running_chromium
from ui.gallery import serve_gallery

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serve_gallery() as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_chromium() as found:
        yield found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()


def test_theme_turns_at_once_and_is_remembered(page: Page, address: str) -> None:
    page.goto(f"{address}/overview?lang=ja&theme=light")
    page.get_by_role("button", name="明るい表示と暗い表示を切り替える").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(26, 26, 26)"
    cookies = {c["name"]: c["value"] for c in page.context.cookies()}
    assert cookies["sekisho_theme"] == "dark"


def test_slash_goes_to_the_search_of_the_page_and_is_typed_inside_it(
    page: Page, address: str
) -> None:
    page.goto(f"{address}/devices?lang=en&theme=light")
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#q")).to_have_value("/")


def test_rows_are_walked_by_keyboard(page: Page, address: str) -> None:
    page.goto(f"{address}/devices?lang=en&theme=light")
    rows = page.locator("tr.row th a")
    page.keyboard.press("j")
    expect(rows.nth(0)).to_be_focused()
    page.keyboard.press("j")
    expect(rows.nth(1)).to_be_focused()
    page.keyboard.press("k")
    expect(rows.nth(0)).to_be_focused()


def test_first_tab_offers_to_skip_to_the_content(page: Page, address: str) -> None:
    page.goto(f"{address}/overview?lang=en&theme=light")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_a_phone_opens_and_closes_the_navigation(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{address}/overview?lang=en&theme=light")
    links = page.get_by_role("navigation", name="Main pages").get_by_role("link", name="Devices")
    expect(links).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    expect(links).to_be_visible()
    page.keyboard.press("Escape")
    expect(links).to_be_hidden()


def test_a_command_is_copied(page: Page, address: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{address}/kits_none?lang=en&theme=light")
    page.get_by_role("button", name=re.compile("^Copy")).click()
    assert page.evaluate("navigator.clipboard.readText()") == "sekisho up --yes"


def test_a_change_elsewhere_refreshes_only_the_regions_it_touches(page: Page, address: str) -> None:
    def tell(route: Route) -> None:
        route.fulfill(content_type="text/event-stream",
                      body="retry: 600000\nevent: changed\ndata: control\n\n")  # fmt: skip

    page.route("**/events", tell)
    page.goto(f"{address}/device?lang=en&theme=light")
    page.evaluate("document.querySelector('#verdicts h2').textContent = 'old'")
    page.evaluate("document.querySelector('#h-sees').textContent = 'kept'")
    expect(page.locator("#verdicts h2")).to_have_text("Verdict by rule", timeout=8000)
    expect(page.locator("#h-sees")).to_have_text("kept")


def test_an_open_row_closes_in_place(page: Page, address: str) -> None:
    page.goto(f"{address}/device?lang=en&theme=light")
    opener = page.locator("#verdicts").get_by_role("link", name="Disk encryption is on")
    expect(opener).to_have_attribute("aria-expanded", "true")
    with page.expect_request(lambda r: "open=-" in r.url):
        opener.click()
    assert page.locator("main").count() == 1

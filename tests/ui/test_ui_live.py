"""Open pages of a running installation stay true by themselves, and need no mouse."""

import re
from collections.abc import Iterator

import psutil
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from ui.tour_town import Town, open_town, register

pytestmark = pytest.mark.browser

PC = "mnt-l-0231"
LIVE_MS = 15_000
RETURN_MS = 60_000


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with open_town(tmp_path_factory.mktemp("live")) as made:
        register(made)
        made.enrol(PC, "company")
        yield made


@pytest.fixture
def page(town: Town) -> Iterator[Page]:
    """A page in English, marked so that a reload would be noticed."""
    yield from opened(town.admin, town)


@pytest.fixture
def other(town: Town) -> Iterator[Page]:
    yield from opened(town.admin, town)


def opened(context: BrowserContext, town: Town) -> Iterator[Page]:
    cookie = {"name": "sekisho_language", "value": "en", "url": town.up.url}
    context.add_cookies([cookie])  # type: ignore[list-item] # a plain dict of its shape
    page = context.new_page()
    yield page
    page.close()


def open_marked(page: Page, address: str) -> None:
    """Open a page and leave a mark in it that only a reload takes away."""
    with page.expect_response("**/events"):
        page.goto(address)
    page.evaluate("window.untouched = true")


def is_untouched(page: Page) -> bool:
    return bool(page.evaluate("window.untouched === true"))


def answer_again(town: Town, failing: int) -> None:
    """Ask the device everything again, as a person would, and let it answer."""
    page = town.admin.new_page()
    page.goto(town.url(f"/devices/{town.devices[PC]}"))
    page.locator("form[action$='/check'] button").first.click()
    page.close()
    assert town.answer(PC, failing) > failing


def failing_words(count: int) -> re.Pattern[str]:
    return re.compile(rf"{count} rules? fails?")


def test_a_verdict_that_turns_changes_every_open_page_without_a_reload(
    town: Town, page: Page, other: Page
) -> None:
    open_marked(page, town.url("/"))
    open_marked(other, town.url(f"/devices/{town.devices[PC]}"))
    expect(other.locator("#top .status")).to_contain_text(re.compile("rules? (is|are) unknown"))
    answer_again(town, failing=2)
    expect(other.locator("#top .status")).to_contain_text(failing_words(2), timeout=LIVE_MS)
    expect(other.locator("#verdicts tr.row .v-fail")).to_have_count(2, timeout=LIVE_MS)
    expect(page.locator("#today .todo")).to_contain_text(PC, timeout=LIVE_MS)
    answer_again(town, failing=0)
    expect(other.locator("#verdicts tr.row .v-fail")).to_have_count(0, timeout=LIVE_MS)
    expect(page.locator("#today")).not_to_contain_text(PC, timeout=LIVE_MS)
    assert is_untouched(page)
    assert is_untouched(other)


def test_check_now_shows_how_far_it_has_come_until_it_is_done(town: Town, page: Page) -> None:
    open_marked(page, town.url(f"/devices/{town.devices[PC]}"))
    page.get_by_role("button", name="Check now").first.click()
    progress = page.locator("#top .progress")
    expect(progress).to_contain_text("Waiting for the device's next call")
    page.evaluate("window.untouched = true")
    town.answer(PC)  # the same verdicts as before: no record tells of them
    expect(progress).to_contain_text("Checked again", timeout=LIVE_MS)
    assert is_untouched(page)


def test_pages_come_back_with_the_server_and_show_what_they_missed(town: Town, page: Page) -> None:
    open_marked(page, town.url(f"/devices/{town.devices[PC]}"))
    with page.expect_response(lambda r: r.url.endswith("/events") and r.ok, timeout=RETURN_MS):
        kill_web(town)
    answer_again(town, failing=1)
    expect(page.locator("#top .status")).to_contain_text(failing_words(1), timeout=RETURN_MS)
    assert is_untouched(page)


def kill_web(town: Town) -> None:
    """Kill the web process outright; the supervisor brings it back."""
    children = psutil.Process(town.up.process.pid).children(recursive=True)
    (web,) = [child for child in children if "serve web" in " ".join(child.cmdline())]
    web.kill()


def test_everything_a_page_offers_is_reached_and_seen_by_keyboard(town: Town, page: Page) -> None:
    page.goto(town.url("/devices"))
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    offered = page.locator("a[href]:visible, button:visible, input:visible:not([type=hidden])")
    reached = set()
    for _ in range(offered.count() + 5):
        seen = page.evaluate("""() => {
          const at = document.activeElement, style = getComputedStyle(at);
          const shown = at.matches(":focus-visible") && parseFloat(style.outlineWidth) >= 2
            && style.outlineStyle !== "none";
          return [at.outerHTML.slice(0, 200), shown || at === document.body];
        }""")
        assert seen[1], f"nobody sees that this has the focus: {seen[0]}"
        reached.add(seen[0])
        page.keyboard.press("Tab")
    assert len(reached) >= offered.count()


def test_the_skip_link_and_the_slash_go_where_they_say(town: Town, page: Page) -> None:
    page.goto(town.url("/controls"))
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Search rules")).to_be_focused()
    page.goto(town.url("/settings"))
    page.keyboard.press("/")
    expect(page.locator("#find")).to_be_focused()


def test_a_table_is_walked_opened_and_closed_by_keyboard(town: Town, page: Page) -> None:
    page.goto(town.url("/devices"))
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/devices/dev_*")
    opener = page.locator("#verdicts > .tbl-scroll a.exp").nth(1)
    opener.focus()
    page.keyboard.press("Enter")
    expect(opener).to_have_attribute("aria-expanded", "true")
    expect(opener).to_be_focused()
    expect(page.locator("#verdicts tr.why")).to_be_visible()
    page.keyboard.press("Enter")
    expect(opener).to_have_attribute("aria-expanded", "false")
    expect(page.locator("#verdicts tr.why")).to_have_count(0)


def test_escape_closes_a_dialog_and_gives_the_focus_back(town: Town, page: Page) -> None:
    page.goto(town.url(f"/devices/{town.devices[PC]}"))
    button = page.get_by_role("button", name="Remove")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(button).to_be_focused()

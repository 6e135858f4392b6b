"""Every page in a real browser: axe-core finds nothing, nothing is blocked, nothing is too wide."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from support.browser import running_chromium
from ui.faults import find_violations
from ui.gallery import PAGES, serve_gallery

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serve_gallery() as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_chromium() as found:
        yield found


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [1440, 390])
def test_page_has_no_fault_in_either_theme_or_language(
    browser: Browser, address: str, name: str, width: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    for language, theme in [("ja", "light"), ("en", "dark")]:
        page.goto(f"{address}/{name}?lang={language}&theme={theme}")
        where = f"{name} {width} {language} {theme}"
        assert find_violations(page) == [], where
        assert page.evaluate("document.documentElement.scrollWidth") <= width, where
    page.close()
    assert said == []

"""Every page in a real browser: axe-core finds nothing, nothing is blocked, nothing is too wide."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext

from support.browser import running_chromium
from ui.faults import find_layout_violations, find_violations, measure_excess
from ui.gallery import PAGES, serve_gallery

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serve_gallery() as found:
        yield found


@pytest.fixture(scope="module")
def context() -> Iterator[BrowserContext]:
    """One browser for all pages: it keeps scripts and fonts, as a person's does."""
    with running_chromium(fonts=True) as browser:
        yield browser.new_context()


@pytest.mark.parametrize("name", PAGES)
def test_page_has_no_fault_in_either_theme_or_language(
    context: BrowserContext, address: str, name: str
) -> None:
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    for language, theme, widths in [("ja", "light", (1440, 390)), ("en", "dark", (390, 1440))]:
        for width in widths:
            where = f"{name} {width} {language} {theme}"
            page.set_viewport_size({"width": width, "height": 900})
            if width == widths[0]:
                page.goto(f"{address}/{name}?lang={language}&theme={theme}")
                assert find_violations(page) == [], where
            else:
                assert find_layout_violations(page) == [], where
            assert measure_excess(page) <= 0, where
    page.close()
    assert said == []

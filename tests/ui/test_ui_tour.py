"""Every page of a real, running installation: nothing is wrong with it in either language.

Each page is seen in both languages, folded and unfolded, and by axe-core in one of the eight
combinations of language, width and theme; ``python -m ui.tour`` takes pictures of all eight for
people to judge.
"""

from collections import defaultdict
from collections.abc import Mapping

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page

from ui.faults import find_foreign_words, find_violations, measure_excess
from ui.tour import EMPTY, FIRST, SIGNED_IN, STRANGER, Look, walk_all
from ui.tour_access import TYPED_OF_ACCESS
from ui.tour_detection import TYPED_OF_RULES
from ui.tour_exceptions import TYPED
from ui.tour_people import TYPED_OF_PEOPLE
from ui.tour_proofs import DATA
from ui.tour_town import open_town

pytestmark = pytest.mark.browser

STOPS = [*FIRST, *EMPTY, *SIGNED_IN, *STRANGER]
# What people typed, and the two words that stand in both languages everywhere.
NAMES = ["佐伯 航", "高橋 遥", "森下 彩", "営業部 2027年春入社（在宅勤務・貸与端末）",
         "社内ポータル", "ミナト商事アカウント", "関所", "日本語",
         "宅配便の不在通知のSMSのリンクを開き、IDを入力してしまいました。",
         "そのパスワードを、別の端末から変えてください。", "URLを遮断済み",
         *DATA, *TYPED, *TYPED_OF_PEOPLE, *TYPED_OF_RULES, *TYPED_OF_ACCESS]  # fmt: skip
# A browser writes down every answer from 400 on; pages that are refusals are meant to be.
REFUSED = "the server responded with a status of 4"
UNFOLD = "document.querySelectorAll('main details').forEach((d) => { d.open = true; })"
Faults = Mapping[str, list[str]]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Faults:
    """Walk once; return what is wrong by stop."""
    faults: defaultdict[str, list[str]] = defaultdict(list)
    heard: list[str] = []
    with open_town(tmp_path_factory.mktemp("tour")) as town:
        for context in (town.admin, town.stranger):
            listen(context, heard)
        walk_all(town, make_look(faults, heard))
    return faults


def listen(context: BrowserContext, heard: list[str]) -> None:
    """Collect what pages complain of: scripts, the content policy, missing files."""

    def hear(message: ConsoleMessage) -> None:
        if message.type in {"warning", "error"}:  # the rest is advice to who writes pages
            heard.append(message.text)

    context.on("console", hear)
    context.on("weberror", lambda error: heard.append(str(error.error)))


def make_look(faults: defaultdict[str, list[str]], heard: list[str]) -> Look:
    """Make what looks at each stop: words, width and complaints twice, axe-core once.

    One look is as people find the page, the other with everything unfolded; which of them is on a
    phone and dark, and which language axe-core reads, turns from stop to stop.
    """

    def look(name: str, language: str, page: Page) -> None:
        turn = STOPS.index(name)
        chosen = turn % 2 == (language == "en")
        if turn // 2 % 2 == chosen:
            page.evaluate(UNFOLD)
        wrong = [*find_foreign_words(page, language, NAMES)]
        page.set_viewport_size({"width": 390, "height": 900})
        if (excess := measure_excess(page)) > 0:
            wrong.append(f"{excess} px too wide for a phone")
        if chosen:
            wrong += axe(page, phone=turn // 4 % 2 == 0)
        wrong += [said for said in heard if REFUSED not in said]
        heard.clear()
        faults[name] += [f"{language}: {fault}" for fault in wrong]

    return look


def axe(page: Page, *, phone: bool) -> list[str]:
    """Let axe-core read a page on a phone in the dark, or on a desk in the light."""
    page.set_viewport_size({"width": 390 if phone else 1440, "height": 900})
    page.emulate_media(color_scheme="dark" if phone else "light", reduced_motion="reduce")
    return find_violations(page)


@pytest.mark.parametrize("name", STOPS)
def test_page_has_no_fault(found: Faults, name: str) -> None:
    assert name in found, "nobody looked at it"
    assert found[name] == []

"""Units, groups and one person for the tour, and a file of people that is looked at."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page

Walk = Callable[[Any, Page], None]

UNITS = (
    ("ミナト商事", ""),
    ("東日本支社", "ミナト商事"),
    ("設計部", "東日本支社"),
    ("営業部", "東日本支社"),
)
ROSTER = (
    "氏名,メールアドレス,部署,上長,社員番号\n"
    "佐伯 航,saeki@example.jp,ミナト商事 / 東日本支社 / 設計部,,0001\n"
    "大西 健,onishi@example.jp,ミナト商事 / 東日本支社 / 営業部,saeki@example.jp,0102\n"
    "中村 千尋,nakamura@example.jp,ミナト商事 / 西日本支社,saeki@example.jp,0103\n"
    "名前だけ,,,,\n"
    "長谷川 由紀,hasegawa@example.jp,,nobody@example.jp,0105\n"
)
# What was typed here, in whatever language the page is.
TYPED_OF_PEOPLE = [
    "ミナト商事", "東日本支社", "西日本支社", "設計部", "営業部", "在宅勤務の人",
    "週に三日以上、家で働く人",
    "大西 健", "中村 千尋", "長谷川 由紀", "名簿.csv",
]  # fmt: skip


def settle_people(town: Any) -> None:
    """Make units and a group, and put people into them."""
    page = town.admin.new_page()
    for name, above in UNITS:
        page.goto(town.url("/people/units"))
        page.fill("#n-new", name)
        if above:
            label = page.locator("#p-new option").filter(has_text=above).first
            page.select_option("#p-new", label.get_attribute("value"))
        else:
            page.fill("#c-new", "JP")
            page.fill("#z-new", "Asia/Tokyo")
        with page.expect_navigation():
            page.locator("form[action='/people/units'] button").click()
    page.goto(town.url("/people/groups"))
    page.fill("#g-name", "在宅勤務の人")
    page.fill("#g-note", "週に三日以上、家で働く人")
    with page.expect_navigation():
        page.locator("form[action='/people/groups'] button").click()
    page.goto(f"{page.url}?q=example")
    page.locator("form input[name=person]").first.check()
    with page.expect_navigation():
        page.locator("button[value=add]").click()
    page.goto(town.url("/people"))
    page.locator("input[name=person]").first.check()
    unit = page.locator("#b-unit option").filter(has_text="設計部").get_attribute("value")
    page.select_option("#b-unit", unit)
    with page.expect_navigation():
        page.locator("button[value=unit]").click()
    page.close()


def first_of(path: str, selector: str) -> Walk:
    """Walk to what the first link of a list leads to."""

    def walk(town: Any, page: Page) -> None:
        page.goto(town.url(path))
        page.goto(town.url(str(page.locator(selector).first.get_attribute("href"))))

    return walk


def _other_person(town: Any, page: Page) -> None:
    """Walk to somebody who is not the one who looks."""
    first_of("/people?q=takahashi", "tr.row th a")(town, page)


def _leaver(town: Any, page: Page) -> None:
    _other_person(town, page)
    page.click("[data-dialog=leave]")


def _unit_dialog(town: Any, page: Page) -> None:
    page.goto(town.url("/people/units"))
    page.locator("[data-dialog^=m-]").nth(1).click()


def _plan(town: Any, page: Page) -> None:
    """Choose a file and look at what it would do."""
    page.goto(town.url("/people/import"))
    file: Any = {"name": "名簿.csv", "mimeType": "text/csv", "buffer": ROSTER.encode("cp932")}
    page.set_input_files("#file", file)
    with page.expect_navigation():
        page.locator("form[action='/people/import'] button").click()


def _many(town: Any, page: Page) -> None:
    """Try to disable everybody: one is refused."""
    page.goto(town.url("/people?q=saeki"))
    page.locator("input[name=person]").first.check()
    with page.expect_navigation():
        page.locator("button[value=disable]").click()


PEOPLE: dict[str, Walk] = {
    "people_units": lambda town, page: _goto(town, page, "/people/units"),
    "people_unit_dialog": _unit_dialog,
    "people_groups": lambda town, page: _goto(town, page, "/people/groups"),
    "people_group": first_of("/people/groups", "tr.row th a"),
    "person": _other_person,
    "person_self": first_of("/people?q=saeki", "tr.row th a"),
    "person_leaves": _leaver,
    "people_many": _many,
    "people_import": lambda town, page: _goto(town, page, "/people/import"),
    "people_plan": _plan,
}


def _goto(town: Any, page: Page, path: str) -> None:
    page.goto(town.url(path))

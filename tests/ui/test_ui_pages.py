"""Rendering: both languages complete, escaping everywhere, nothing that the content policy bans."""

import re
from datetime import UTC, datetime, timedelta, timezone
from html import unescape
from importlib.resources import files
from pathlib import Path

import pytest
from jinja2 import nodes
from jinja2.exceptions import UndefinedError
from markupsafe import Markup

from sekisho.kernel.i18n import Text, load_japanese, msg
from sekisho.kernel.pages import (
    Frame,
    Page,
    PageRenderer,
    change_query,
    digest_static,
    find_template_folders,
    make_context,
    mark_code,
    say,
    say_percent,
)
from ui.gallery import PAGES, render

NOW = datetime(2026, 11, 24, 0, 12, tzinfo=UTC)
BRAND = {"関所", "Sekisho"}  # said in both scripts on every page


@pytest.fixture(scope="module")
def renderer() -> PageRenderer:
    return PageRenderer()


def template_messages(renderer: PageRenderer) -> list[tuple[str, str]]:
    found = []
    for folder in find_template_folders():
        for file in sorted(folder.rglob("*.html")):
            tree = renderer.environment.parse(file.read_text(encoding="utf-8"))
            for call in tree.find_all(nodes.Call):
                if isinstance(call.node, nodes.Name) and call.node.name in {"_", "_n"}:
                    wanted = call.args[: 2 if call.node.name == "_n" else 1]
                    found += [(file.name, a.value) for a in wanted if isinstance(a, nodes.Const)]
    return found


def test_every_sentence_in_a_template_has_its_japanese(renderer: PageRenderer) -> None:
    messages = template_messages(renderer)
    assert len(messages) > 300
    known = load_japanese()
    assert [(place, text) for place, text in messages if text not in known] == []


def test_translations_keep_their_parameters() -> None:
    parameter = re.compile(r"%\((\w+)\)s")
    wrong = [
        (english, japanese)
        for english, japanese in load_japanese().items()
        if not set(parameter.findall(japanese)) <= set(parameter.findall(english))
    ]
    assert wrong == []


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("language", ["ja", "en"])
def test_page_obeys_the_content_policy(renderer: PageRenderer, name: str, language: str) -> None:
    html = render(renderer, name, language, "dark")
    assert html.lstrip().startswith("<!doctype html>")
    assert f'<html lang="{language}" data-theme="dark">' in html
    assert not re.search(r"<[^>]+\sstyle=", html)
    assert not re.search(r"<[^>]+\son\w+=", html)
    assert not re.search(r"<script(?![^>]*\ssrc=)", html)
    assert not re.search(r'(src|href)="https?:', html)


@pytest.mark.parametrize("name", PAGES)
def test_every_form_that_changes_something_carries_the_csrf_token(
    renderer: PageRenderer, name: str
) -> None:
    html = render(renderer, name, "ja", "")
    for form in re.findall(r'<form[^>]*method="post".*?</form>', html, re.DOTALL):
        assert 'name="csrf" value="t"' in form


@pytest.mark.parametrize("name", PAGES)
def test_page_has_one_first_heading_and_unique_ids(renderer: PageRenderer, name: str) -> None:
    html = render(renderer, name, "en", "")
    assert html.count("<h1") == 1
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("language", ["ja", "en"])
def test_page_says_nothing_of_its_own_in_the_other_language(
    renderer: PageRenderer, name: str, language: str
) -> None:
    pairs = [(e, j) for e, j in load_japanese().items() if e != j]
    other = {e if language == "ja" else j for e, j in pairs} - BRAND
    html = render(renderer, name, language, "")
    spoken = {unescape(text).strip() for text in re.findall(r">([^<>]+)<", html)}
    spoken |= {unescape(t) for t in re.findall(r'(?:aria-label|placeholder|title)="([^"]+)"', html)}
    assert spoken & other == set()


def test_values_from_outside_are_escaped(renderer: PageRenderer) -> None:
    hostile = "<script>alert(1)</script>"
    page = Page("error.html", {"status": 404, "message": hostile, "hint": msg("%(x)s", x=hostile)})
    html = renderer.render(page, Frame(now=NOW, organisation=hostile, path=f"/{hostile}"))
    assert "<script>alert" not in html


def test_only_our_own_markup_goes_unescaped() -> None:
    """Whoever adds ``|safe`` says here why nobody's words can be in it."""
    allowed = {
        "identity/totp.html": 1,  # a QR code as SVG, drawn here
        "desktop.html": 1,  # JSON of our own sentences
        "refused.html": 1,  # our own style sheet
        "access/policy.html": 2,  # attributes of inputs, written in the template
    }
    root = Path(str(files("sekisho")))
    found = {
        path.relative_to(next(p for p in path.parents if p.name == "templates")).as_posix(): count
        for path in root.rglob("*.html")
        if (count := len(re.findall(r"\|\s*safe\b", path.read_text("utf-8"))))
    }
    assert found == allowed


def test_a_missing_value_is_an_error_and_not_an_empty_place(renderer: PageRenderer) -> None:
    with pytest.raises(UndefinedError):
        renderer.render(Page("error.html", {"status": 404}), Frame(now=NOW))


def test_markup_in_a_sentence_stays_and_the_rest_is_escaped() -> None:
    said = say("en", "As of %(time)s <b>", time=Markup("<time>x</time>"))
    assert said == "As of <time>x</time> &lt;b&gt;"


@pytest.mark.parametrize(
    ("query", "changes", "expected"),
    [
        ("", {"q": "a b"}, "?q=a+b"),
        ("q=1&page=3", {"sort": "name"}, "?q=1&sort=name"),
        ("verdict=fail&page=2", {"page": 3}, "?verdict=fail&page=3"),
        ("verdict=fail", {"verdict": None}, "?"),
        ("a=1", {"b": ["x", "y"]}, "?a=1&b=x&b=y"),
        ("q=%22%3E", {}, "?q=%22%3E"),
    ],
)
def test_links_keep_the_filters(query: str, changes: dict[str, object], expected: str) -> None:
    assert change_query(query, **changes) == expected


def test_a_verdict_of_none_is_a_zero_and_not_the_word_of_the_verdict(
    renderer: PageRenderer,
) -> None:
    source = (
        "{% import 'ui.html' as ui with context %}"
        "{{ ui.verdict('fail', 0) }}|{{ ui.verdict('fail') }}"
    )
    page = renderer.environment.from_string(source)
    none, word = page.render(make_context(Frame(now=NOW, language="ja"))).split("|")
    assert none.endswith("</svg>0</span>")
    assert word.endswith("</svg>不適合</span>")


def test_shares_of_nothing_are_a_dash() -> None:
    assert say_percent(0, 0) == "—"
    assert say_percent(1, 3) == "33.3%"


def test_static_names_change_with_their_content() -> None:
    digests = digest_static()
    assert {"base.css", "app.js", "live.js", "vendor/htmx-4.0.1.min.js"} <= set(digests)
    assert all(re.fullmatch(r"[0-9a-f]{8}", d) for d in digests.values())


@pytest.mark.parametrize(
    ("language", "gap", "expected"),
    [
        ("en", timedelta(seconds=3), "just now"),
        ("en", timedelta(minutes=12), "12 min ago"),
        ("ja", timedelta(minutes=12), "12分前"),
        ("ja", timedelta(hours=33), "1日9時間前"),
        ("en", timedelta(days=4, hours=3), "4 d ago"),
        ("en", -timedelta(days=3), "in 3 d"),
    ],
)
def test_relative_times_carry_the_exact_one(language: str, gap: timedelta, expected: str) -> None:
    frame = Frame(now=NOW, language=language, zone=timezone(timedelta(hours=9), "JST"))
    said = make_context(frame)["ago"](NOW - gap)  # type: ignore[operator] # a function of the context
    assert f">{expected}</time>" in said
    assert ' JST">' in said


def test_content_is_said_in_the_language_of_the_page() -> None:
    loc = make_context(Frame(now=NOW, language="ja"))["loc"]
    assert loc({"ja": "あ", "en": "a"}) == "あ"  # type: ignore[operator] # a function of the context
    assert loc(Text("Fail")) == "不適合"  # type: ignore[operator] # a function of the context


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("run `a < b` now", "run <code>a &lt; b</code> now"),
        ("a ` alone", "a ` alone"),
        ("<b>", "&lt;b&gt;"),
        ("`<b>`", "<code>&lt;b&gt;</code>"),
    ],
)
def test_backticks_in_content_become_code_and_nothing_else_becomes_markup(
    text: str, expected: str
) -> None:
    assert mark_code(text) == expected

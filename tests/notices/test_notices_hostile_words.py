"""What people wrote is plain text wherever it arrives: no Markdown, no HTML, no calls."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from notices.conftest import HOUSE
from sekisho.notices.engine import wording
from sekisho.notices.model import Kind, Letter, Post, Urgency

HOSTILE = (
    "<!channel> <@U1> [x](https://evil.example) <https://evil.example|ok> *b* _i_ ~s~ `c`",
    "**bold** <script>alert(1)</script> <img src=x onerror=alert(1)> &lt;b&gt;",
    "1. one", "- two", "+ three", "# four", "> five", "```", "===", "---", "10) ten",
    "{{DATE(2026-11-29T00:00:00Z, SHORT)}} ![p](https://evil.example/p.png) @here :tada:",
)  # fmt: skip
# What cards read is a part of CommonMark; struck-out words are beyond it, and Teams reads them.
_MARKDOWN = MarkdownIt("commonmark").enable("strikethrough")
_WORDS = st.text(st.sampled_from("-+*_~`[]()<>{}#&!|=.:\\\n 1ab漢;") | st.characters())


def _letter(words: str) -> Letter:
    said = {"ja": words}
    post = Post("ntc_1", Kind.REPORT_MADE, "r", said, said, Urgency.NORMAL, "/my",
                datetime(2026, 1, 1, tzinfo=UTC))  # fmt: skip
    return Letter("m", "", "ja", (post,))


def _seen(markdown: str) -> list[str]:
    """Return the lines a card shows; fail where it shows anything but text."""
    lines: list[str] = []
    for token in _MARKDOWN.parse(markdown):
        assert token.type in {"paragraph_open", "paragraph_close", "inline"}, token.type
        for child in token.children or ():
            assert child.type in {"text", "text_special"}, child.type
        if token.type == "inline":
            lines.append("".join(child.content for child in token.children or ()))
    return lines


@given(_WORDS)
def test_a_card_shows_words_as_they_were_written(words: str) -> None:
    plain = wording.paragraphs(words, wording.LONGEST_BODY)
    shown = wording.card_escape(plain)
    assert _seen(shown) == [line for line in plain.split("\n") if line.strip()]
    assert "{{" not in shown


@pytest.mark.parametrize("words", HOSTILE)
def test_a_card_of_teams_takes_no_markup_from_words(words: str) -> None:
    body = wording.teams_card(_letter(words), HOUSE)["body"]
    assert [_seen(block["text"]) for block in body[:2]] == [[words], [words]]


def _texts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            yield value
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)


@pytest.mark.parametrize("words", HOSTILE)
def test_slack_gets_words_where_it_reads_no_markup(words: str) -> None:
    message = wording.slack_message(_letter(words), HOUSE)
    assert {block["type"] for block in message["blocks"]} == {"rich_text"}
    whole = [each for each in _texts(message["blocks"]) if words in each["text"]]
    assert [each["type"] for each in whole] == ["text", "text"], "the title and the body"
    assert message["mrkdwn"] is False
    assert not {"<", ">"} & set(message["text"]), "nobody is called by a notification"
    assert "evil.example" not in json.dumps([each.get("url") for each in _texts(message)])


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: set[str] = set()
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links |= {value or "" for name, value in attrs if name in {"href", "src"}}

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.mark.parametrize("words", HOSTILE)
def test_a_mail_shows_words_as_they_were_written(words: str) -> None:
    letter = _letter(words)
    items = wording.items_of(letter, HOUSE)
    read = _Tags()
    read.feed(wording.html_mail(letter, HOUSE, items))
    assert read.words.count(words) == 3, "the title of the page, the heading and the body"
    assert not read.tags & {"script", "img", "b", "i"}
    assert read.links == {f"{HOUSE.public_url}/my"}
    assert wording.plain_mail(letter, HOUSE, items).count(words) == 2


def test_a_webhook_gets_data_and_no_markup() -> None:
    item = wording.webhook_message(_letter(HOSTILE[0]), HOUSE)["notices"][0]
    assert item["title"] == item["body"] == HOSTILE[0]

"""A letter in words: the same sentences for mail, Slack, Teams and webhooks.

Everything a person wrote is data here and arrives as plain text: HTML and the cards' Markdown are
escaped, Slack's rich text reads no markup. Control characters are dropped, and a subject is always
one line.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Any

import msgspec
from markupsafe import Markup

from sekisho.kernel.i18n import Text, localized, msg, translate
from sekisho.kernel.times import say_minute
from sekisho.notices.model import WORDS_OF_TOPIC, Letter, Post, Saying, Urgency

LONGEST_TITLE = 150
LONGEST_BODY = 2_900
MOST_IN_DIGEST = 40  # a Slack message holds 50 blocks
LARGEST_CARD_BYTES = 27_000  # Teams takes 28 KB
_MARKDOWN = re.compile(r"([\\`*_~\[\]<>{}#&!|])")
_LINE_START = re.compile(r"^(\d*)([-+=.)])")  # what would begin a list, a rule or a heading


@dataclass(frozen=True, slots=True)
class House:
    """Who speaks, and where its pages are."""

    organisation: str
    public_url: str
    admin_url: str

    def address(self, link: str) -> str:
        """Return the whole address of a page; a teleworker's pages are on the public listener."""
        if not link:
            return f"{self.public_url}/my/notices"
        public = link.startswith(("/my", "/account", "/start/"))
        return f"{self.public_url if public else self.admin_url}{link}"

    @property
    def ways(self) -> str:
        """The address where a person says what they are told, and when."""
        return f"{self.public_url}/my/notices/ways"


@dataclass(frozen=True, slots=True)
class Item:
    """One notice in one language: plain text, ready to be escaped."""

    title: str
    body: str
    address: str
    when: str
    topic: str
    urgent: bool


def say(saying: Saying, language: str, zone: tzinfo) -> str:
    """Say something in a language, times in the reader's zone."""
    if not isinstance(saying, Text):
        return localized(saying, language)
    params = {name: _say_value(value, language, zone) for name, value in saying.params.items()}
    return translate(Text(saying.id, params), language)


def _say_value(value: object, language: str, zone: tzinfo) -> object:
    if isinstance(value, datetime):
        return say_minute(value, zone, language)
    return say(value, language, zone) if isinstance(value, Text | Mapping) else value


def one_line(text: str, most: int) -> str:
    """Return ``text`` on one line without control characters, cut with an ellipsis."""
    plain = " ".join("".join(_printable(c) for c in text).split())
    return plain if len(plain) <= most else plain[: most - 1].rstrip() + "…"


def _printable(character: str) -> str:
    # Cc: control, Cf: invisible marks that can turn the direction of writing around.
    return " " if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} else character


def paragraphs(text: str, most: int) -> str:
    """Return ``text`` with its line breaks, without other control characters, cut."""
    lines = (one_line(line, most) for line in text.replace("\r\n", "\n").split("\n"))
    plain = "\n".join(lines).strip()
    return plain if len(plain) <= most else plain[: most - 1].rstrip() + "…"


def items_of(letter: Letter, house: House) -> list[Item]:
    """Return the notices of a letter in its language (a long digest is cut; see ``more_of``)."""
    return [_item(post, letter, house) for post in letter.posts[:MOST_IN_DIGEST]]


def _item(post: Post, letter: Letter, house: House) -> Item:
    language, zone = letter.language, letter.zone
    return Item(
        title=one_line(say(post.title, language, zone), LONGEST_TITLE),
        body=paragraphs(say(post.body, language, zone), LONGEST_BODY),
        address=house.address(post.link),
        when=say_minute(post.created_at, zone, language),
        topic=translate(WORDS_OF_TOPIC[post.topic], language),
        urgent=post.urgency is Urgency.URGENT,
    )


def subject_of(letter: Letter, items: Sequence[Item]) -> str:
    """Return the subject: what happened, or how many notices a digest holds."""
    if letter.digest:
        text = msg("%(n)s notices: %(first)s", n=len(letter.posts), first=items[0].title)
        return one_line(translate(text, letter.language), LONGEST_TITLE)
    if items[0].urgent:
        urgent = msg("[Urgent] %(title)s", title=items[0].title)
        return one_line(translate(urgent, letter.language), LONGEST_TITLE)
    return items[0].title


def more_of(letter: Letter) -> str:
    """Return the sentence about notices that a long digest leaves out, or ""."""
    more = len(letter.posts) - MOST_IN_DIGEST
    if more <= 0:
        return ""
    return translate(msg("%(n)s more notices are on the page.", n=more), letter.language)


def why_of(letter: Letter, house: House) -> str:
    """Return why this was sent and where that can be changed."""
    return translate(
        msg("Sent by Sekisho of %(who)s. What you are told, and when: %(address)s",
            who=house.organisation or "Sekisho", address=house.ways),
        letter.language,
    )  # fmt: skip


def plain_mail(letter: Letter, house: House, items: Sequence[Item]) -> str:
    """Return the text part of a mail."""
    parts = [
        "\n".join(filter(None, (
            f"■ {item.title}" if letter.digest else item.title,
            item.body, f"{_open(letter.language)}: {item.address}", item.when,
        )))
        for item in items
    ]  # fmt: skip
    body = "\n\n".join([*parts, more_of(letter)] if more_of(letter) else parts)
    return f"{body}\n\n-- \n{why_of(letter, house)}\n"


def _open(language: str) -> str:
    return translate(msg("Open the page"), language)


_MAIL = Markup(
    '<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
    '<meta name="color-scheme" content="light dark"><title>{subject}</title></head>'
    "<body style=\"margin:0;padding:24px;font-family:'Noto Sans JP','Hiragino Sans',Meiryo,"
    'sans-serif;font-size:16px;line-height:1.7">'
    '<div style="max-width:600px">{items}{more}'
    '<p style="margin:32px 0 0;font-size:13px;color:#666">{why}</p></div></body></html>'
)
_MAIL_ITEM = Markup(
    '<div style="margin:0 0 32px"><h1 style="margin:0 0 8px;font-size:20px;line-height:1.4">'
    '{title}</h1><p style="margin:0 0 16px">{body}</p>'
    '<p style="margin:0 0 8px"><a href="{address}" style="display:inline-block;padding:8px 16px;'
    'border:1px solid #0017c1;border-radius:8px;color:#0017c1;text-decoration:none">{open}</a></p>'
    '<p style="margin:0;font-size:13px;color:#666">{when}</p></div>'
)


def html_mail(letter: Letter, house: House, items: Sequence[Item]) -> str:
    """Return the HTML part of a mail: no picture, no script, nothing loaded from anywhere."""
    parts = Markup().join(
        _MAIL_ITEM.format(
            title=item.title, address=item.address, open=_open(letter.language), when=item.when,
            body=Markup("<br>").join(item.body.split("\n")),
        )
        for item in items
    )  # fmt: skip
    more = more_of(letter)
    return str(_MAIL.format(
        language=letter.language, subject=subject_of(letter, items), items=parts,
        more=Markup("<p>{}</p>").format(more) if more else "", why=why_of(letter, house),
    ))  # fmt: skip


def slack_message(letter: Letter, house: House) -> dict[str, Any]:
    """Return a message of Slack's Block Kit; ``text`` is what a notification shows.

    What people wrote stands in ``rich_text``, which reads no markup at all.
    """
    items = items_of(letter, house)
    blocks = [_slack_item(item, letter.language) for item in items]
    more = more_of(letter)
    blocks += [_slack_block({"type": "text", "text": more})] if more else []
    before, address, after = why_of(letter, house).partition(house.ways)
    blocks.append(_slack_block(
        {"type": "text", "text": before or " "}, {"type": "link", "url": address or house.ways},
        *([{"type": "text", "text": after}] if after else []),
    ))  # fmt: skip
    words = slack_escape(subject_of(letter, items))
    return {"text": words, "mrkdwn": False, "blocks": blocks}


def _slack_item(item: Item, language: str) -> dict[str, Any]:
    title = {"type": "text", "text": item.title or "—", "style": {"bold": True}}
    body = {"type": "text", "text": f"\n{item.body}\n" if item.body else "\n"}
    return _slack_block(title, body, {"type": "link", "url": item.address, "text": _open(language)})


def _slack_block(*words: Mapping[str, object]) -> dict[str, Any]:
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": words}]}


def slack_escape(text: str) -> str:
    """Escape for a notification: nobody can be called (<!channel>) and nothing linked by words."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def teams_card(letter: Letter, house: House) -> dict[str, Any]:
    """Return an Adaptive Card (schema 1.5, what Teams shows on every client)."""
    body: list[dict[str, Any]] = []
    items = items_of(letter, house)
    for item in items:
        body += [
            {"type": "TextBlock", "text": card_escape(item.title), "wrap": True, "weight": "Bolder",
             "size": "Medium", "style": "heading"},
            {"type": "TextBlock", "text": card_escape(item.body), "wrap": True},
            {"type": "TextBlock", "text": f"[{_open(letter.language)}]({item.address}) · "
             f"{card_escape(item.when)}", "wrap": True, "isSubtle": True},
        ]  # fmt: skip
    more = more_of(letter)
    body += [{"type": "TextBlock", "text": card_escape(more), "wrap": True}] if more else []
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.5",
        "lang": letter.language,
        "fallbackText": subject_of(letter, items),
        "body": body,
        "msteams": {"width": "Full"},
    }


def teams_message(letter: Letter, house: House, *, wrapped: bool) -> dict[str, Any]:
    """Return what a workflow takes: the card, bare or as the attachment of a message.

    A digest that would pass what Teams takes is cut to fewer notices.
    """
    card, count = teams_card(letter, house), len(letter.posts)
    while len(msgspec.json.encode(card)) > LARGEST_CARD_BYTES and count > 1:
        count //= 2
        card = teams_card(replace(letter, posts=letter.posts[:count]), house)
    if not wrapped:
        return card
    kind = "application/vnd.microsoft.card.adaptive"
    attachment = {"contentType": kind, "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def card_escape(text: str) -> str:
    """Escape what cards read as Markdown, lists and {{DATE()}} too; a break needs a blank line."""
    lines = (_LINE_START.sub(r"\1\\\2", _MARKDOWN.sub(r"\\\1", line)) for line in text.split("\n"))
    return "\n\n".join(lines)


def webhook_message(letter: Letter, house: House) -> dict[str, Any]:
    """Return plain data for a program of the organisation's own."""
    return {
        "id": letter.message_id,
        "language": letter.language,
        "digest": letter.digest,
        "notices": [_webhook_item(post, letter, house) for post in letter.posts],
    }


def _webhook_item(post: Post, letter: Letter, house: House) -> Mapping[str, object]:
    item = _item(post, letter, house)
    return {
        "id": post.id,
        "kind": post.kind.value,
        "subject": post.subject,
        "urgency": post.urgency.value,
        "title": item.title,
        "body": item.body,
        "url": item.address,
        "created_at": post.created_at.isoformat(),
    }

"""One's own notices and how one wants to be told."""

from datetime import time
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.identity import service as identity
from sekisho.kernel.clock import Clock
from sekisho.kernel.db import Database
from sekisho.kernel.errors import InvalidInputError, SekishoError
from sekisho.kernel.i18n import msg
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Settings
from sekisho.kernel.times import WEEKDAYS
from sekisho.notices import service
from sekisho.notices.engine.wording import say
from sekisho.notices.model import (
    WORDS_OF_TOPIC,
    ChannelKind,
    Digest,
    Fault,
    Preferences,
    Topic,
    Way,
)
from sekisho.notices.service.channels import ChannelOrder

Form = URLEncodedBody[dict[str, Any]]

MINE = "/my/notices"
WAYS = "/my/notices/ways"
PER_PAGE = 20


@get(MINE, sync_to_thread=True)
def show_notices(  # noqa: PLR0917 - called by name, by the framework
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    settings: NamedDependency[Settings],
    box: NamedDependency[SecretBox],
    clock: NamedDependency[Clock],
    language: NamedDependency[str],
    q: FromQuery[str] = "",
    topic: FromQuery[str] = "",
    unread: FromQuery[str] = "",
    page: FromQuery[int] = 1,
) -> Page:
    """List one's own notices, the newest first."""
    with database.read(principal) as tx:
        found = service.list_notices(
            tx, search=q.strip(), unread=bool(unread), topic=read_topic(topic),
            page=max(1, page), page_size=PER_PAGE,
        )  # fmt: skip
        zone = service.zone_of(
            service.get_choices(tx), identity.place_of(tx, principal.id),
            service.make_outside(settings, box, clock).zone,
        )  # fmt: skip
    rows = [
        {
            "id": item.post.id,
            "title": say(item.post.title, language, zone),
            "lines": say(item.post.body, language, zone).split("\n"),
            "at": item.post.created_at,
            "topic": WORDS_OF_TOPIC[item.post.topic],
            "urgent": item.post.urgency == "urgent",
            "link": item.post.link,
            "read": item.read_at is not None,
        }
        for item in found.items
    ]
    context = {"rows": rows, "found": found, "topics": WORDS_OF_TOPIC,
               "filters": {"q": q, "topic": topic, "unread": unread},
               **paging(found.page, found.page_size, found.total)}  # fmt: skip
    return Page("notices/mine.html", context)


def read_topic(name: str) -> Topic | None:
    """Return the topic that an address names, or None for all."""
    return Topic(name) if name in set(Topic) else None


def paging(page: int, size: int, total: int) -> dict[str, int]:
    """Return what the pager shows."""
    return {
        "page": page,
        "pages": max(1, -(-total // size)),
        "first": min(total, (page - 1) * size + 1),
        "last": min(total, page * size),
        "total": total,
    }


@post("/my/notices/{post_id:str}/open", sync_to_thread=True)
def open_notice(
    post_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Mark a notice as read and go where it leads."""
    with database.write(principal) as tx:
        item = service.open_notice(tx, post_id)
    return Redirect(item.post.link or MINE, status_code=303)


@post("/my/notices/{post_id:str}/unread", sync_to_thread=True)
def keep_notice(
    post_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Mark a notice as unread again."""
    with database.write(principal) as tx:
        service.mark_notices(tx, post_id, read=False)
    return Redirect(MINE, status_code=303)


@post("/my/notices/read", sync_to_thread=True)
def read_all(
    database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Redirect:
    """Mark all of one's notices as read."""
    with database.write(principal) as tx:
        service.mark_notices(tx)
    return Redirect(MINE, status_code=303)


@get(WAYS, sync_to_thread=True)
def show_ways(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    language: NamedDependency[str],
    kept: FromQuery[str] = "",
) -> Page:
    """Show how one is told, and let it be changed."""
    return _ways_page(database, principal, language, kept=bool(kept))


def _ways_page(
    database: Database, principal: Principal, language: str, *, kept: bool = False,
    fault: SekishoError | None = None, tested: tuple[str, Fault | None] | None = None,
) -> Page:  # fmt: skip
    with database.read(principal) as tx:
        chosen, ways = service.get_choices(tx), service.list_ways_out(tx)
        person = identity.get_person(tx, principal.id)
    context = {
        "chosen": chosen,
        "ways": ways,
        "person": person,
        "topics": WORDS_OF_TOPIC,
        "choices": {Way.NOW: msg("At once"), Way.DIGEST: msg("In the digest"),
                    Way.OFF: msg("Only here")},
        "weekdays": WEEKDAYS["ja" if language == "ja" else "en"],
        "kept": kept, "fault": fault, "tested": tested,
    }  # fmt: skip
    return Page("notices/ways.html", context, fault.status if fault else 200)


@post(WAYS, sync_to_thread=True)
def set_ways(
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    language: NamedDependency[str],
) -> Redirect | Page:
    """Keep how one wants to be told."""
    try:
        chosen = read_choices(data)
        with database.write(principal) as tx:
            service.set_choices(tx, chosen)
    except InvalidInputError as error:
        return _ways_page(database, principal, language, fault=error)
    return Redirect(f"{WAYS}?kept=1", status_code=303)


def read_choices(data: dict[str, Any]) -> Preferences:
    """Read the form; raise InvalidInputError for what it cannot hold."""
    ways: dict[str, dict[Topic, Way]] = {}
    for name, value in data.items():
        channel, _, topic = name.removeprefix("way:").partition(":")
        if name.startswith("way:") and topic in set(Topic) and value in set(Way):
            ways.setdefault(channel, {})[Topic(topic)] = Way(value)
    quiet = bool(data.get("quiet"))
    start = _wall(data, "quiet_from") if quiet else time(0)
    end = _wall(data, "quiet_until") if quiet else time(0)
    return Preferences(
        language=_text(data, "language"),
        time_zone=_text(data, "time_zone").strip(),
        digest=Digest.WEEKLY if data.get("digest") == Digest.WEEKLY else Digest.DAILY,
        hour=_number(data, "hour"),
        weekday=_number(data, "weekday"),
        quiet_from=start,
        quiet_until=end,
        urgent_passes=bool(data.get("urgent_passes")),
        ways=ways,
    )


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name, "")
    return value if isinstance(value, str) else ""


def _number(data: dict[str, Any], name: str) -> int:
    value = _text(data, name)
    return int(value) if value.isascii() and value.isdecimal() and len(value) <= 3 else -1  # noqa: PLR2004 - digits of an hour


def _wall(data: dict[str, Any], name: str) -> time:
    try:
        return time.fromisoformat(_text(data, name)).replace(second=0, microsecond=0, tzinfo=None)
    except ValueError as error:
        raise InvalidInputError(
            msg("“%(got)s” is not a time of day.", got=_text(data, name)[:20]),
            hint=msg("Something like 22:00 is expected."),
        ) from error


@post("/my/notices/webhooks", sync_to_thread=True)
def add_webhook(
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    box: NamedDependency[SecretBox],
    language: NamedDependency[str],
) -> Redirect | Page:
    """Add a webhook of one's own."""
    kind = ChannelKind.TEAMS if data.get("kind") == ChannelKind.TEAMS else ChannelKind.SLACK
    order = ChannelOrder(kind, _text(data, "name") or kind.value.title(), {},
                         {"url": _text(data, "url").strip()}, language=language)  # fmt: skip
    try:
        with database.write(principal) as tx:
            service.set_own_channel(tx, box, order)
    except SekishoError as error:
        return _ways_page(database, principal, language, fault=error)
    return Redirect(f"{WAYS}?kept=1", status_code=303)


@post("/my/notices/webhooks/{channel_id:str}/remove", sync_to_thread=True)
def remove_webhook(
    channel_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Remove a webhook of one's own."""
    with database.write(principal) as tx:
        service.get_own_channel(tx, channel_id)
        service.remove_channel(tx, channel_id)
    return Redirect(WAYS, status_code=303)


@post("/my/notices/ways/{channel_id:str}/test", status_code=200, sync_to_thread=True)
def test_way(
    channel_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    settings: NamedDependency[Settings],
    box: NamedDependency[SecretBox],
    clock: NamedDependency[Clock],
    language: NamedDependency[str],
) -> Page:
    """Send oneself a test by one of one's ways."""
    with database.write(principal) as tx:
        channel = service.get_own_channel(tx, channel_id)
        service.check_test_pace(tx)
        reader = identity.list_reachable(tx, [principal.id])[0]
    outside = service.make_outside(settings, box, clock)
    fault = service.send_test(database, outside, channel, reader)
    return _ways_page(database, principal, language, tested=(channel.name, fault))


HANDLERS: list[ControllerRouterHandler] = [
    show_notices, open_notice, keep_notice, read_all, show_ways, set_ways, add_webhook,
    remove_webhook, test_way,
]  # fmt: skip

"""What leaves the house, for whoever answers for it: channels, the queue, what could not leave."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.identity import service as identity
from sekisho.kernel.clock import Clock
from sekisho.kernel.db import Database
from sekisho.kernel.errors import ConflictError, InvalidInputError, SekishoError
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.pages import Page
from sekisho.kernel.principal import Principal, PrincipalKind
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Settings
from sekisho.notices import service
from sekisho.notices.engine.wording import say
from sekisho.notices.model import (
    MAIL_CHANNEL,
    WORDS_OF_TOPIC,
    Channel,
    ChannelKind,
    DeliveryState,
    Fault,
    Topic,
)
from sekisho.notices.pages.mine import paging
from sekisho.notices.service.channels import ChannelOrder
from sekisho.notices.service.queue import LATEST, QueueWish

Form = URLEncodedBody[dict[str, Any]]

QUEUE = "/notices"
PER_PAGE = 50
WORDS_OF_STATE: dict[DeliveryState, Text] = {
    DeliveryState.DEAD: msg("Could not leave"),
    DeliveryState.WAITING: msg("Waiting"),
    DeliveryState.SENT: msg("Sent"),
}
WORDS_OF_KIND: dict[ChannelKind, Text] = {
    ChannelKind.MAIL: msg("Mail"),
    ChannelKind.SLACK: Text("Slack"),
    ChannelKind.TEAMS: Text("Microsoft Teams"),
    ChannelKind.WEBHOOK: msg("Signed webhook"),
}
_SETUP_FIELDS = ("host", "port", "security", "user", "from", "from_name", "ca", "card")
_SECRET_FIELDS = ("password", "url", "secret")


@get(QUEUE, sync_to_thread=True)
def show_queue(  # noqa: PLR0917 - called by name, by the framework
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    settings: NamedDependency[Settings],
    box: NamedDependency[SecretBox],
    clock: NamedDependency[Clock],
    language: NamedDependency[str],
    q: FromQuery[str] = "",
    status: FromQuery[str] = "",
    channel: FromQuery[str] = "",
    sort: FromQuery[str] = LATEST,
    page: FromQuery[int] = 1,
) -> Page:
    """Show the channels, and what is on its way by them."""
    chosen = DeliveryState(status) if status in set(DeliveryState) else None
    with database.read(principal) as tx:
        found = service.list_queue(
            tx, QueueWish(chosen, channel, q.strip(), sort), page=max(1, page), page_size=PER_PAGE
        )
        channels = service.list_channels(tx) if principal.allows("settings.read") else []
    zone = service.make_outside(settings, box, clock).zone
    names = {c.channel.id: c.channel.name for c in channels}
    rows = [
        {"it": d, "title": say(d.post.title, language, zone), "topic": WORDS_OF_TOPIC[d.post.topic],
         "to": found.names.get(d.person_id or "", ""), "by": names.get(d.channel_id, "")}
        for d in found.deliveries
    ]  # fmt: skip
    context = {"rows": rows, "found": found, "channels": channels, "words": WORDS_OF_STATE,
               "kinds": WORDS_OF_KIND,
               "filters": {"q": q, "status": status, "channel": channel, "sort": sort},
               **paging(found.page, found.page_size, found.total)}  # fmt: skip
    return Page("notices/queue.html", context)


@post("/notices/again", sync_to_thread=True)
def send_all_again(
    data: Form, database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Redirect:
    """Put everything that could not leave (of one channel) to the front again."""
    with database.write(principal) as tx:
        service.send_again(tx, channel_id=str(data.get("channel", "")))
    return Redirect(QUEUE, status_code=303)


@post("/notices/deliveries/{delivery_id:str}/again", sync_to_thread=True)
def send_one_again(
    delivery_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Put one delivery to the front again."""
    with database.write(principal) as tx:
        service.send_again(tx, delivery_id=delivery_id)
    return Redirect(f"{QUEUE}?status=dead", status_code=303)


@get("/notices/channels/new", sync_to_thread=False)
def show_new_channel(principal: NamedDependency[Principal], kind: FromQuery[str] = "mail") -> Page:
    """Show the form of a new channel."""
    principal.require("settings.write")
    if kind not in set(ChannelKind):
        raise InvalidInputError(msg("There is no such kind of channel."))
    return _channel_page(ChannelKind(kind), None)


@get("/notices/channels/{channel_id:str}", sync_to_thread=True)
def show_channel(
    channel_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Page:
    """Show the form of a channel."""
    with database.read(principal) as tx:
        tx.principal.require("settings.read")
        found = service.get_channel(tx, channel_id)
    return _channel_page(found.kind, found)


def _channel_page(
    kind: ChannelKind, channel: Channel | None, *, form: dict[str, Any] | None = None,
    fault: SekishoError | None = None, tested: tuple[Fault | None] | None = None,
) -> Page:  # fmt: skip
    before = dict(channel.setup) | {"name": channel.name} if channel else {}
    context = {
        "kind": kind, "kinds": WORDS_OF_KIND, "channel": channel,
        "form": form or before or _defaults(kind), "topics": WORDS_OF_TOPIC,
        "fault": fault, "tested": tested,
    }  # fmt: skip
    return Page("notices/channel.html", context, fault.status if fault else 200)


def _defaults(kind: ChannelKind) -> dict[str, str]:
    if kind is ChannelKind.MAIL:
        return {"port": "587", "security": "starttls", "from_name": "Sekisho"}
    return {}


@post("/notices/channels", sync_to_thread=True)
def keep_channel(
    data: Form,
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    box: NamedDependency[SecretBox],
) -> Redirect | Page:
    """Make or change a channel."""
    form = {name: value for name, value in data.items() if isinstance(value, str)}
    name = form.get("kind", "")
    if name not in set(ChannelKind):
        raise InvalidInputError(msg("There is no such kind of channel."))
    kind, channel_id = ChannelKind(name), form.get("id", "")
    topics = data.get("topic", [])
    wanted = [topics] if isinstance(topics, str) else list(topics)
    order = ChannelOrder(
        kind=kind,
        name=form.get("name", "") or ("Mail" if kind is ChannelKind.MAIL else kind.value),
        setup={f: form.get(f, "") for f in _SETUP_FIELDS},
        secrets={f: form.get(f, "").strip() for f in _SECRET_FIELDS},
        topics=frozenset(Topic(topic) for topic in wanted if topic in set(Topic)),
        language=form.get("language", "ja"),
        enabled=bool(form.get("enabled")),
    )
    try:
        with database.write(principal) as tx:
            channel = service.set_channel(tx, box, order, channel_id, form.get("seen"))
    except (InvalidInputError, ConflictError) as error:
        shown = {f: v for f, v in form.items() if f not in _SECRET_FIELDS}
        with database.read(principal) as tx:
            known = channel_id or (MAIL_CHANNEL if kind is ChannelKind.MAIL else "")
            before = service.find_channel(tx, known)
        return _channel_page(kind, before, form=shown, fault=error)
    return Redirect(f"/notices/channels/{channel.id}", status_code=303)


@post("/notices/channels/{channel_id:str}/test", status_code=200, sync_to_thread=True)
def test_channel(
    channel_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    settings: NamedDependency[Settings],
    box: NamedDependency[SecretBox],
    clock: NamedDependency[Clock],
) -> Page:
    """Send a test by a channel: by mail to oneself, by a webhook to wherever it leads."""
    with database.write(principal) as tx:
        tx.principal.require("settings.write")
        channel = service.get_channel(tx, channel_id)
        service.check_test_pace(tx)
        reader = _reader(identity.list_reachable(tx, [principal.id]), channel, principal)
    fault = service.send_test(database, service.make_outside(settings, box, clock), channel, reader)
    return _channel_page(channel.kind, channel, tested=(fault,))


def _reader(
    found: list[identity.Reachable], channel: Channel, principal: Principal
) -> identity.Reachable:
    if found:
        return found[0]
    if channel.kind is ChannelKind.MAIL or principal.kind is PrincipalKind.PERSON:
        raise InvalidInputError(
            msg("A test mail goes to whoever asks for it, and you have no address here."),
            hint=msg("Sign in as a person."),
        )
    return identity.Reachable("", principal.name, "", channel.language)


@post("/notices/channels/{channel_id:str}/retry", sync_to_thread=True)
def retry_channel(
    channel_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Let a resting channel try again at once."""
    with database.write(principal) as tx:
        service.retry_channel(tx, channel_id)
    return Redirect(QUEUE, status_code=303)


@post("/notices/channels/{channel_id:str}/remove", sync_to_thread=True)
def remove_channel(
    channel_id: FromPath[str],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
) -> Redirect:
    """Remove a channel and what waits for it."""
    with database.write(principal) as tx:
        tx.principal.require("settings.write")
        service.remove_channel(tx, channel_id)
    return Redirect(QUEUE, status_code=303)


HANDLERS: list[ControllerRouterHandler] = [
    show_queue, send_all_again, send_one_again, show_new_channel, show_channel, keep_channel,
    test_channel, retry_channel, remove_channel,
]  # fmt: skip

"""Notices as JSON: one's own, and the queue."""

from datetime import datetime

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.exceptions import ValidationException
from litestar.params import FromQuery, JSONBody
from litestar.types import ControllerRouterHandler

from sekisho.kernel.clock import Clock
from sekisho.kernel.db import Database
from sekisho.kernel.i18n import translate
from sekisho.kernel.principal import Principal
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Settings
from sekisho.notices import service
from sekisho.notices.engine.wording import say
from sekisho.notices.model import DeliveryState
from sekisho.notices.service.queue import QueueWish


class NoticeView(msgspec.Struct):
    """One notice in the reader's language; times are UTC."""

    id: str
    kind: str
    topic: str
    subject: str
    urgency: str
    title: str
    body: str
    link: str
    created_at: datetime
    read_at: datetime | None


class NoticeList(msgspec.Struct):
    """One page of notices, the newest first; ``total`` counts all pages."""

    notices: list[NoticeView]
    total: int
    unread: int
    page: int


class DeliveryView(msgspec.Struct):
    """One notice on its way to one person or channel; ``fault`` is why it could not leave."""

    id: str
    notice_id: str
    kind: str
    subject: str
    person_id: str | None
    channel_id: str
    state: str
    tries: int
    due_at: datetime
    created_at: datetime
    done_at: datetime | None
    fault: str
    hint: str


class DeliveryList(msgspec.Struct):
    """One page of deliveries, the newest first."""

    deliveries: list[DeliveryView]
    total: int
    page: int


class Again(msgspec.Struct):
    """What to send again: one delivery, or everything dead of a channel ("" = all)."""

    delivery_id: str = ""
    channel_id: str = ""


@get("/api/notices", sync_to_thread=True, tags=["notices"])
def list_notices(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    settings: NamedDependency[Settings],
    box: NamedDependency[SecretBox],
    clock: NamedDependency[Clock],
    language: NamedDependency[str],
    page: FromQuery[int] = 1,
) -> NoticeList:
    """List one's own notices."""
    zone = service.make_outside(settings, box, clock).zone
    with database.read(principal) as tx:
        found = service.list_notices(tx, page=page)
    views = [
        NoticeView(
            item.post.id, item.post.kind, item.post.topic, item.post.subject, item.post.urgency,
            say(item.post.title, language, zone), say(item.post.body, language, zone),
            item.post.link, item.post.created_at, item.read_at,
        )
        for item in found.items
    ]  # fmt: skip
    return NoticeList(views, found.total, found.unread, page)


@get("/api/notices/queue", sync_to_thread=True, tags=["notices"])
def list_queue(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    language: NamedDependency[str],
    status: FromQuery[str] = "",
    channel: FromQuery[str] = "",
    page: FromQuery[int] = 1,
) -> DeliveryList:
    """List what is on its way, was sent or could not leave."""
    if status and status not in set(DeliveryState):
        raise ValidationException(f"status is “{status}”; waiting, sent or dead is expected")
    wanted = QueueWish(DeliveryState(status) if status else None, channel)
    with database.read(principal) as tx:
        found = service.list_queue(tx, wanted, page=page)
    views = [
        DeliveryView(
            d.id, d.post.id, d.post.kind, d.post.subject, d.person_id, d.channel_id, d.state,
            d.tries, d.due_at, d.created_at, d.done_at,
            translate(d.fault.message, language) if d.fault else "",
            translate(d.fault.hint, language) if d.fault else "",
        )
        for d in found.deliveries
    ]  # fmt: skip
    return DeliveryList(views, found.total, page)


@post("/api/notices/again", status_code=200, sync_to_thread=True, tags=["notices"])
def send_again(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    data: JSONBody[Again],
) -> dict[str, int]:
    """Send again what could not leave; says how many."""
    with database.write(principal) as tx:
        count = service.send_again(tx, delivery_id=data.delivery_id, channel_id=data.channel_id)
    return {"deliveries": count}


HANDLERS: list[ControllerRouterHandler] = [list_notices, list_queue, send_again]

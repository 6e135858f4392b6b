"""What is on its way out, seen and mended by whoever answers for it."""

from dataclasses import dataclass, field
from datetime import timedelta

from sekisho.evidence import service as evidence
from sekisho.identity import service as identity
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import msg
from sekisho.notices.model import Delivery, DeliveryState
from sekisho.notices.store import deliveries, posts

MOST_LISTED = 200
MOST_AGAIN = 10_000
LATEST = "-time"
KEPT_DAYS = 180
_DELETED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class QueueWish:
    """Which deliveries are wanted, what is empty does not count; by a key of SORTS ("-" down)."""

    state: DeliveryState | None = None
    channel_id: str = ""
    search: str = ""
    sort: str = LATEST


@dataclass(frozen=True, slots=True)
class QueuePage:
    """One page of deliveries with the names of their readers, and counts by state."""

    deliveries: list[Delivery]
    names: dict[str, str]
    total: int
    page: int
    page_size: int
    counts: dict[DeliveryState, int] = field(default_factory=dict)


def list_queue(
    tx: Transaction, wanted: QueueWish, *, page: int = 1, page_size: int = 50
) -> QueuePage:
    """Return one page of deliveries. Needs ``notices.read``."""
    tx.principal.require("notices.read")
    if page < 1 or not 1 <= page_size <= MOST_LISTED:
        raise InvalidInputError(
            msg("Page %(page)s with %(size)s notices was asked for; pages count from 1 and hold at "
                "most %(most)s.", page=page, size=page_size, most=MOST_LISTED)
        )  # fmt: skip
    sort = wanted.sort if wanted.sort.removeprefix("-") in deliveries.SORTS else LATEST
    people = identity.search_ids(tx, wanted.search)
    found = deliveries.list_deliveries(
        tx, state=wanted.state, channel_id=wanted.channel_id, search=wanted.search,
        people=people, names=identity.select_names(), sort=sort, offset=(page - 1) * page_size,
        limit=page_size,
    )  # fmt: skip
    total = deliveries.count_deliveries(
        tx, state=wanted.state, channel_id=wanted.channel_id, search=wanted.search, people=people
    )
    names = identity.find_names(tx, [d.person_id for d in found if d.person_id])
    return QueuePage(found, names, total, page, page_size, count_states(tx))


def count_states(tx: Transaction) -> dict[DeliveryState, int]:
    """Return how many deliveries wait, were sent, are dead. Needs ``notices.read``."""
    tx.principal.require("notices.read")
    counts = dict.fromkeys(DeliveryState, 0)
    for (_, state), number in deliveries.count_by_state(tx).items():
        counts[state] += number
    return counts


def send_again(tx: Transaction, *, delivery_id: str = "", channel_id: str = "") -> int:
    """Put one delivery, or all dead ones of a channel ("" = all), to the front again.

    Needs ``notices.write``; returns how many.
    """
    tx.principal.require("notices.write")
    ids = [delivery_id] if delivery_id else deliveries.list_dead_ids(tx, channel_id, MOST_AGAIN)
    count = deliveries.send_again(tx, ids)
    if count:
        evidence.record(
            tx,
            kind="notice.sent_again",
            subject=f"delivery:{delivery_id}" if delivery_id else "notices",
            detail={"deliveries": count, "channel": channel_id},
        )
    return count


def forget_old_notices(tx: Transaction) -> int:
    """Delete what was told half a year ago and has left; return how many posts (worker)."""
    return posts.delete_old(tx, tx.now - timedelta(days=KEPT_DAYS), _DELETED_AT_ONCE)

"""Reads and writes posts: what was queued, and how far it has been handed out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, select, update

from sekisho.kernel.db import Transaction, upsert
from sekisho.kernel.i18n import Text
from sekisho.notices.model import (
    Holders,
    Kind,
    Newcomer,
    NewNotice,
    People,
    Post,
    Reach,
    Saying,
    Urgency,
)
from sekisho.notices.store.tables import deliveries, inbox, posts


@dataclass(frozen=True, slots=True)
class OpenPost:
    """A post that has not reached everyone yet; ``cursor`` is the last person it reached."""

    post: Post
    reach: Reach
    cursor: str


def insert_posts(tx: Transaction, rows: Sequence[tuple[str, NewNotice]]) -> None:
    """Add posts under the ids given; a dedupe key that is known already is left as it is."""
    for keyed in (True, False):
        some = [_row(tx, name, new) for name, new in rows if bool(new.dedupe_key) is keyed]
        upsert(tx, posts, some, index=["dedupe_key"] if keyed else ["id"], update=[])


def _row(tx: Transaction, name: str, new: NewNotice) -> dict[str, Any]:
    return {
        "id": name,
        "kind": new.kind.value,
        "subject": new.subject,
        "title": pack_saying(new.title),
        "body": pack_saying(new.body),
        "urgency": new.urgency.value,
        "link": new.link,
        "reach": _pack_reach(new.to),
        "dedupe_key": new.dedupe_key or None,
        "created_at": tx.now,
        "cursor": "",
        "done_at": None,
    }


def _pack_reach(reach: Reach) -> dict[str, Any]:
    if isinstance(reach, People):
        return {"people": sorted(set(reach.ids))}
    if isinstance(reach, Newcomer):
        return {"newcomer": reach.id}
    unit: dict[str, Any] = {"unit": reach.unit} if reach.unit else {}
    roles: dict[str, Any] = {"roles": sorted(reach.roles)} if reach.roles else {}
    return {"right": reach.right} | unit | roles


def pack_saying(saying: Saying) -> dict[str, Any]:
    """Return a saying as plain data; times stay times, to be said in the reader's own zone."""
    if not isinstance(saying, Text):
        return dict(saying)
    return {"id": saying.id, "params": {n: _pack_value(v) for n, v in saying.params.items()}}


def _pack_value(value: object) -> object:
    if isinstance(value, Text):
        return pack_saying(value)
    if isinstance(value, datetime):
        return {"at": value.isoformat()}
    if isinstance(value, Mapping):
        return {"said": dict(value)}
    return value if isinstance(value, int | float) else str(value)


def unpack_saying(raw: Mapping[str, Any]) -> Saying:
    """Make a saying of plain data again."""
    if "params" not in raw:
        return dict(raw)
    return Text(raw["id"], {n: _unpack_value(v) for n, v in raw["params"].items()})


def _unpack_value(value: Any) -> object:
    if not isinstance(value, Mapping):
        return value
    if "said" in value:
        return dict(value["said"])
    return datetime.fromisoformat(value["at"]) if "at" in value else unpack_saying(value)


def known_keys(tx: Transaction, keys: Sequence[str]) -> set[str]:
    """Return which of these dedupe keys have been used."""
    rows = tx.rows(select(posts.c.dedupe_key).where(posts.c.dedupe_key.in_(keys)))
    return {row.dedupe_key for row in rows}


def list_open(tx: Transaction, limit: int) -> list[OpenPost]:
    """List posts that have not reached everyone, the oldest first."""
    query = select(posts).where(posts.c.done_at.is_(None)).order_by(posts.c.id).limit(limit)
    return [OpenPost(read_post(row), _reach(row.reach), row.cursor) for row in tx.rows(query)]


def _reach(raw: Mapping[str, Any]) -> Reach:
    if "newcomer" in raw:
        return Newcomer(raw["newcomer"])
    if "right" in raw:
        return Holders(raw["right"], raw.get("unit"), frozenset(raw.get("roles", ())))
    return People(raw["people"])


def move_cursor(tx: Transaction, post_id: str, cursor: str) -> None:
    """Note the last person whom a post has reached."""
    tx.execute(update(posts).where(posts.c.id == post_id).values(cursor=cursor))


def finish_posts(tx: Transaction, ids: Sequence[str]) -> None:
    """Note that posts have reached everyone."""
    if ids:
        tx.execute(update(posts).where(posts.c.id.in_(ids)).values(done_at=tx.now))


def count_open(tx: Transaction) -> int:
    """Count the posts that have not reached everyone (at most 1,000 are counted)."""
    query = select(posts.c.id).where(posts.c.done_at.is_(None)).limit(1_000)
    return len(tx.rows(query))


def delete_old(tx: Transaction, before: datetime, limit: int) -> int:
    """Delete finished posts older than ``before`` that nothing waits for; return how many."""
    unsent = exists().where(deliveries.c.post_id == posts.c.id, deliveries.c.state != "sent")
    old = (
        select(posts.c.id)
        .where(posts.c.done_at.is_not(None), posts.c.created_at < before, ~unsent)
        .limit(limit)
    )
    ids = [row.id for row in tx.rows(old)]
    if ids:
        for table, column in ((inbox, inbox.c.post_id), (deliveries, deliveries.c.post_id)):
            tx.execute(delete(table).where(column.in_(ids)))
        tx.execute(delete(posts).where(posts.c.id.in_(ids)))
    return len(ids)


def read_post(row: Any) -> Post:
    """Make a post of a row that holds its columns."""
    return Post(
        id=row.id,
        kind=Kind(row.kind),
        subject=row.subject,
        title=unpack_saying(row.title),
        body=unpack_saying(row.body),
        urgency=Urgency(row.urgency),
        link=row.link,
        created_at=row.created_at,
    )

"""Reads and writes what lies before each person: the web inbox."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, Text, and_, func, or_, select, type_coerce, update

from sekisho.kernel.db import Transaction, upsert
from sekisho.notices.model import InboxItem, Topic, kinds_of
from sekisho.notices.store.posts import read_post
from sekisho.notices.store.tables import inbox, posts


def insert_items(tx: Transaction, pairs: Sequence[tuple[str, str]]) -> None:
    """Lay posts before people: (post id, person id); what lies there already stays."""
    rows = [
        {"post_id": post_id, "person_id": person_id, "created_at": tx.now, "read_at": None}
        for post_id, person_id in pairs
    ]
    upsert(tx, inbox, rows, index=["person_id", "post_id"], update=[])


def list_items(
    tx: Transaction, person_id: str, *, search: str, unread: bool, topic: Topic | None,
    offset: int, limit: int,
) -> list[InboxItem]:  # fmt: skip
    """List a person's notices, the newest first."""
    query = select(posts, inbox.c.read_at).join(inbox, inbox.c.post_id == posts.c.id)
    wanted = _where(query, person_id, search, topic, unread=unread)
    ordered = wanted.order_by(inbox.c.created_at.desc(), posts.c.id.desc())
    rows = tx.rows(ordered.offset(offset).limit(limit))
    return [InboxItem(read_post(row), row.read_at) for row in rows]


def count_items(
    tx: Transaction, person_id: str, *, search: str, unread: bool, topic: Topic | None
) -> int:
    """Count what ``list_items`` would list without a limit."""
    query = select(func.count()).select_from(inbox.join(posts, inbox.c.post_id == posts.c.id))
    return int(tx.scalar(_where(query, person_id, search, topic, unread=unread)))


def count_unread(tx: Transaction, person_id: str) -> int:
    """Count a person's unread notices."""
    mine = and_(inbox.c.person_id == person_id, inbox.c.read_at.is_(None))
    return int(tx.scalar(select(func.count()).select_from(inbox).where(mine)))


def find_item(tx: Transaction, person_id: str, post_id: str) -> InboxItem | None:
    """Return one notice of a person, or None."""
    query = select(posts, inbox.c.read_at).join(inbox, inbox.c.post_id == posts.c.id)
    rows = tx.rows(query.where(inbox.c.person_id == person_id, posts.c.id == post_id))
    return InboxItem(read_post(rows[0]), rows[0].read_at) if rows else None


def mark_read(tx: Transaction, person_id: str, post_id: str = "", *, read: bool = True) -> int:
    """Mark one notice (or all) as read or unread; return how many changed."""
    mine = [inbox.c.person_id == person_id]
    mine += [inbox.c.post_id == post_id] if post_id else []
    mine += [inbox.c.read_at.is_(None) if read else inbox.c.read_at.is_not(None)]
    done = update(inbox).where(*mine).values(read_at=tx.now if read else None)
    return int(tx.execute(done).rowcount)


def _where(
    query: Select[Any], person_id: str, search: str, topic: Topic | None, *, unread: bool
) -> Select[Any]:
    query = query.where(inbox.c.person_id == person_id)
    if unread:
        query = query.where(inbox.c.read_at.is_(None))
    if topic is not None:
        query = query.where(posts.c.kind.in_([kind.value for kind in kinds_of(topic)]))
    if search:
        texts = [type_coerce(c, Text()) for c in (posts.c.title, posts.c.body)]  # JSON as stored
        query = query.where(or_(*(c.icontains(search, autoescape=True) for c in texts)))
    return query

"""Reads and writes deliveries: what is on its way out, was sent, or is dead."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Row, Select, and_, bindparam, func, insert, or_, select, update

from sekisho.kernel.db import Transaction, chunked
from sekisho.kernel.ids import new_id
from sekisho.notices.model import Delivery, DeliveryState, Fault, Planned
from sekisho.notices.store.channels import pack_fault, unpack_fault
from sekisho.notices.store.posts import read_post
from sekisho.notices.store.tables import deliveries, posts


def insert_deliveries(tx: Transaction, planned: Sequence[tuple[str, str | None, Planned]]) -> None:
    """Add deliveries: (post id, person id or None for a shared channel, plan)."""
    rows = [
        {
            "id": new_id("dlv"),
            "post_id": post_id,
            "person_id": person_id,
            "channel_id": plan.channel_id,
            "state": DeliveryState.WAITING.value,
            "digest": plan.digest,
            "due_at": plan.due_at,
            "leased_until": None,
            "tries": 0,
            "fault": None,
            "created_at": tx.now,
            "done_at": None,
        }
        for post_id, person_id, plan in planned
    ]
    if rows:
        tx.execute(insert(deliveries), rows)


def claim_due(
    tx: Transaction, channel_ids: Sequence[str], until: datetime, limit: int
) -> list[Delivery]:
    """Take what is due for these channels until ``until``; nobody else gets it before then.

    At least one and about ``limit``: a person's digest is always taken whole.
    """
    due = and_(
        deliveries.c.state == DeliveryState.WAITING.value,
        deliveries.c.due_at <= tx.now,
        deliveries.c.channel_id.in_(channel_ids),
        or_(deliveries.c.leased_until.is_(None), deliveries.c.leased_until <= tx.now),
    )
    columns = (deliveries.c.id, deliveries.c.digest, deliveries.c.person_id)
    order = (deliveries.c.due_at, deliveries.c.id)
    query = select(*columns).where(due).with_for_update(skip_locked=True)
    first = tx.rows(query.order_by(*order).limit(limit))
    readers = {row.person_id for row in first if row.digest and row.person_id}
    whole = and_(due, deliveries.c.digest, deliveries.c.person_id.in_(readers))
    rest = tx.rows(query.where(whole)) if readers else ()
    ids = list(dict.fromkeys(row.id for row in (*first, *rest)))
    for some in chunked(ids):
        claim = update(deliveries).where(deliveries.c.id.in_(some))
        tx.execute(claim.values(leased_until=until))
    return list_by_ids(tx, ids)


def list_by_ids(tx: Transaction, ids: Sequence[str]) -> list[Delivery]:
    """Return deliveries with their posts, by age."""
    found: list[Delivery] = []
    for some in chunked(ids):
        rows = tx.rows(_whole().where(deliveries.c.id.in_(some)).order_by(deliveries.c.due_at))
        found += [_delivery(row) for row in rows]
    return found


def note_sent(tx: Transaction, ids: Sequence[str]) -> None:
    """Note that deliveries have left."""
    sent = {"state": DeliveryState.SENT.value, "done_at": tx.now, "leased_until": None,
            "fault": None}  # fmt: skip
    for some in chunked(ids):
        tx.execute(update(deliveries).where(deliveries.c.id.in_(some)).values(**sent))


def note_failed(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Note failures: each row has id, state, due_at, tries, fault."""
    if not rows:
        return
    statement = (
        update(deliveries)
        .where(deliveries.c.id == bindparam("the_id"))
        .values(
            state=bindparam("new_state"),
            due_at=bindparam("new_due"),
            tries=bindparam("new_tries"),
            fault=bindparam("new_fault"),
            done_at=bindparam("new_done"),
            leased_until=None,
        )
    )
    tx.execute(statement, [_failed(tx, row) for row in rows])


def _failed(tx: Transaction, row: Mapping[str, Any]) -> dict[str, Any]:
    fault: Fault = row["fault"]
    return {
        "the_id": row["id"],
        "new_state": row["state"].value,
        "new_due": row["due_at"],
        "new_tries": row["tries"],
        "new_fault": pack_fault(fault),
        "new_done": tx.now if row["state"] is DeliveryState.DEAD else None,
    }


def send_again(tx: Transaction, ids: Sequence[str]) -> int:
    """Put dead or waiting deliveries back to the front; return how many."""
    unsent = deliveries.c.state != DeliveryState.SENT.value
    fresh = {"state": DeliveryState.WAITING.value, "due_at": tx.now, "tries": 0, "done_at": None,
             "created_at": tx.now, "leased_until": None}  # fmt: skip
    done = update(deliveries).where(deliveries.c.id.in_(ids), unsent).values(**fresh)
    return int(tx.execute(done).rowcount)


def find_latest(tx: Transaction, subject: str) -> Delivery | None:
    """Return the newest delivery about a subject, or None."""
    query = _whole().where(posts.c.subject == subject).order_by(deliveries.c.id.desc()).limit(1)
    return next((_delivery(row) for row in tx.rows(query)), None)


def list_dead_ids(tx: Transaction, channel_id: str, limit: int) -> list[str]:
    """List ids of dead deliveries of a channel ("" = of all)."""
    query = select(deliveries.c.id).where(deliveries.c.state == DeliveryState.DEAD.value)
    if channel_id:
        query = query.where(deliveries.c.channel_id == channel_id)
    return [row.id for row in tx.rows(query.order_by(deliveries.c.id).limit(limit))]


# What the queue is sorted by, "-" downwards: each begins as an index does, but for the names of
# people, which stand elsewhere.
_COLUMNS: Mapping[str, tuple[Column[Any], ...]] = {
    "time": (deliveries.c.created_at, deliveries.c.id),
    "state": (deliveries.c.state, deliveries.c.due_at, deliveries.c.id),
}
PERSON = "person"
SORTS = (*_COLUMNS, PERSON)


def list_deliveries(
    tx: Transaction, *, state: DeliveryState | None, channel_id: str, search: str,
    people: Sequence[str], names: Select[Any], sort: str, offset: int, limit: int,
) -> list[Delivery]:  # fmt: skip
    """List deliveries by a key of SORTS; ``people`` are those whose name fits ``search``.

    ``names`` selects the id and name of everybody. What goes to a channel that several read has
    no name to be sorted by, and comes last.
    """
    ids = select(deliveries.c.id).join(posts, posts.c.id == deliveries.c.post_id)
    page = _sort(_where(ids, state, channel_id, search, people), names, sort)
    whole = _whole().where(deliveries.c.id.in_(page.offset(offset).limit(limit)))
    return [_delivery(row) for row in tx.rows(_sort(whole, names, sort))]


def _sort(query: Select[Any], names: Select[Any], sort: str) -> Select[Any]:
    """Sort by a key of SORTS; of one person the newest comes first."""
    key, down = sort.removeprefix("-"), sort.startswith("-")
    if key != PERSON:
        return query.order_by(*(c.desc() if down else c.asc() for c in _COLUMNS[key]))
    named = names.subquery()
    order = named.c.name.desc() if down else named.c.name.asc()
    return query.outerjoin(named, named.c.id == deliveries.c.person_id).order_by(
        order.nulls_last(), named.c.id, deliveries.c.created_at.desc(), deliveries.c.id.desc()
    )


def count_deliveries(
    tx: Transaction, *, state: DeliveryState | None, channel_id: str, search: str,
    people: Sequence[str],
) -> int:  # fmt: skip
    """Count what ``list_deliveries`` would list without a limit."""
    joined = deliveries.join(posts, posts.c.id == deliveries.c.post_id)
    query = select(func.count()).select_from(joined)
    return int(tx.scalar(_where(query, state, channel_id, search, people)))


def count_by_state(tx: Transaction) -> dict[tuple[str, DeliveryState], int]:
    """Return (channel, state) → number of deliveries."""
    columns = (deliveries.c.channel_id, deliveries.c.state)
    rows = tx.rows(select(*columns, func.count().label("n")).group_by(*columns))
    return {(row.channel_id, DeliveryState(row.state)): row.n for row in rows}


def _where(
    query: Select[Any], state: DeliveryState | None, channel_id: str, search: str,
    people: Sequence[str],
) -> Select[Any]:  # fmt: skip
    if state is not None:
        query = query.where(deliveries.c.state == state.value)
    if channel_id:
        query = query.where(deliveries.c.channel_id == channel_id)
    if search:
        fits = [c.icontains(search, autoescape=True) for c in (posts.c.kind, posts.c.subject)]
        query = query.where(or_(*fits, deliveries.c.person_id.in_(people)))
    return query


_POST_COLUMNS = tuple(c.label(f"of_post_{c.name}") for c in posts.c)


def _whole() -> Select[Any]:
    return select(deliveries, *_POST_COLUMNS).join(posts, posts.c.id == deliveries.c.post_id)


class _PostOf:
    """A row's post columns under their own names."""

    __slots__ = ("_row",)

    def __init__(self, row: Row[Any]) -> None:
        self._row = row

    def __getattr__(self, name: str) -> Any:
        return getattr(self._row, f"of_post_{name}")


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        id=row.id,
        post=read_post(_PostOf(row)),
        person_id=row.person_id,
        channel_id=row.channel_id,
        state=DeliveryState(row.state),
        digest=row.digest,
        due_at=row.due_at,
        tries=row.tries,
        fault=unpack_fault(row.fault),
        created_at=row.created_at,
        done_at=row.done_at,
    )

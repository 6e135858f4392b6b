"""SQL for records, their payloads and the end of the chain."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)

from sekisho.evidence.model import RecordFilter
from sekisho.evidence.store.tables import chain, erasures, payloads, records
from sekisho.kernel.db import Transaction

_HEAD = 1
_INSERT_RECORDS, _INSERT_PAYLOADS = insert(records), insert(payloads)


def insert_records(tx: Transaction, rows: Sequence[dict[str, Any]]) -> None:
    """Append records; they are unsealed until the sealer has passed."""
    tx.execute(_INSERT_RECORDS, list(rows))


def insert_payloads(tx: Transaction, rows: Sequence[dict[str, Any]]) -> None:
    """Keep the payloads of records."""
    tx.execute(_INSERT_PAYLOADS, list(rows))


def lock_head(tx: Transaction) -> Row[Any]:
    """Return the end of the chain (seq, chain) and keep every other sealer waiting."""
    wanted = select(chain.c.seq, chain.c.chain).where(chain.c.id == _HEAD).with_for_update()
    head: Row[Any] = tx.execute(wanted).one()
    return head


def move_head(tx: Transaction, seq: int, value: str) -> None:
    """Set the end of the chain."""
    tx.execute(
        update(chain)
        .where(chain.c.id == _HEAD)
        .values(seq=seq, chain=value, sealed_at=tx.now)
    )  # fmt: skip


def get_head(tx: Transaction) -> Row[Any] | None:
    """Return the end of the chain (seq, chain, sealed_at), or None if the row is gone."""
    found = tx.rows(select(chain).where(chain.c.id == _HEAD))
    return found[0] if found else None


def list_unsealed(tx: Transaction, limit: int) -> Sequence[Row[Any]]:
    """Return the unsealed records in the order in which they are to be sealed."""
    # The second condition is always true; it leads SQLite's planner to the index of the unsealed,
    # where the unique index of seq would make it sort them all for each batch.
    waiting = (records.c.seq.is_(None), records.c.id > "")
    return tx.rows(select(records).where(*waiting).order_by(records.c.id).limit(limit))


def seal(tx: Transaction, rows: Sequence[dict[str, Any]]) -> None:
    """Give records their place: rows of ``record_id``, ``place`` and ``value``."""
    statement = (
        update(records)
        .where(records.c.id == bindparam("record_id"), records.c.seq.is_(None))
        .values(seq=bindparam("place"), chain=bindparam("value"))
    )
    tx.execute(statement, list(rows))


def count_unsealed(tx: Transaction) -> tuple[int, datetime | None]:
    """Return how many records wait for the sealer and the time of the oldest."""
    wanted = select(func.count(), func.min(records.c.at)).where(records.c.seq.is_(None))
    row = tx.execute(wanted).one()
    return int(row[0]), row[1]


def _select_shown() -> Select[Any]:
    return (
        select(records, payloads.c.payload, payloads.c.person, erasures.c.erasure_id)
        .outerjoin(payloads, payloads.c.record_id == records.c.id)
        .outerjoin(erasures, erasures.c.record_id == records.c.id)
    )


def find_record(tx: Transaction, wanted: int | str) -> Row[Any] | None:
    """Return one record by its place in the chain or its id."""
    column = records.c.seq if isinstance(wanted, int) else records.c.id
    found = tx.rows(_select_shown().where(column == wanted))
    return found[0] if found else None


def list_records(
    tx: Transaction, wanted: RecordFilter, before: int | None, limit: int,
    *, closed: frozenset[str] = frozenset(),
) -> Sequence[Row[Any]]:  # fmt: skip
    """Return records, the newest first: unsealed ones, then by falling place.

    With ``before`` only sealed records below that place are returned. The payloads of the kinds
    ``closed`` are not searched.
    """
    statement = _select_shown().where(*_conditions(wanted, closed))
    # Two queries that each walk an index backwards; one with both orders would sort all records.
    found: list[Row[Any]] = []
    if before is None:
        fresh = statement.where(records.c.seq.is_(None)).order_by(records.c.id.desc())
        found += tx.rows(fresh.limit(limit))
    if len(found) < limit:
        below = records.c.seq.is_not(None) if before is None else records.c.seq < before
        sealed = statement.where(below).order_by(records.c.seq.desc())
        found += tx.rows(sealed.limit(limit - len(found)))
    return found


SORTS: Mapping[str, tuple[ColumnElement[Any], ...]] = {
    "time": (records.c.seq,),
    "kind": (records.c.kind, records.c.seq),
    "subject": (records.c.subject, records.c.seq),
}
"""What sealed records are sorted by: each has an index, so that a page costs what it shows."""


def list_sorted(
    tx: Transaction, wanted: RecordFilter, sort: str, after: int | None, limit: int,
    *, closed: frozenset[str] = frozenset(),
) -> Sequence[Row[Any]]:  # fmt: skip
    """Return sealed records by a key of SORTS ("-" downwards), those behind the place ``after``."""
    columns, down = SORTS[sort.removeprefix("-")], sort.startswith("-")
    statement = _select_shown().where(*_conditions(wanted, closed), records.c.seq.is_not(None))
    if after is not None:
        found = tx.rows(select(*columns).where(records.c.seq == after))
        if not found:
            return []
        place, last = tuple_(*columns), tuple_(*found[0])
        statement = statement.where(place < last if down else place > last)
    order = [column.desc() if down else column.asc() for column in columns]
    return tx.rows(statement.order_by(*order).limit(limit))


def _conditions(wanted: RecordFilter, closed: frozenset[str]) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.kind.endswith(".*"):
        found.append(records.c.kind.startswith(wanted.kind[:-1], autoescape=True))
    elif wanted.kind:
        found.append(records.c.kind == wanted.kind)
    if wanted.subject:
        found.append(records.c.subject == wanted.subject)
    if wanted.since:
        found.append(records.c.at >= wanted.since)
    if wanted.until:
        found.append(records.c.at < wanted.until)
    if wanted.search:
        named = (records.c.kind, records.c.actor, records.c.subject)
        inside = payloads.c.payload.icontains(wanted.search, autoescape=True)
        found.append(or_(
            *(c.icontains(wanted.search, autoescape=True) for c in named),
            and_(inside, records.c.kind.not_in(sorted(closed))) if closed else inside,
        ))  # fmt: skip
    return found


def list_kinds_since(tx: Transaction, seq: int) -> list[str]:
    """Return the kinds of the records sealed behind ``seq``."""
    wanted = select(records.c.kind).where(records.c.seq > seq).distinct()
    return [row.kind for row in tx.rows(wanted.order_by(records.c.kind))]


def list_erasable(
    tx: Transaction,
    *,
    identifiers: Sequence[str] = (),
    person: str | None = None,
    also: str = "",
    kind: str = "",
) -> list[str]:
    """Return which of these records, or of a person's, still have an erasable payload.

    ``kind`` narrows; records of evidence itself are none, but for the kind ``also``.
    """
    wanted = (
        select(payloads.c.record_id)
        .join(records, records.c.id == payloads.c.record_id)
        .where(or_(~records.c.kind.startswith("evidence."), records.c.kind == also))
        .order_by(payloads.c.record_id)
    )
    if person is not None:
        wanted = wanted.where(payloads.c.person == person)
    else:
        wanted = wanted.where(payloads.c.record_id.in_(identifiers))
    if kind:
        wanted = wanted.where(records.c.kind == kind)
    return [row.record_id for row in tx.rows(wanted)]


def erase(tx: Transaction, identifiers: Sequence[str], erasure_id: str) -> None:
    """Delete the payloads and salts of records; note which record tells of it."""
    tx.execute(delete(payloads).where(payloads.c.record_id.in_(identifiers)))
    tx.execute(
        insert(erasures), [{"record_id": r, "erasure_id": erasure_id} for r in identifiers]
    )  # fmt: skip


def list_kinds(tx: Transaction) -> list[str]:
    """Return every kind of record there is, sorted."""
    return [row.kind for row in tx.rows(select(records.c.kind).distinct().order_by("kind"))]

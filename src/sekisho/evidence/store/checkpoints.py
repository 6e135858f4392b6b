"""SQL for signing keys, checkpoints and their way out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, func, insert, select, update

from sekisho.evidence.model import Checkpoint, Delivery, DeliveryState
from sekisho.evidence.store.tables import checkpoints, deliveries, keys
from sekisho.kernel.db import Transaction
from sekisho.kernel.i18n import Text, pack_text, unpack_text


def find_signing_key(tx: Transaction) -> Row[Any] | None:
    """Return the key in use (id, public_key, sealed), or None before the first."""
    wanted = select(keys).where(keys.c.retired_at.is_(None)).order_by(keys.c.made_at.desc())
    found = tx.rows(wanted.limit(1))
    return found[0] if found else None


def list_keys(tx: Transaction) -> Sequence[Row[Any]]:
    """Return every key there ever was (id, public_key, made_at, retired_at), the oldest first."""
    columns = (keys.c.id, keys.c.public_key, keys.c.made_at, keys.c.retired_at)
    newest_last = (keys.c.made_at, keys.c.retired_at.is_(None), keys.c.id)
    return tx.rows(select(*columns).order_by(*newest_last))


def insert_key(tx: Transaction, row: dict[str, Any]) -> None:
    """Keep a new key; every other one is retired."""
    tx.execute(update(keys).where(keys.c.retired_at.is_(None)).values(retired_at=tx.now))
    tx.execute(insert(keys), row)


def insert_checkpoint(tx: Transaction, checkpoint: Checkpoint) -> None:
    """Keep a checkpoint."""
    tx.execute(insert(checkpoints), {
        "id": checkpoint.id, "seq": checkpoint.seq, "chain": checkpoint.chain,
        "at": checkpoint.at, "key_id": checkpoint.key_id, "signature": checkpoint.signature,
    })  # fmt: skip


def list_checkpoints(tx: Transaction, limit: int | None = None) -> list[Checkpoint]:
    """Return checkpoints, the newest first."""
    wanted = (
        select(checkpoints, keys.c.public_key)
        .join(keys, keys.c.id == checkpoints.c.key_id, isouter=True)
        .order_by(checkpoints.c.seq.desc(), checkpoints.c.at.desc(), checkpoints.c.id.desc())
        .limit(limit)
    )
    return [
        Checkpoint(r.id, r.seq, r.chain, r.at, r.key_id, r.public_key or "", r.signature)
        for r in tx.rows(wanted)
    ]


def get_checkpoint(tx: Transaction, identifier: str) -> Checkpoint:
    """Return one checkpoint."""
    wanted = (
        select(checkpoints, keys.c.public_key)
        .join(keys, keys.c.id == checkpoints.c.key_id)
        .where(checkpoints.c.id == identifier)
    )
    r = tx.execute(wanted).one()
    return Checkpoint(r.id, r.seq, r.chain, r.at, r.key_id, r.public_key, r.signature)


def insert_deliveries(tx: Transaction, checkpoint_id: str, destinations: Sequence[str]) -> None:
    """Note that a checkpoint has to leave for each destination."""
    if not destinations:
        return
    tx.execute(insert(deliveries), [
        {"checkpoint_id": checkpoint_id, "destination": name, "tries": 0, "error": "",
         "state": DeliveryState.WAITING.value, "next_at": tx.now}
        for name in destinations
    ])  # fmt: skip


def list_waiting(tx: Transaction, *, due_by: datetime | None, limit: int) -> list[Delivery]:
    """Return what has not left yet (and is due by then), the oldest first."""
    wanted = select(deliveries).where(deliveries.c.state == DeliveryState.WAITING.value)
    if due_by is not None:
        wanted = wanted.where(deliveries.c.next_at <= due_by)
    rows = tx.rows(wanted.order_by(deliveries.c.checkpoint_id).limit(limit))
    return [_read(row) for row in rows]


def update_delivery(
    tx: Transaction, checkpoint_id: str, destination: str, *, error: Text | None, **values: Any
) -> None:
    """Write down what a try gave; ``error`` is kept so that it can be said in both languages."""
    values["error"] = msgspec.json.encode(pack_text(error), enc_hook=str).decode() if error else ""
    tx.execute(
        update(deliveries)
        .where(deliveries.c.checkpoint_id == checkpoint_id, deliveries.c.destination == destination)
        .values(**values)
    )  # fmt: skip


def list_receipts(tx: Transaction) -> Sequence[Row[Any]]:
    """Return (checkpoint_id, destination, receipt) of every delivery that gave a receipt."""
    columns = (deliveries.c.checkpoint_id, deliveries.c.destination, deliveries.c.receipt)
    wanted = select(*columns).where(deliveries.c.receipt.is_not(None))
    return tx.rows(wanted.order_by(deliveries.c.checkpoint_id))


def list_arrivals(tx: Transaction) -> Sequence[Row[Any]]:
    """Return for each destination its last arrival: destination, done_at, seq."""
    done = deliveries.c.state == DeliveryState.DELIVERED.value
    wanted = (
        select(deliveries.c.destination, func.max(deliveries.c.done_at).label("done_at"),
               func.max(checkpoints.c.seq).label("seq"))
        .join(checkpoints, checkpoints.c.id == deliveries.c.checkpoint_id)
        .where(done)
        .group_by(deliveries.c.destination)
    )  # fmt: skip
    return tx.rows(wanted)


def _read(row: Row[Any]) -> Delivery:
    return Delivery(
        row.checkpoint_id, row.destination, DeliveryState(row.state), row.tries,
        _read_error(row.error), row.next_at, row.done_at, row.receipt,
    )  # fmt: skip


def _read_error(stored: str) -> Text | None:
    if not stored:
        return None
    if not stored.startswith("{"):  # written by an early version: an English sentence
        return Text(stored)
    return unpack_text(msgspec.json.decode(stored))

"""The one sealer: gives committed records their place in the chain."""

from typing import Any

from sqlalchemy import Row

from sekisho.evidence.engine import chain as engine
from sekisho.evidence.model import SealedFields
from sekisho.evidence.store import records as store
from sekisho.kernel.db import Transaction

MOST_AT_ONCE = 5_000


def seal_records(tx: Transaction, *, limit: int = MOST_AT_ONCE) -> int:
    """Chain the unsealed records and return how many were sealed (``limit``: call again).

    The row of the chain's end is locked first, so a second sealer waits and then goes on from
    where the first one ended: the chain cannot fork.
    """
    head = store.lock_head(tx)
    seq, value = int(head.seq), bytes.fromhex(head.chain)
    rows: list[dict[str, Any]] = []
    for row in store.list_unsealed(tx, limit):
        seq += 1
        value = engine.extend_chain(value, seq, fields_of(row))
        rows.append({"record_id": row.id, "place": seq, "value": value.hex()})
    if rows:
        store.seal(tx, rows)
        store.move_head(tx, seq, value.hex())
    return len(rows)


def fields_of(row: Row[Any]) -> SealedFields:
    """Take from a stored record what the chain covers."""
    return SealedFields(
        row.id.encode(),
        engine.write_instant(row.at).encode(),
        row.kind.encode(),
        row.actor.encode(),
        row.subject.encode(),
        row.digest.encode(),
    )

"""SQL that reads everything as raw as the database gives it, for the verification.

On SQLite texts are read as bytes (``CAST AS BLOB``): a damaged store may hold what is no UTF-8,
no time and no number, and the verification must name it instead of stumbling over it.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, Row, cast, func, select

from sekisho.evidence.engine.audit import StoredPayload
from sekisho.evidence.engine.chain import write_instant
from sekisho.evidence.model import SealedFields
from sekisho.evidence.store.tables import artifacts, erasures, payloads, records
from sekisho.kernel.db import Transaction

_AT_ONCE = 2_000
_SQLITE_TIME = 26  # "2026-11-24 00:00:00.000000", as SQLAlchemy writes times on SQLite
_Scanned = tuple[Any, SealedFields, bytes, StoredPayload | None]


def scan_records(tx: Transaction, *, sealed: bool) -> Iterator[_Scanned]:
    """Yield (seq, fields, chain, payload) of every record in order, a few thousand at a time."""
    raw = (lambda c: cast(c, LargeBinary)) if tx.dialect == "sqlite" else (lambda c: c)
    columns: list[ColumnElement[Any]] = [records.c.seq]
    columns += [raw(c) for c in (records.c.id, records.c.at, records.c.kind, records.c.actor,
                                 records.c.subject, records.c.digest, records.c.chain)]  # fmt: skip
    columns += [raw(c) for c in (payloads.c.salt, payloads.c.payload, payloads.c.person)]
    wanted = (
        select(*columns)
        .outerjoin_from(records, payloads, payloads.c.record_id == records.c.id)
        .where(records.c.seq.is_not(None) if sealed else records.c.seq.is_(None))
        .order_by(records.c.seq if sealed else records.c.id)
        .execution_options(yield_per=_AT_ONCE)
    )
    for (
        seq,
        identifier,
        at,
        kind,
        actor,
        subject,
        digest,
        value,
        salt,
        payload,
        person,
    ) in tx.connection.execute(wanted):
        fields = SealedFields(
            _raw(identifier), _instant(at), _raw(kind), _raw(actor), _raw(subject), _raw(digest)
        )
        held = None
        if salt is not None or payload is not None:
            named = None if person is None else _raw(person)
            held = StoredPayload(_raw(salt), _raw(payload), named)
        yield seq, fields, _raw(value), held


def _raw(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return b"" if value is None else str(value).encode("utf-8", "surrogateescape")


def _instant(value: Any) -> bytes:
    """Return the time as the chain hashes it; a stored text in another form stays as it is."""
    if isinstance(value, datetime):
        return write_instant(value).encode()
    text = _raw(value)
    if len(text) == _SQLITE_TIME and text[10:11] == b" ":
        return text[:10] + b"T" + text[11:] + b"Z"
    return text


def count_records(tx: Transaction) -> int:
    """Return how many records there are."""
    return int(tx.scalar(select(func.count()).select_from(records)))


def count_stray_payloads(tx: Transaction) -> int:
    """Return how many payloads belong to no record, or to one that was erased."""
    known = select(records.c.id).where(records.c.id == payloads.c.record_id)
    gone = select(erasures.c.record_id).where(erasures.c.record_id == payloads.c.record_id)
    wanted = select(func.count()).select_from(payloads).where(~known.exists() | gone.exists())
    return int(tx.scalar(wanted))


def list_erasures(tx: Transaction) -> dict[str, str]:
    """Return which record was erased by which erasure record, as the index of pages has it."""
    return {row.record_id: row.erasure_id for row in tx.rows(select(erasures))}


def list_artifacts(tx: Transaction) -> Sequence[Row[Any]]:
    """Return every artefact."""
    return tx.rows(select(artifacts).order_by(artifacts.c.id))

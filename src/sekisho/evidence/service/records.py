"""Append records with the act they tell of, and read them again."""

import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Row

from sekisho.evidence.engine import chain as engine
from sekisho.evidence.model import NewRecord, Record, RecordFilter
from sekisho.evidence.store import records as store
from sekisho.kernel.changes import note_changes
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import InvalidInputError, NotFoundError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import RecordID, new_id

_LONGEST_KIND = 100
_LONGEST_NAME = 300
_LONGEST_PERSON = 100
MOST_LISTED = 500
# What somebody said of themselves, or told the CSIRT: everyone who reads records sees that and when
# it was said; its content is for whom it was meant. The chain covers it all the same.
KEPT_TO: Mapping[str, str] = {
    "case.reported": "cases.read",
    "selfcheck.answered": "selfchecks.write",
    "control.verdict_said": "selfchecks.write",
}
# What changes nobody's access: no reason to wake the gate.
_QUIET = (
    "access.closed", "access.cut", "access.denied", "access.opened", "device.looked_at",
    "evidence.", "import.", "notice.", "selfcheck.", "server.",
)  # fmt: skip


class _RisingIDs:
    """Makes ids that rise within this process, so that records keep the order of their acts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = ""

    def take(self, count: int) -> list[str]:
        """Return ``count`` ids, each greater than all before it."""
        with self._lock:
            return [self._next() for _ in range(count)]

    def _next(self) -> str:
        fresh = new_id("rec")
        self._last = fresh if fresh > self._last else _increment(self._last)
        return self._last


_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ids = _RisingIDs()


def _increment(identifier: str) -> str:
    """Return the id that follows in Crockford's base 32 (there are 2^80 to a millisecond)."""
    kept = identifier.rstrip("Z")
    following = _DIGITS[_DIGITS.index(kept[-1]) + 1]
    return kept[:-1] + following + "0" * (len(identifier) - len(kept))


def record(
    tx: Transaction,
    *,
    kind: str,
    subject: str,
    detail: Mapping[str, object],
    person: str | None = None,
) -> RecordID:
    """Append one record in the caller's transaction: it exists exactly if the act does.

    ``person`` names whose personal data the detail holds, so that it can be erased. Raises
    InvalidInputError for a detail that is not JSON and TooLargeError over 1 MiB.
    """
    return record_many(tx, [NewRecord(kind, subject, detail, person)])[0]


def record_many(tx: Transaction, rows: Sequence[NewRecord]) -> list[RecordID]:
    """Append records in the order given; see ``record``."""
    if not rows:
        return []
    ids = _ids.take(len(rows))
    written = [_write(tx, name, row) for name, row in zip(ids, rows, strict=True)]
    store.insert_records(tx, [row for row, _ in written])
    store.insert_payloads(tx, [payload for _, payload in written])
    note_changes(tx, [row.subject for row in rows if not row.kind.startswith(_QUIET)])
    return [RecordID(name) for name in ids]


def _write(tx: Transaction, name: str, new: NewRecord) -> tuple[dict[str, Any], dict[str, Any]]:
    salt = os.urandom(engine.SALT_BYTES)
    payload = engine.write_payload(new.detail, new.person)
    row = {
        "id": name,
        "at": tx.now,
        "kind": _short(new.kind, _LONGEST_KIND),
        "actor": _short(tx.principal.reference, _LONGEST_NAME),
        "subject": _short(new.subject, _LONGEST_NAME),
        "digest": engine.digest_payload(salt, payload),
    }
    person = None if new.person is None else _short(new.person, _LONGEST_PERSON)
    kept = {"record_id": name, "salt": salt, "payload": payload.decode(), "person": person}
    return row, kept


def _short(text: str, most: int) -> str:
    """Return ``text`` if every database can keep it as it is."""
    if not text or len(text) > most or not text.isprintable():
        raise InvalidInputError(
            msg("A record cannot name %(got)r; 1 to %(most)s printable characters are expected.",
                got=text[:most], most=most)
        )  # fmt: skip
    return text


def get_record(tx: Transaction, wanted: int | str) -> Record:
    """Return a record by its place in the chain or its id.

    Raises NotFoundError if there is none; needs ``evidence.read``.
    """
    tx.principal.require("evidence.read")
    found = store.find_record(tx, wanted)
    if found is None:
        raise NotFoundError(
            msg("There is no evidence record %(wanted)s.", wanted=wanted),
            hint=msg("Look for it in the list of evidence."),
        )
    return _read(found, _kept_from(tx))


def list_records(
    tx: Transaction,
    *,
    search: str = "",
    kind: str = "",
    subject: str = "",
    before: int | None = None,
    limit: int = 50,
    wanted: RecordFilter | None = None,
) -> list[Record]:
    """Return records, the newest first; the next page is ``before`` the last one's ``seq``.

    ``wanted`` replaces the single filters where a time range is asked too. Needs
    ``evidence.read``.
    """
    tx.principal.require("evidence.read")
    chosen = wanted or RecordFilter(search=search, kind=kind, subject=subject)
    kept = _kept_from(tx)
    found = store.list_records(tx, chosen, before, min(max(limit, 1), MOST_LISTED), closed=kept)
    return [_read(row, kept) for row in found]


LATEST = "-time"


def sort_records(
    tx: Transaction, wanted: RecordFilter, sort: str = LATEST, *, after: int | None = None,
    limit: int = 50,
) -> list[Record]:  # fmt: skip
    """Return records by time, kind or subject ("-" downwards); an unknown sort is the latest first.

    What is not sealed yet stands among the latest first alone. ``after`` is the ``seq`` of the
    last record of the page before. Needs ``evidence.read``.
    """
    if sort == LATEST or sort.removeprefix("-") not in store.SORTS:
        return list_records(tx, wanted=wanted, before=after, limit=limit)
    tx.principal.require("evidence.read")
    kept = _kept_from(tx)
    most = min(max(limit, 1), MOST_LISTED)
    return [
        _read(row, kept) for row in store.list_sorted(tx, wanted, sort, after, most, closed=kept)
    ]


def _kept_from(tx: Transaction) -> frozenset[str]:
    """Return the kinds of record whose content the caller may neither read nor search."""
    return frozenset(kind for kind, right in KEPT_TO.items() if not tx.principal.allows(right))


def list_kinds(tx: Transaction) -> list[str]:
    """Return every kind of record there is; needs ``evidence.read``."""
    tx.principal.require("evidence.read")
    return store.list_kinds(tx)


def list_kinds_since(tx: Transaction, seq: int) -> list[str]:
    """Return the kinds of the records sealed behind ``seq``; needs ``evidence.read``."""
    tx.principal.require("evidence.read")
    return store.list_kinds_since(tx, seq)


def _read(row: Row[Any], kept: frozenset[str]) -> Record:
    needs = KEPT_TO[row.kind] if row.kind in kept else None
    there = row.payload is not None and needs is None
    detail = msgspec.json.decode(row.payload)["detail"] if there else None
    return Record(
        RecordID(row.id), row.seq, row.at, row.kind, row.actor, row.subject, row.digest,
        row.chain, detail, row.person, row.erasure_id, needs,
    )  # fmt: skip

"""Signed checkpoints: written here, sent away, and asked how they fared."""

import base64
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Row

from sekisho.evidence.engine.checkpoints import identify_key, sign_checkpoint, write_line
from sekisho.evidence.model import (
    Checkpoint,
    Delivery,
    DeliveryReport,
    DeliveryState,
    DestinationState,
    EvidenceState,
    SigningKey,
)
from sekisho.evidence.service.records import record
from sekisho.evidence.service.sealing import MOST_AT_ONCE, seal_records
from sekisho.evidence.sources.destinations import Destination
from sekisho.evidence.store import checkpoints as store
from sekisho.evidence.store import records as record_store
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import SekishoError, UnavailableError
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.ids import new_id
from sekisho.kernel.installation import get_fact
from sekisho.kernel.principal import SYSTEM, PrincipalKind
from sekisho.kernel.secrets import SecretBox

PERIOD = timedelta(hours=1)
LONGEST_SILENCE = timedelta(hours=24)
_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(hours=1)
_MOST_DOUBLINGS = 10
_SENT_AT_ONCE = 200


def write_checkpoint(
    tx: Transaction, destinations: Sequence[Destination], *, box: SecretBox
) -> Checkpoint:
    """Seal what waits, sign where the chain stands, and queue it for every destination.

    The sending itself happens outside of any transaction, in ``deliver_checkpoints``. Needs
    ``evidence.read``; what a person asks for is recorded.
    """
    tx.principal.require("evidence.read")
    if tx.principal.kind is not PrincipalKind.SYSTEM:
        record(tx, kind="evidence.checkpoint_asked", subject="evidence:chain", detail={})
    key = _signing_key(tx, box)
    while seal_records(tx) == MOST_AT_ONCE:
        pass
    head = record_store.lock_head(tx)
    made = sign_checkpoint(key, identifier=new_id("ckp"), seq=head.seq, chain=head.chain, at=tx.now)
    store.insert_checkpoint(tx, made)
    store.insert_deliveries(tx, made.id, [place.name for place in destinations])
    return made


def write_due_checkpoint(
    tx: Transaction, destinations: Sequence[Destination], *, box: SecretBox
) -> Checkpoint | None:
    """Write a checkpoint if one is due: hourly when something was sealed, daily otherwise.

    A clock that was set back makes one due too.
    """
    latest = store.list_checkpoints(tx, limit=1)
    if latest:
        age, head = tx.now - latest[0].at, record_store.get_head(tx)
        moved = head is None or head.seq != latest[0].seq
        if timedelta(0) <= age < (PERIOD if moved else LONGEST_SILENCE):
            return None
    return write_checkpoint(tx, destinations, box=box)


def rotate_key(tx: Transaction, *, box: SecretBox) -> SigningKey:
    """Sign with a new key from now on; the old one is retired and recorded, never forgotten.

    Needs ``settings.write``.
    """
    tx.principal.require("settings.write")
    old = store.find_signing_key(tx)
    _make_key(tx, box, old.id if old else None)
    return list_signing_keys(tx)[-1]


def _signing_key(tx: Transaction, box: SecretBox) -> Ed25519PrivateKey:
    """Return the key in use; make the first one."""
    found = store.find_signing_key(tx)
    if found is None:
        return _make_key(tx, box, None)
    return Ed25519PrivateKey.from_private_bytes(box.open(found.sealed, _context(found.id)))


def _make_key(tx: Transaction, box: SecretBox, old: str | None) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    name = identify_key(public)
    text = base64.b64encode(public).decode()
    sealed = box.seal(key.private_bytes_raw(), _context(name))
    row = {"id": name, "public_key": text, "sealed": sealed, "made_at": tx.now, "retired_at": None}
    store.insert_key(tx, row)
    record(tx, kind="evidence.key_made", subject=f"key:{name}",
           detail={"public_key": text, "replaces": old})  # fmt: skip
    return key


def _context(key_id: str) -> str:
    return f"evidence.key:{key_id}"


def list_signing_keys(tx: Transaction) -> list[SigningKey]:
    """Return the public keys of all checkpoints, the oldest first; they are no secret."""
    return [SigningKey(r.id, r.public_key, r.made_at, r.retired_at) for r in store.list_keys(tx)]


def list_checkpoints(tx: Transaction, *, limit: int = 100) -> list[Checkpoint]:
    """Return checkpoints, the newest first; needs ``evidence.read``."""
    tx.principal.require("evidence.read")
    return store.list_checkpoints(tx, limit)


def export_checkpoints(tx: Transaction, *, limit: int | None = None) -> bytes:
    """Return checkpoints as the lines that travel, the oldest first; needs ``evidence.read``."""
    tx.principal.require("evidence.read")
    found = reversed(store.list_checkpoints(tx, limit))
    return b"".join(write_line(checkpoint) + b"\n" for checkpoint in found)


def deliver_checkpoints(database: Database, destinations: Sequence[Destination]) -> DeliveryReport:
    """Send what is due to every destination and write down how it went.

    Nothing is sent inside a transaction. After a failure a destination is left alone for a
    minute, then two, up to an hour; what waits for a destination that was taken out of the
    settings is dropped. A checkpoint is sent at least once.
    """
    with database.read(SYSTEM) as tx:
        waiting = store.list_waiting(tx, due_by=tx.now, limit=_SENT_AT_ONCE)
        lines = {
            name: write_line(store.get_checkpoint(tx, name))
            for name in {delivery.checkpoint_id for delivery in waiting}
        }
    places = {place.name: place for place in destinations}
    failed: dict[str, str] = {}
    delivered = 0
    for delivery in waiting:
        if delivery.destination in failed:
            continue
        error = _deliver(database, delivery, places.get(delivery.destination), lines)
        if error is None:
            delivered += 1
        else:
            failed[delivery.destination] = error
    return DeliveryReport(delivered, failed)


def _deliver(
    database: Database, delivery: Delivery, place: Destination | None, lines: dict[str, bytes]
) -> str | None:
    """Try one delivery; return why it failed, or None."""
    if place is None:
        reason = msg("This destination is no longer in the settings.")
        _note(database, delivery, state=DeliveryState.DROPPED.value, error=reason)
        return str(reason)
    try:
        receipt = place.send(lines[delivery.checkpoint_id])
    except SekishoError as error:
        _note_failure(database, delivery, error)
        return str(error.message)
    _note(database, delivery, state=DeliveryState.DELIVERED.value, error=None, receipt=receipt,
          tries=delivery.tries + 1, done_at=database.clock.now())  # fmt: skip
    return None


def _note_failure(database: Database, delivery: Delivery, error: SekishoError) -> None:
    pause = min(_FIRST_PAUSE * 2 ** min(delivery.tries, _MOST_DOUBLINGS), _LONGEST_PAUSE)
    said = error.message if isinstance(error.message, Text) else Text(error.message)
    _note(database, delivery, tries=delivery.tries + 1, error=said,
          next_at=database.clock.now() + pause)  # fmt: skip


def _note(database: Database, delivery: Delivery, *, error: Text | None, **values: Any) -> None:
    with database.write(SYSTEM) as tx:
        store.update_delivery(
            tx, delivery.checkpoint_id, delivery.destination, error=error, **values
        )


def get_state(tx: Transaction) -> EvidenceState:
    """Return where evidence stands; needs ``evidence.read``.

    Raises UnavailableError if the end of the chain is gone from the database.
    """
    tx.principal.require("evidence.read")
    head = record_store.get_head(tx)
    if head is None:
        raise UnavailableError(
            msg("The note of where the chain ends is missing from the database."),
            hint=msg("Run sekisho evidence verify and restore a backup."),
        )
    unsealed, oldest = record_store.count_unsealed(tx)
    latest = store.list_checkpoints(tx, limit=1)
    return EvidenceState(
        sealed=head.seq,
        chain=head.chain,
        sealed_at=head.sealed_at,
        unsealed=unsealed,
        oldest_unsealed_at=oldest,
        last_checkpoint=latest[0] if latest else None,
        destinations=tuple(_judge_destinations(tx)),
        last_verification=get_fact(tx, "evidence.last_verification"),
    )


def _judge_destinations(tx: Transaction) -> list[DestinationState]:
    arrivals: dict[str, Row[Any]] = {row.destination: row for row in store.list_arrivals(tx)}
    waiting: dict[str, list[Delivery]] = {}
    for delivery in store.list_waiting(tx, due_by=None, limit=10_000):
        waiting.setdefault(delivery.destination, []).append(delivery)
    found = []
    for name in sorted(arrivals.keys() | waiting.keys()):
        last, queue = arrivals.get(name), waiting.get(name, [])
        error = next((d.error for d in queue if d.error), None)
        found.append(
            DestinationState(
                name, last.done_at if last else None, last.seq if last else None, len(queue), error
            )
        )
    return found

"""Erasure: a person's data goes, the chain stays whole, and a record tells that it went."""

from collections.abc import Sequence

from sekisho.evidence.service.records import record
from sekisho.evidence.store import records as store
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import InvalidInputError, NotFoundError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import RecordID

_AT_ONCE = 500


def erase_payload(
    tx: Transaction,
    *,
    records: Sequence[str] = (),
    person: str | None = None,
    reason: str,
    artifacts: bool = False,
) -> list[RecordID]:
    """Delete payload and salt of these records, or of everything that belongs to ``person``.

    Returns the erasure records (one for each 500). Records of evidence itself are kept, for they
    are what a verification leans on; with ``artifacts`` those that artefacts were stored go, too,
    of artefacts that are forgotten in the same transaction. Needs ``evidence.erase`` and a fresh
    proof; raises InvalidInputError without a reason and NotFoundError where nothing is left to
    erase.
    """
    tx.principal.require("evidence.erase")
    tx.principal.require_fresh(tx.now)
    if not reason.strip():
        raise InvalidInputError(
            msg("An erasure needs a reason."), hint=msg("Say on whose request and on what ground.")
        )
    if bool(records) == (person is not None):
        raise InvalidInputError(msg("Name either records or a person to erase."))
    also = "evidence.artifact_stored" if artifacts else ""
    found = store.list_erasable(tx, identifiers=records, person=person, also=also)
    if not found:
        raise NotFoundError(
            msg("There is nothing to erase."),
            hint=msg("It was erased before, or it belongs to evidence itself."),
        )
    parts = [found[start : start + _AT_ONCE] for start in range(0, len(found), _AT_ONCE)]
    return [_erase(tx, part, reason) for part in parts]


def erase_of_person(tx: Transaction, person: str, kind: str, reason: str) -> int:
    """Erase what the records of one kind say about a person; return how many there were.

    For a room that owes it to the person, such as when they leave: it has judged the right to
    that, so nobody's right to erase is asked for, and nothing to erase is no error.
    """
    found = store.list_erasable(tx, person=person, kind=kind)
    for start in range(0, len(found), _AT_ONCE):
        _erase(tx, found[start : start + _AT_ONCE], reason)
    return len(found)


def _erase(tx: Transaction, identifiers: Sequence[str], reason: str) -> RecordID:
    erasure = record(
        tx,
        kind="evidence.erased",
        subject=f"record:{identifiers[0]}",
        detail={"records": list(identifiers), "reason": reason},
    )
    store.erase(tx, identifiers, erasure)
    return erasure

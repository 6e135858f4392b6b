"""Raise, close, list and assign findings. Idempotent: the same key is the same finding."""

from collections.abc import Mapping, Sequence
from typing import Any

from sekisho.evidence import service as evidence
from sekisho.evidence.model import NewRecord
from sekisho.findings import store
from sekisho.findings.model import (
    Finding,
    FindingFilter,
    FindingKind,
    FindingPage,
    FindingStatus,
    NewFinding,
    Severity,
)
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import InvalidInputError, NotFoundError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import new_id

MOST_LISTED = 500


def raise_findings(tx: Transaction, seen: Sequence[NewFinding]) -> None:
    """Open what is new, open again what had been closed, refresh what is open.

    New and reopened findings leave a record each; a refreshed one does not.
    """
    latest = {finding.key: finding for finding in seen}
    known = store.find_by_keys(tx, list(latest))
    fresh = [new for key, new in latest.items() if key not in known]
    back = [latest[k] for k, old in known.items() if old.status is FindingStatus.CLOSED]
    still = [latest[k] for k, old in known.items() if old.status is FindingStatus.OPEN]
    store.insert_findings(tx, [_row(tx, new) | _opened(tx, 1) for new in fresh])
    store.update_findings(
        tx, [_changing(tx, new) | _reopened(tx, known[new.key].times + 1) for new in back]
    )
    store.update_findings(tx, [_changing(tx, new) for new in still])
    evidence.record_many(tx, [_record("finding.opened", new) for new in [*fresh, *back]])


def close_findings(tx: Transaction, keys: Sequence[str], reason: str) -> int:
    """Close the open findings among ``keys``; return how many there were."""
    known = store.find_by_keys(tx, list(dict.fromkeys(keys)))
    closing = [f for f in known.values() if f.status is FindingStatus.OPEN]
    ended = {"status": FindingStatus.CLOSED.value, "closed_at": tx.now, "closed_because": reason}
    store.update_findings(tx, [{"key": finding.key} | ended for finding in closing])
    evidence.record_many(
        tx,
        [NewRecord("finding.closed", f.subject, {"key": f.key, "reason": reason}) for f in closing],
    )
    return len(closing)


def close_subject(tx: Transaction, subject: str, reason: str) -> int:
    """Close every open finding about ``subject`` (``device:dev_…``)."""
    wanted = FindingFilter(subject=subject)
    open_ones = store.list_findings(tx, wanted, 0, store.count_findings(tx, wanted))
    return close_findings(tx, [finding.key for finding in open_ones], reason)


def list_findings(
    tx: Transaction, wanted: FindingFilter | None = None, *, page: int = 1, page_size: int = 50
) -> FindingPage:
    """Return one page (from 1), worst first. Needs ``findings.read``."""
    tx.principal.require("findings.read")
    wanted = wanted or FindingFilter()
    if page < 1 or not 1 <= page_size <= MOST_LISTED:
        raise InvalidInputError(
            msg("Page %(page)s with %(size)s findings was asked for; pages count from 1 and hold "
                "at most %(most)s.", page=page, size=page_size, most=MOST_LISTED)
        )  # fmt: skip
    listed = store.list_findings(tx, wanted, (page - 1) * page_size, page_size)
    return FindingPage(listed, store.count_findings(tx, wanted), page, page_size)


def get_finding(tx: Transaction, finding_id: str) -> Finding:
    """Return one finding; raise NotFoundError. Needs ``findings.read``."""
    tx.principal.require("findings.read")
    found = store.get_finding(tx, finding_id)
    if found is None:
        raise NotFoundError(msg("There is no finding %(id)s.", id=finding_id))
    return found


def count_open(tx: Transaction) -> int:
    """Count the open findings."""
    return sum(store.count_by_severity(tx).values())


def count_open_by_severity(tx: Transaction) -> Mapping[Severity, int]:
    """Count the open findings of each severity."""
    return store.count_by_severity(tx)


def count_severe(tx: Transaction, subjects: Sequence[str]) -> Mapping[str, int]:
    """Return subject → open detections of severity critical or high; asked by the gate alone."""
    return store.count_severe(tx, subjects, FindingKind.DETECTION)


def assign_finding(tx: Transaction, finding_id: str, owner: str | None) -> Finding:
    """Give a finding to a person, or to nobody (None). Needs ``findings.write``."""
    tx.principal.require("findings.write")
    finding = get_finding(tx, finding_id)
    store.update_findings(tx, [{"key": finding.key, "owner": owner}])
    evidence.record(
        tx,
        kind="finding.assigned",
        subject=finding.subject,
        detail={"key": finding.key, "owner": owner, "before": finding.owner},
        person=owner,
    )
    return get_finding(tx, finding_id)


def _row(tx: Transaction, new: NewFinding) -> dict[str, Any]:
    made = {"id": new_id("fnd"), "kind": new.kind, "subject": new.subject, "owner": None}
    return made | _changing(tx, new)


def _changing(tx: Transaction, new: NewFinding) -> dict[str, Any]:
    return {
        "key": new.key,
        "title": dict(new.title),
        "severity": Severity(new.severity).rank,
        "detail": dict(new.detail),
        "due_at": new.due_at,
        "last_seen_at": tx.now,
    }


def _opened(tx: Transaction, times: int) -> dict[str, Any]:
    return {
        "status": FindingStatus.OPEN.value,
        "first_seen_at": tx.now,
        "closed_at": None,
        "closed_because": "",
        "times": times,
    }


# A finding that comes back is nobody's again: whoever had it may have moved on.
def _reopened(tx: Transaction, times: int) -> dict[str, Any]:
    return _opened(tx, times) | {"owner": None}


def _record(kind: str, new: NewFinding) -> NewRecord:
    return NewRecord(kind, new.subject, {"key": new.key, "severity": new.severity})

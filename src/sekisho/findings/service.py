"""Raise, close, list and assign findings. Idempotent: the same key is the same finding."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sekisho.evidence import service as evidence
from sekisho.evidence.model import NewRecord
from sekisho.findings import engine, store
from sekisho.findings.model import (
    DayCount,
    Finding,
    FindingFilter,
    FindingKind,
    FindingPage,
    FindingStatus,
    NewFinding,
    Note,
    NoteKind,
    Severity,
)
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import InvalidInputError, NotFoundError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import new_id
from sekisho.kernel.seen import require_unchanged

MOST_LISTED = 500
LONGEST_NOTE = 2_000
_EVERY = 100_000  # more than anybody is given
SORTS = tuple(store.SORTS)
Units = Callable[[Transaction, Sequence[Finding]], Mapping[str, str | None]]
"""Tells to which unit the subjects of findings belong (subject → unit); a room above knows."""


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
    tx: Transaction,
    wanted: FindingFilter | None = None,
    *,
    page: int = 1,
    page_size: int = 50,
    sort: str = "severity",
) -> FindingPage:
    """Return one page (from 1), worst first unless ``sort`` says otherwise.

    Needs ``findings.read``; who has it in some units only must be narrowed to their subjects.
    """
    wanted = wanted or FindingFilter()
    _check_page(tx, wanted, page, page_size, sort)
    listed = store.list_findings(tx, wanted, (page - 1) * page_size, page_size, sort)
    return FindingPage(listed, store.count_findings(tx, wanted), page, page_size)


def read_page(
    tx: Transaction,
    wanted: FindingFilter,
    *,
    page: int = 1,
    page_size: int = 50,
    sort: str = "severity",
) -> tuple[FindingPage, Mapping[tuple[str, Severity], int]]:
    """Return what ``list_findings`` does, and how many there are of every topic and severity.

    The latter whatever topic and severity ``wanted`` asks for: a list offers the others, too.
    """
    _check_page(tx, wanted, page, page_size, sort)
    offset = (page - 1) * page_size
    if wanted.search or wanted.subjects:
        listed, counts = store.find_page(tx, wanted, offset, page_size, sort)
    else:
        listed = store.list_findings(tx, wanted, offset, page_size, sort)
        counts = store.count_kinds(tx, replace(wanted, topic="", severity=""))
    total = sum(
        n
        for (topic, severity), n in counts.items()
        if wanted.topic in {"", topic} and wanted.severity in {"", severity.value}
    )
    return FindingPage(listed, total, page, page_size), counts


def _check_page(
    tx: Transaction, wanted: FindingFilter, page: int, page_size: int, sort: str
) -> None:
    require_narrowed(tx, wanted)
    if sort.removeprefix("-") not in store.SORTS:
        raise InvalidInputError(
            msg("The order %(got)s is not known; one of %(known)s is expected.",
                got=sort[:40], known=", ".join(store.SORTS))
        )  # fmt: skip
    if page < 1 or not 1 <= page_size <= MOST_LISTED:
        raise InvalidInputError(
            msg("Page %(page)s with %(size)s findings was asked for; pages count from 1 and hold "
                "at most %(most)s.", page=page, size=page_size, most=MOST_LISTED)
        )  # fmt: skip


def require_narrowed(tx: Transaction, wanted: FindingFilter) -> None:
    """Return if the caller may see everything, or ``wanted`` is narrowed to some subjects.

    Whose units they are is known above this room: who narrows takes ``principal.reach``.
    """
    reach = tx.principal.require_reach("findings.read")
    if reach is not None and not wanted.subjects:
        tx.principal.require("findings.read")


def list_ids(tx: Transaction, wanted: FindingFilter, limit: int) -> list[str]:
    """Return the ids of what ``list_findings`` lists, the worst first."""
    require_narrowed(tx, wanted)
    return store.list_ids(tx, wanted, limit)


def count_findings(tx: Transaction, wanted: FindingFilter) -> int:
    """Count what ``list_findings`` lists."""
    require_narrowed(tx, wanted)
    return store.count_findings(tx, wanted)


def count_days(tx: Transaction, wanted: FindingFilter, days: int) -> Sequence[DayCount]:
    """Count what was open on each of the last ``days`` days (UTC), whatever its state now."""
    require_narrowed(tx, wanted)
    spans = store.count_days(tx, wanted, tx.now - timedelta(days=days))
    return engine.count_days(spans, tx.now.date(), days)


def get_finding(tx: Transaction, finding_id: str, units: Units | None = None) -> Finding:
    """Return one finding; raise NotFoundError. Needs ``findings.read``.

    ``units`` gives the unit of each finding's subject, for those who read in some units only.
    """
    tx.principal.require_reach("findings.read")
    found = store.get_finding(tx, finding_id)
    unit = units(tx, [found]).get(found.subject) if found is not None and units else None
    if found is None or not tx.principal.allows("findings.read", unit):
        raise NotFoundError(
            msg("There is no finding %(id)s.", id=finding_id),
            hint=msg("Look for it in the list of findings."),
        )
    return found


def find_findings(tx: Transaction, ids: Sequence[str]) -> list[Finding]:
    """Return the findings with these ids, for a caller that judges each by its subject's unit."""
    tx.principal.require_reach("findings.read")
    return store.find_findings(tx, list(dict.fromkeys(ids)))


def count_open(tx: Transaction) -> int:
    """Count the open findings."""
    return store.count_findings(tx, FindingFilter())


def count_open_by_severity(
    tx: Transaction, wanted: FindingFilter | None = None
) -> Mapping[Severity, int]:
    """Count the open findings of each severity; ``wanted`` narrows."""
    return store.count_by_severity(tx, wanted)


def count_severe(tx: Transaction, subjects: Sequence[str]) -> Mapping[str, int]:
    """Return subject → open detections of severity critical or high; asked by the gate alone."""
    return store.count_severe(tx, subjects, FindingKind.DETECTION)


def assign_finding(
    tx: Transaction, finding_id: str, owner: str | None, units: Units | None = None,
    seen: str | None = None,
) -> Finding:  # fmt: skip
    """Give a finding to a person, or to nobody (None). Needs ``findings.write``.

    Raises ConflictError if it is no longer with whom the form showed (``seen``, "" for nobody).
    """
    finding = get_finding(tx, finding_id, units)
    require_unchanged(seen, finding.owner or "", msg("Who looks after this finding"))
    give_findings(tx, [finding], owner, units)
    evidence.record(
        tx,
        kind="finding.assigned",
        subject=finding.subject,
        detail={"key": finding.key, "owner": owner, "before": finding.owner},
        person=owner,
    )
    return get_finding(tx, finding_id, units)


def give_findings(
    tx: Transaction,
    given: Sequence[Finding],
    owner: str | None,
    units: Units | None = None,
) -> None:
    """Give findings to a person, or to nobody; whoever does this for many records the act.

    Needs ``findings.write`` where each finding's subject belongs.
    """
    _require_writing(tx, given, units)
    moved = [finding for finding in given if finding.owner != owner]
    store.update_findings(tx, [{"key": finding.key, "owner": owner} for finding in moved])
    store.insert_notes(tx, [_note(tx, f, NoteKind.GIVEN, owner or "") for f in moved])


def release_findings(tx: Transaction, owner: str) -> list[str]:
    """Give the open findings of somebody who leaves to nobody; return which.

    Whoever ends their time here has judged the right to that, and records it.
    """
    wanted = FindingFilter(status=FindingStatus.OPEN, owner=owner)
    held = store.list_findings(tx, wanted, 0, _EVERY)
    store.update_findings(tx, [{"key": finding.key, "owner": None} for finding in held])
    store.insert_notes(tx, [_note(tx, finding, NoteKind.GIVEN, "") for finding in held])
    return [finding.id for finding in held]


def write_notes(
    tx: Transaction, written: Mapping[str, str], units: Units | None = None
) -> Sequence[Finding]:
    """Add words (at most 2,000 characters) to the histories of findings, by their ids.

    Needs ``findings.write`` where each finding's subject belongs. Whoever does this for many
    records the act.
    """
    noted = find_findings(tx, list(written))
    _require_writing(tx, noted, units)
    store.insert_notes(tx, [
        _note(tx, f, NoteKind.NOTE, written[f.id].replace("\0", "").strip()[:LONGEST_NOTE])
        for f in noted
    ])  # fmt: skip
    return noted


def note_finding(
    tx: Transaction, finding_id: str, words: str, units: Units | None = None
) -> Finding:
    """Add words to the history of one finding. Needs ``findings.write``."""
    if not words.strip():
        raise InvalidInputError(msg("The note is empty."), hint=msg("Write what you found."))
    finding = get_finding(tx, finding_id, units)
    write_notes(tx, {finding_id: words}, units)
    detail = {"key": finding.key, "words": words.strip()[:LONGEST_NOTE]}
    evidence.record(tx, kind="finding.noted", subject=finding.subject, detail=detail)
    return finding


def list_notes(
    tx: Transaction, finding_id: str, units: Units | None = None, limit: int = 100
) -> Sequence[Note]:
    """Return who wrote what and who gave it to whom, the latest first. Needs ``findings.read``."""
    return store.list_notes(tx, get_finding(tx, finding_id, units).id, limit)


def _require_writing(tx: Transaction, given: Sequence[Finding], units: Units | None) -> None:
    tx.principal.require_reach("findings.write")
    if tx.principal.allows("findings.write"):
        return
    places = units(tx, given) if units else {}
    for finding in given:
        tx.principal.require("findings.write", places.get(finding.subject))


def _note(tx: Transaction, finding: Finding, kind: NoteKind, words: str) -> dict[str, Any]:
    return {
        "id": new_id("fnn"), "finding_id": finding.id, "at": tx.now, "kind": kind.value,
        "author": tx.principal.reference, "author_name": tx.principal.name, "words": words,
    }  # fmt: skip


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
        "topic": new.topic[:100],
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

"""How long reports are kept, and how they are erased: words, answers and pictures go together.

What stays is that there was a report, and the records of its erasure.
"""

from dataclasses import replace
from datetime import timedelta

from sekisho.cases import store
from sekisho.cases.model import Report
from sekisho.cases.service.reports import find_readable
from sekisho.evidence import service as evidence
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import msg
from sekisho.kernel.installation import get_fact, set_fact
from sekisho.kernel.principal import SYSTEM

KEPT_DAYS = 365
SHORTEST, LONGEST = 30, 3650
FOR_EVER = 0
_FACT = "cases.kept_days"
_AT_ONCE = 50
_PAGE = 200


def kept_days(tx: Transaction) -> int:
    """Return how many days a finished report is kept; 0 is for ever."""
    return int(str(get_fact(tx, _FACT, KEPT_DAYS)))


def set_kept_days(tx: Transaction, days: int) -> None:
    """Decide how long finished reports are kept (``settings.write``, proved recently).

    Raises InvalidInputError for what is neither 0 (for ever) nor 30 to 3650 days.
    """
    tx.principal.require("settings.write")
    tx.principal.require_fresh(tx.now)
    if days != FOR_EVER and not SHORTEST <= days <= LONGEST:
        raise InvalidInputError(
            msg("Reports cannot be kept for %(got)s days.", got=days),
            hint=msg("Give %(least)s to %(most)s days, or 0 to keep them for ever.",
                     least=SHORTEST, most=LONGEST),
        )  # fmt: skip
    before = kept_days(tx)
    set_fact(tx, _FACT, days)
    if before != days:
        evidence.record(
            tx, kind="settings.changed", subject="settings",
            detail={_FACT: {"before": before, "after": days}},
        )  # fmt: skip


def erase_report(tx: Transaction, report_id: str, reason: str) -> None:
    """Erase a report before its time, with a reason (``cases.write`` there, ``evidence.erase``)."""
    report = find_readable(tx, report_id, "cases.write")
    tx.principal.require("evidence.erase")
    tx.principal.require_fresh(tx.now)
    if not reason.strip():
        raise InvalidInputError(
            msg("An erasure needs a reason."), hint=msg("Say on whose request and on what ground.")
        )
    _erase(tx, report, reason.strip()[:500])


def forget_old_reports(tx: Transaction) -> int:
    """Erase reports that were finished long enough ago (worker); return how many."""
    days = kept_days(tx)
    if days == FOR_EVER:
        return 0
    found = store.list_finished(tx, tx.now - timedelta(days=days), _AT_ONCE)
    for report in found:
        _erase(tx, report, f"kept for {days} days after it was finished")
    return len(found)


def _erase(tx: Transaction, report: Report, reason: str) -> None:
    subject = f"report:{report.id}"
    photos = len(store.list_photos(tx, report.id))
    store.delete_report(tx, report.id)
    evidence.forget_artifacts(tx, subject)
    _erase_records(tx, subject, reason)
    evidence.record(
        tx, kind="case.erased", subject=subject, detail={"reason": reason, "photos": photos}
    )


def _erase_records(tx: Transaction, subject: str, reason: str) -> None:
    """Erase what the records about a report say. The right was judged; Sekisho does it itself."""
    own = replace(tx, principal=SYSTEM)
    while True:
        page = evidence.list_records(own, subject=subject, limit=_PAGE)
        names = [record.id for record in page if record.detail is not None]
        if not names:
            return
        said = f"{reason} ({tx.principal.reference})"
        evidence.erase_payload(own, records=names, reason=said, artifacts=True)
        if len(page) < _PAGE:
            return

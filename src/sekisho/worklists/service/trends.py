"""What stands above a list of findings, kept for a minute where it was dear to count."""

from collections.abc import Mapping, Sequence

from sekisho.findings.model import DayCount, Severity
from sekisho.kernel.db import Transaction
from sekisho.kernel.kept import Kept
from sekisho.worklists.service.findings import FindingSearch, count_days, count_severities


def read_days(kept: Kept, tx: Transaction, search: FindingSearch, days: int) -> Sequence[DayCount]:
    """Return what ``count_days`` says, at most a minute old, to whoever reaches the same units."""
    asked = (search.rule, search.unit, search.kind, search.severity, days)
    key = ("findings.days", _reach(tx), asked)
    return kept.take(key, tx.now, lambda: count_days(tx, search, days))


def read_severities(kept: Kept, tx: Transaction) -> Mapping[Severity, int]:
    """Return what ``count_severities`` says, at most a minute old, for the same reach."""
    return kept.take(("findings.severities", _reach(tx)), tx.now, lambda: count_severities(tx))


def _reach(tx: Transaction) -> frozenset[str] | None:
    return tx.principal.require_reach("findings.read")

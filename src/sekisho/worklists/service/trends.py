"""What stands above a list of findings, kept for a minute where it was dear to count.

A page of findings is loaded again at every change, and with tens of thousands of devices there is
one every second; the last thirty days and how many are open in all look the same a minute later.
Where counting is cheap nothing is kept, so that a small office sees its figures move at once.
"""

import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sekisho.findings.model import DayCount, Severity
from sekisho.kernel.db import Transaction
from sekisho.worklists.service.findings import FindingSearch, count_days, count_severities

KEPT = timedelta(minutes=1)
DEAR_SECONDS = 0.04
MOST_KEPT = 64
T = TypeVar("T")


class Trends:
    """The figures of one web process; safe to use from several threads.

    Nothing is shown to anybody but whoever reaches the same units. ``dear`` is how many seconds
    counting must have taken for its outcome to be kept.
    """

    def __init__(self, dear: float = DEAR_SECONDS) -> None:
        self._dear = dear
        self._kept: dict[Hashable, tuple[datetime, Any]] = {}
        self._lock = threading.Lock()

    def read(self, tx: Transaction, search: FindingSearch, days: int) -> Sequence[DayCount]:
        """Return what ``count_days`` says, at most a minute old."""
        what = ("days", search.rule, search.unit, search.kind, search.severity, days)
        return self._take(tx, what, lambda: count_days(tx, search, days))

    def read_severities(self, tx: Transaction) -> Mapping[Severity, int]:
        """Return what ``count_severities`` says, at most a minute old."""
        return self._take(tx, ("severities",), lambda: count_severities(tx))

    def _take(self, tx: Transaction, what: tuple[Hashable, ...], count: Callable[[], T]) -> T:
        key = (tx.principal.require_reach("findings.read"), *what)
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and timedelta(0) <= tx.now - kept[0] < KEPT:
            found: T = kept[1]
            return found
        began = time.perf_counter()
        found = count()
        if time.perf_counter() - began > self._dear:
            self._keep(key, tx.now, found)
        return found

    def _keep(self, key: Hashable, at: datetime, found: object) -> None:
        with self._lock:
            self._kept.pop(key, None)
            while len(self._kept) >= MOST_KEPT:  # the one kept longest goes first
                del self._kept[next(iter(self._kept))]
            self._kept[key] = at, found

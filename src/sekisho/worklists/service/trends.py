"""The trend above a list of findings, kept for a minute where it was dear to count.

A page of findings is loaded again at every change, and with tens of thousands of devices there is
one every second; the last thirty days look the same a minute later. Where counting is cheap nothing
is kept, so that a small office sees its trend move at once.
"""

import threading
import time
from collections.abc import Hashable, Sequence
from datetime import datetime, timedelta

from sekisho.findings.model import DayCount
from sekisho.kernel.db import Transaction
from sekisho.worklists.service.findings import FindingSearch, count_days

KEPT = timedelta(minutes=1)
DEAR_SECONDS = 0.04
MOST_KEPT = 64


class Trends:
    """The trends of one web process; safe to use from several threads.

    ``dear`` is how many seconds counting must have taken for its outcome to be kept.
    """

    def __init__(self, dear: float = DEAR_SECONDS) -> None:
        self._dear = dear
        self._kept: dict[Hashable, tuple[datetime, Sequence[DayCount]]] = {}
        self._lock = threading.Lock()

    def read(self, tx: Transaction, search: FindingSearch, days: int) -> Sequence[DayCount]:
        """Return what ``count_days`` says, at most a minute old; never of somebody else's reach."""
        reach = tx.principal.require_reach("findings.read")
        key = (reach, search.rule, search.unit, search.kind, search.severity, days)
        with self._lock:
            at, found = self._kept.get(key, (None, ()))
        if at is not None and timedelta(0) <= tx.now - at < KEPT:
            return found
        began = time.perf_counter()
        found = count_days(tx, search, days)
        if time.perf_counter() - began > self._dear:
            self._keep(key, tx.now, found)
        return found

    def _keep(self, key: Hashable, at: datetime, found: Sequence[DayCount]) -> None:
        with self._lock:
            self._kept.pop(key, None)
            while len(self._kept) >= MOST_KEPT:  # the one kept longest goes first
                del self._kept[next(iter(self._kept))]
            self._kept[key] = at, found

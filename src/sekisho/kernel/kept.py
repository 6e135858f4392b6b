"""What is dear to count, kept for a minute by one web process.

A page is loaded again at every change, and with tens of thousands of devices there is one every
second; what it says of the last weeks looks the same a minute later. Where counting is cheap
nothing is kept, so that a small office sees its figures move at once.
"""

import threading
import time
from collections.abc import Callable, Hashable
from datetime import datetime, timedelta
from typing import Any, TypeVar

KEPT = timedelta(minutes=1)
DEAR_SECONDS = 0.04
MOST_KEPT = 64
T = TypeVar("T")


class Kept:
    """Outcomes by key; safe to use from several threads.

    The key must hold whatever the outcome depends on, above all what its reader may see.
    ``dear`` is how many seconds counting must have taken for its outcome to be kept.
    """

    def __init__(self, dear: float = DEAR_SECONDS) -> None:
        self._dear = dear
        self._found: dict[Hashable, tuple[datetime, Any]] = {}
        self._lock = threading.Lock()

    def take(self, key: Hashable, now: datetime, count: Callable[[], T]) -> T:
        """Return what ``count`` gives, at most a minute old."""
        with self._lock:
            kept = self._found.get(key)
        if kept is not None and timedelta(0) <= now - kept[0] < KEPT:
            found: T = kept[1]
            return found
        began = time.perf_counter()
        found = count()
        if time.perf_counter() - began > self._dear:
            self._keep(key, now, found)
        return found

    def _keep(self, key: Hashable, at: datetime, found: object) -> None:
        with self._lock:
            self._found.pop(key, None)
            while len(self._found) >= MOST_KEPT:  # the one kept longest goes first
                del self._found[next(iter(self._found))]
            self._found[key] = at, found

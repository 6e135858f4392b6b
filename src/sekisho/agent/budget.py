"""How long one query may take: SQLite's own work and the reading of tables, counted apart.

A reader on Windows or macOS may wait half a minute for a command and have its own limit for that;
a query that counts to infinity must still be stopped after seconds.
"""

import time
from collections.abc import Callable

from sekisho.agent.table import UnreadableError

ENGINE_SECONDS = 5.0
READING_SECONDS = 240.0


class Budget:
    """The clock of one query at a time; ``clock`` gives seconds that never run backwards."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = 0.0
        self._reading_since = 0.0
        self._read = 0.0

    def start(self) -> None:
        """Begin the next query with all its time."""
        self._started, self._read = self._clock(), 0.0

    def begin_reading(self) -> None:
        """Note that a reader starts; raises ``UnreadableError`` when readers had all their time."""
        if self._read > READING_SECONDS:
            raise UnreadableError(
                f"reading took longer than {READING_SECONDS:g} seconds in one query; "
                "the rest was not read"
            )
        self._reading_since = self._clock()

    def end_reading(self) -> None:
        """Note that the reader gave a row, or gave up."""
        self._read += self._clock() - self._reading_since

    def is_spent(self) -> bool:
        """Say whether SQLite itself, without the readers, worked too long."""
        return self._clock() - self._started - self._read > ENGINE_SECONDS

"""What judges entries that come late without a pass over all the windows that hold them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from sekisho.detection.engine.correlation.plan import Entry

FEW = 8
"""More late entries than that at once are judged in one pass, where nothing else is said."""


def time_of(entry: Entry) -> int:
    """Return when an entry was."""
    return entry.time


class Late(ABC):
    """What is kept of a group's entries, besides them, so that late ones are judged cheaply.

    ``true`` holds the verdict on each entry, 0 or 1; places are those in the order of entries.
    """

    @property
    def alone(self) -> bool:
        """Say whether ``holds`` is cheap, so that no sweep needs to stand behind the last entry."""
        return False

    def prefers(self, late: int, after: int) -> bool:  # noqa: ARG002 # of those it is so for all
        """Say whether so many late ones are better judged one by one, ``after`` what comes after.

        That is how many entries there are after the first of them, which a pass goes over.
        """
        return late <= FEW

    @abstractmethod
    def insert(self, at: int, entry: Entry) -> None:
        """Note an entry that was put in and is judged by a pass, or is the last one."""

    @abstractmethod
    def remove(self, begin: int, gone: Sequence[Entry]) -> None:
        """Forget entries that were taken out, from the place ``begin`` on."""

    @abstractmethod
    def begin(self, entries: Sequence[Entry]) -> None:
        """Note entries that were saved."""

    @abstractmethod
    def holds(self, entries: Sequence[Entry], at: int) -> bool:
        """Say whether the entry at the place ``at`` is true."""

    @abstractmethod
    def admit(self, entries: Sequence[Entry], true: bytearray, at: int) -> list[int]:
        """Note a late entry that was put in at ``at``; return where the verdict changes by it.

        Its own is 0 so far.
        """

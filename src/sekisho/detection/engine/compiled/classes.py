"""Sets of true terms as small numbers, and the bound on all that is remembered."""

from collections.abc import Callable, Iterable

_MOST_VALUES = 400_000
_MOST_BYTES = 64 * 1024 * 1024
_ENTRY_BYTES = 100


class Classes:
    """Gives each set of terms one number. The numbers mean nothing beyond one engine."""

    def __init__(self) -> None:
        self.sets: list[frozenset[int]] = []
        self._numbers: dict[frozenset[int], int] = {}
        self.clear()

    def clear(self) -> None:
        """Forget all numbers but that of the empty set, which is 0."""
        self.sets[:] = [frozenset()]
        self._numbers.clear()
        self._numbers[frozenset()] = 0

    def number(self, terms: Iterable[int]) -> int:
        """Return the number of a set of terms."""
        key = frozenset(terms)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.sets)
            self.sets.append(key)
        return number


class Memory:
    """Counts what the whole engine remembers of values, and has it forgotten when it is too much.

    One bound for all columns: a log with one wild field may use what quiet fields leave.
    """

    def __init__(self, most: int = _MOST_VALUES, most_bytes: int = _MOST_BYTES) -> None:
        self.most, self.most_bytes = most, most_bytes
        self.classes = Classes()
        self.values = self.bytes = self.forgotten = 0
        self._forget: list[Callable[[], None]] = []

    def on_forget(self, forget: Callable[[], None]) -> None:
        """Call ``forget`` when memory is full; it must drop every number of a class."""
        self._forget.append(forget)

    def spend(self, size: int) -> None:
        """Note one more value of ``size`` characters."""
        self.values += 1
        self.bytes += size + _ENTRY_BYTES

    def tidy(self) -> None:
        """Forget everything if it has become too much. Call it between two batches only."""
        if self.values <= self.most and self.bytes <= self.most_bytes:
            return
        self.classes.clear()
        for forget in self._forget:
            forget()
        self.values = self.bytes = 0
        self.forgotten += 1

"""What is counted of all records of a hunt, found or not (pure)."""

from collections import Counter
from collections.abc import Sequence

from sekisho.detection.engine.compiled.typed import EventOf, computer_of
from sekisho.detection.engine.moments import EARLIEST, parse_moment

_EARLIEST, _LATEST = "1990", "2100"
_TOO_LATE = 4_102_444_800_000_000


class Tally:
    """What is counted of all records, found or not."""

    def __init__(self) -> None:
        self.by: Counter[tuple[str | None, str | None]] = Counter()
        self.first = self.last = ""
        self.low: int | None = None
        self.high: int | None = None

    def count(self, channel: str | None, events: Sequence[EventOf]) -> None:
        """Count events of one channel by the computer."""
        computers = set(map(computer_of, events))
        if len(computers) == 1:  # as in most files
            self.by[channel, computers.pop()] += len(events)
            return
        for computer, count in Counter(map(computer_of, events)).items():
            self.by[channel, computer] += count

    def note(self, time: int | None) -> None:
        """Note the time of an event that came shaped, in microseconds."""
        if time is not None and EARLIEST <= time < _TOO_LATE:
            self.low = time if self.low is None else min(time, self.low)
            self.high = time if self.high is None else max(time, self.high)

    def span(self) -> tuple[int | None, int | None]:
        """Return when the first and the last event was."""
        self.note(parse_moment(self.first))
        self.note(parse_moment(self.last))
        return self.low, self.high

    def stretch(self, times: Sequence[str]) -> None:
        """Note when records were written; clocks before 1990 and after 2100 do not count."""
        if not times:
            return
        first, last = min(times), max(times)
        if first < _EARLIEST or last >= _LATEST:
            self.stretch([time for time in times if _EARLIEST <= time < _LATEST])
            return
        self.first = min(first, self.first or first)
        self.last = max(last, self.last)

"""Logs in bulk through the compiled matcher: EVTX and JSON lines natively, all else as events."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

from sekisho.detection.engine.compiled.bulk import NO_FIELDS, Bulk, Seen, Unread
from sekisho.detection.engine.compiled.lines import Lines
from sekisho.detection.engine.compiled.matcher import Matcher
from sekisho.detection.engine.compiled.tally import Tally
from sekisho.detection.engine.shaping import Shaping
from sekisho.detection.model import Event
from sekisho.detection.sources import evtx
from sekisho.detection.sources.jsonlines import read_blocks
from sekisho.detection.sources.limits import DEFAULT_LIMITS, Limits, Trouble
from sekisho.detection.sources.streams import Readable
from sekisho.kernel.i18n import msg

Found = Callable[[Event, tuple[str, ...]], None]
Tell = Callable[[Trouble], None]
_FromFile = tuple[int, str, Sequence[int]]
"""Lines of one file: the place of the first in the batch, the file, their numbers there."""

_BEGIN = itemgetter(0)
_ENOUGH = 3 << 17
"""Fewer bytes of JSON lines than that wait for those of the next file."""

_PASSED = msg("It was passed over; the others are read.")


class Hunter:
    """Takes one log after the other and hands out what was found, in the order of each log.

    ``found`` gets the event and the ids of the rules that it matches; none for an event that is
    only ``watched`` (channel in lower case, event id). Records wait in batches across files, so
    call ``finish`` at the end. One Hunter serves one thread.
    """

    def __init__(
        self,
        matcher: Matcher,
        found: Found,
        tell: Tell,
        *,
        shaping: Shaping | None = None,
        watched: frozenset[tuple[str, int]] = frozenset(),
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._found, self._tell, self._limits = found, tell, limits
        self._matcher = matcher
        self._bulk = Bulk(matcher, shaping or Shaping(), watched)
        self._records: list[str] = []
        self._lines: list[bytes] = []
        """What waits: records of EVTX files, or lines of others; never both."""
        self._places: list[_FromFile] = []
        self._count = self._size = 0

    @property
    def tally(self) -> Tally:
        """Return what was counted so far."""
        return self._bulk.tally

    def evtx(self, source: Path | BinaryIO, name: str, begin: int = 1) -> None:
        """Hunt through an EVTX file, records from ``begin``; UnreadableError if it is none."""
        for numbers, records in evtx.read_batches(source, name, self._tell, begin):
            if self._lines:
                self.finish()
            self._records += records
            self._note(name, numbers)
            if self._count >= evtx.BATCH:
                self.finish()

    def jsonl(self, stream: Readable, name: str, begin: int = 1) -> None:
        """Hunt through JSON lines in UTF-8; the number of a record is that of its line."""
        for first, lines in read_blocks(stream, name, self._limits.record, self._tell, begin):
            numbers = range(first, first + len(lines))
            if self._records:
                self.finish()
            if self._lines or len(lines.whole) < _ENOUGH:
                self._lines.append(lines.whole)
                self._note(name, numbers)
                self._size += len(lines.whole)
                if self._size >= _ENOUGH:
                    self.finish()
            else:
                self._feed(lines, [(0, name, numbers)])

    def events(self, events: Iterable[Event]) -> None:
        """Hunt through events that were read and shaped elsewhere."""
        self.finish()
        for event in events:
            try:
                self._hand_out(self._bulk.judge_event(event))
            except RecursionError:
                self._tell(_too_deep(event))

    def begin(self) -> None:
        """Count anew from here; what was opened for the rules stays open."""
        self._bulk.tally = Tally()

    def finish(self) -> None:
        """Hand out what still waits."""
        records, lines, places = self._records, self._lines, self._places
        self._records, self._lines, self._places = [], [], []
        self._count = self._size = 0
        if records:
            batch = Lines.of(records)
            del records  # half of what a batch takes
            self._feed(batch, places)
        if lines:
            self._feed(Lines(b"\n".join([text.removesuffix(b"\n") for text in lines])), places)

    def _feed(self, lines: Lines, places: Sequence[_FromFile]) -> None:
        begins = list(map(_BEGIN, places))
        self._hand_out(self._bulk.feed(lines, partial(_place, begins, places)))

    def _note(self, name: str, numbers: Sequence[int]) -> None:
        """Note where records that were just taken stand."""
        self._places.append((self._count, name, numbers))
        self._count += len(numbers)

    def _hand_out(self, results: Iterable[Seen | Unread]) -> None:
        for result in results:
            if isinstance(result, Seen):
                self._keep(result)
            else:
                self._tell(_trouble(result))

    def _keep(self, seen: Seen) -> None:
        try:
            self._found(seen.event, self._matcher.ids(seen.rules))
        except RecursionError:  # its values lie too deep to be written down
            self._tell(_too_deep(seen.event))


def _too_deep(event: Event) -> Trouble:
    return Trouble(event.file, event.record, msg("Its values lie too deep."), _PASSED)


def _place(begins: Sequence[int], places: Sequence[_FromFile], at: int) -> tuple[str, int]:
    """Return the file of the line ``at`` and its number there; ``begins`` are those of places."""
    begin, name, numbers = places[bisect_right(begins, at) - 1]
    return name, numbers[at - begin]


def _trouble(unread: Unread) -> Trouble:
    what = (
        msg("It is JSON, but no object with fields.")
        if unread.reason == NO_FIELDS
        else msg("It is no JSON: %(why)s.", why=unread.reason)
    )
    return Trouble(unread.file, unread.record, what, _PASSED)

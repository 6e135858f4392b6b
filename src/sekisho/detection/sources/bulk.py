"""Logs in bulk through the compiled matcher: EVTX and JSON lines natively, all else as events."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

from sekisho.detection.engine.compiled.bulk import NO_FIELDS, Bulk, Seen, Tally, Unread
from sekisho.detection.engine.compiled.lines import Lines
from sekisho.detection.engine.compiled.matcher import Matcher
from sekisho.detection.engine.shaping import Shaping
from sekisho.detection.model import Event
from sekisho.detection.sources import evtx
from sekisho.detection.sources.jsonlines import read_blocks
from sekisho.detection.sources.limits import DEFAULT_LIMITS, Limits, Trouble
from sekisho.detection.sources.streams import Readable
from sekisho.kernel.i18n import msg

Found = Callable[[Event, tuple[str, ...]], None]
Tell = Callable[[Trouble], None]
_BEGIN = itemgetter(0)
_ENOUGH = 3 << 17
"""Fewer bytes than that wait for those of the next file."""

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
        self._waiting: list[bytes] = []
        self._places: list[tuple[int, str, Sequence[int]]] = []
        self._count = self._size = 0

    @property
    def tally(self) -> Tally:
        """Return what was counted so far."""
        return self._bulk.tally

    def evtx(self, source: Path | BinaryIO, name: str, begin: int = 1) -> None:
        """Hunt through an EVTX file, records from ``begin``; UnreadableError if it is none."""
        for numbers, text in evtx.read_batches(source, name, self._tell, begin):
            self._add(name, numbers, text)

    def jsonl(self, stream: Readable, name: str, begin: int = 1) -> None:
        """Hunt through JSON lines in UTF-8; the number of a record is that of its line."""
        for first, text in read_blocks(stream, name, self._limits.record, self._tell, begin):
            count = text.count(b"\n") + (text[-1:] != b"\n")
            self._add(name, range(first, first + count), text)

    def events(self, events: Iterable[Event]) -> None:
        """Hunt through events that were read and shaped elsewhere."""
        self.finish()
        for event in events:
            self._hand_out(self._bulk.judge_event(event))

    def begin(self) -> None:
        """Count anew from here; what was opened for the rules stays open."""
        self._bulk.tally = Tally()

    def finish(self) -> None:
        """Hand out what still waits."""
        waiting, places = self._waiting, self._places
        self._waiting, self._places = [], []
        self._count = self._size = 0
        if len(waiting) > 1:
            waiting = [b"\n".join([text.removesuffix(b"\n") for text in waiting])]
        for text in waiting:
            self._hand_out(self._bulk.feed(Lines(text), partial(_place, places)))

    def _add(self, name: str, numbers: Sequence[int], text: bytes) -> None:
        """Take lines of one file with their numbers there."""
        self._waiting.append(text)
        self._places.append((self._count, name, numbers))
        self._count += len(numbers)
        self._size += len(text)
        if self._size >= _ENOUGH:
            self.finish()

    def _hand_out(self, results: Iterable[Seen | Unread]) -> None:
        for result in results:
            if isinstance(result, Seen):
                self._found(result.event, self._matcher.ids(result.rules))
            else:
                self._tell(_trouble(result))


def _place(places: Sequence[tuple[int, str, Sequence[int]]], at: int) -> tuple[str, int]:
    """Return the file of the line ``at`` and its number there."""
    begin, name, numbers = places[bisect_right(places, at, key=_BEGIN) - 1]
    return name, numbers[at - begin]


def _trouble(unread: Unread) -> Trouble:
    what = (
        msg("It is JSON, but no object with fields.")
        if unread.reason == NO_FIELDS
        else msg("It is no JSON: %(why)s.", why=unread.reason)
    )
    return Trouble(unread.file, unread.record, what, _PASSED)

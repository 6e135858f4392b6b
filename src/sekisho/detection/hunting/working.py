"""Files through the matcher, in one process or several, with one bad file harming no other."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sekisho.detection.hunting.collecting import Collector
from sekisho.detection.hunting.unsourced import tells_no_source
from sekisho.detection.sources.archives import Unit, open_units
from sekisho.detection.sources.bulk import Hunter
from sekisho.detection.sources.chunks import read_chunks
from sekisho.detection.sources.limits import Allowance, Trouble, UnreadableError
from sekisho.detection.sources.reading import OpenLog, Reading, open_log, read_log
from sekisho.detection.sources.sniffing import Format, Shape
from sekisho.detection.sources.streams import (
    HEAD,
    Counted,
    buffered,
    look_into,
    read_fully,
    say_broken,
    say_unopened,
    seekable,
)
from sekisho.detection.sources.stretches import Between, Stretch
from sekisho.detection.sources.walking import Found
from sekisho.kernel.i18n import msg

_OURS = msg("What was found before it is kept, and the others are read; please report this line.")
Told = Callable[[int], None]
"""Told how many bytes of a file were read."""


class Worker:
    """Reads files one after the other and hands everything to one matcher and one collector."""

    def __init__(self, hunter: Hunter, collector: Collector, reading: Reading, told: Told) -> None:
        self._hunter, self._collector = hunter, collector
        self._reading, self._told = reading, told

    def run(self, files: Sequence[Found]) -> None:
        """Hunt through ``files``; what was found and read lies in the collector's part."""
        for found in files:
            with self._telling(found.name):
                self._take_file(found)
        with self._telling(files[-1].name if files else ""):
            self._hunter.finish()

    @contextmanager
    def _telling(self, name: str) -> Iterator[None]:
        """Tell what goes wrong with one file, whatever it is, so that the others are read."""
        try:
            yield
        except (OSError, UnreadableError) as error:
            told = say_broken(error)
            self._collector.report(Trouble(name, None, told.what, told.hint))
        except MemoryError:
            raise  # what was found fills it, so that no other file would fare better
        except Exception as error:  # noqa: BLE001 # a fault of ours must not cost all findings
            why = f"{type(error).__name__}: {error}"[:200]
            what = msg("A fault of this program stopped it (%(why)s).", why=why)
            self._collector.report(Trouble(name, None, what, _OURS))

    def _take_file(self, found: Found) -> None:
        if found.path is None:
            self._take_stream(found, buffered(Counted(sys.stdin.buffer, self._told)))
            return
        with _open(found.path) as opened:
            if found.stretch is not None:
                self._take_stretch(found, found.stretch, opened)
            else:
                self._take_stream(found, opened)

    def _take_stretch(self, found: Found, stretch: Stretch, opened: BinaryIO) -> None:
        if stretch.is_first and not stretch.chunked:
            self._look_at(found, opened)
        if stretch.chunked:
            self._hunter.evtx(read_chunks(opened, stretch), found.name, stretch.first)
        else:
            self._hunter.jsonl(Between(opened, stretch), found.name, stretch.first)
        self._collector.part.read.files += stretch.is_first
        self._told(found.size)

    def _look_at(self, found: Found, opened: BinaryIO) -> None:
        """See whether a file that is read in stretches says what it is."""
        unit = Unit(found.name, read_fully(opened, HEAD), opened, found.changed, found.named)
        log = OpenLog(unit, Shape(Format.JSONL), self._reading, self._collector.report)
        if tells_no_source(log):
            self._collector.part.read.note_unsourced(found.name)

    def _take_stream(self, found: Found, opened: BinaryIO) -> None:
        path = found.path if opened.seekable() else None  # a pipe gives its bytes only once
        head, stream = look_into(opened)
        unit = Unit(found.name, head, stream, found.changed, found.named)
        for inner in open_units(unit, Allowance(self._reading.limits), self._collector.report):
            log = open_log(inner, self._reading, self._collector.report)
            if log is not None:
                read = self._take_log(log, path if inner is unit else None)
                self._collector.part.read.files += read
                if read and tells_no_source(log):
                    self._collector.part.read.note_unsourced(log.unit.name)
        self._told(found.size)

    def _take_log(self, log: OpenLog, path: Path | None) -> bool:
        """Hunt through one log: EVTX and JSON lines in bulk, all else event by event.

        False means that it could not be read.
        """
        try:
            if log.shape.format is Format.EVTX:
                with seekable(log.unit.stream) as stream:
                    self._hunter.evtx(path or stream, log.unit.name)
            elif log.shape == Shape(Format.JSONL):
                self._hunter.jsonl(log.unit.stream, log.unit.name)
            else:
                self._hunter.events(self._collector.tap(read_log(log)))
        except UnreadableError as error:
            log.tell(None, error.what, error.hint)
            return False
        except (OSError, EOFError) as error:
            told = say_broken(error)
            log.tell(None, told.what, told.hint)
            return False
        return True


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise say_unopened(error) from error

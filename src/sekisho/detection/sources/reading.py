"""From one opened log to its events, whatever its format; what is bad is told and passed over.

EVTX and JSON lines in bulk take the fast way (``detection.fast``); this is the way of everything
else, and of single files.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from sekisho.detection.engine.repeats import Repeats
from sekisho.detection.engine.shaping import Shaping, shape_line, shape_value, unwrap
from sekisho.detection.engine.textlines import Clock
from sekisho.detection.model import Event
from sekisho.detection.sources.archives import Unit
from sekisho.detection.sources.envelopes import open_message
from sekisho.detection.sources.limits import DEFAULT_LIMITS, Limits, Trouble, UnreadableError
from sekisho.detection.sources.lines import TooLong, read_lines
from sekisho.detection.sources.markup import BadXml, read_events
from sekisho.detection.sources.sniffing import Format, Shape, sniff
from sekisho.detection.sources.streams import BROKEN, say_broken
from sekisho.detection.sources.tables import BadRow, Row, read_table, read_w3c
from sekisho.detection.sources.values import Damaged, ValueReader
from sekisho.detection.sources.walking import Report
from sekisho.kernel.i18n import Text, msg


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are read: what the person said, the limits, and when it is now (microseconds)."""

    shaping: Shaping = field(default_factory=Shaping)
    limits: Limits = DEFAULT_LIMITS
    now: int = 0


@dataclass(slots=True)
class OpenLog:
    """One log with its shape, how it is read, and where its troubles go."""

    unit: Unit
    shape: Shape
    reading: Reading
    report: Report

    def tell(self, record: int | None, what: Text, hint: Text) -> None:
        """Report one bad record, or the rest of the file."""
        self.report(Trouble(self.unit.name, record, what, hint))

    def tell_long(self, record: int) -> None:
        """Report a record that was too large to read."""
        self.tell(
            record,
            msg("It is longer than %(n)s bytes.", n=self.reading.limits.record),
            msg("It was passed over; cut it yourself if it matters."),
        )

    def make(self, value: Mapping[str, Any], record: int) -> Event:
        """Make the event of a mapping."""
        return shape_value(value, self.reading.shaping, self.unit.name, record)


def open_log(unit: Unit, reading: Reading, report: Report) -> OpenLog | None:
    """Tell the shape of ``unit``; None (and told, where it was named) if it is no log."""
    shape = sniff(unit.head, unit.name)
    log = OpenLog(unit, shape, reading, report)
    if shape.format is Format.UNKNOWN:
        log.tell(
            None,
            msg("It is no log of a format that is known here."),
            msg("EVTX, JSON, CSV, XML and text can be read, and zip, 7z, tar, gz, bz2, xz, zst."),
        )
        return None
    if shape.format is not Format.EMPTY:
        return log
    if unit.named:  # in folders some always are
        log.tell(
            None, msg("It is empty."), msg("If it should not be, see how it was taken or exported.")
        )
    return None


def read_log(log: OpenLog) -> Iterator[Event]:
    """Yield the events of one log in their order, records counted from 1."""
    try:
        yield from _READERS[log.shape.format](log)
    except UnreadableError as error:
        log.tell(None, error.what, error.hint)
    except (*BROKEN, ValueError, RuntimeError) as error:
        told = say_broken(error)
        log.tell(None, told.what, told.hint)


def _read_text(log: OpenLog) -> Iterator[Event]:
    changed = log.unit.changed
    until = int(changed * 1_000_000) if changed else log.reading.now
    shaping = log.reading.shaping
    clock, repeats = Clock(shaping.zone, until), Repeats()
    for number, line in _lines(log):
        if isinstance(line, TooLong):
            log.tell_long(number)
        elif line.strip():
            for turn, one in enumerate(repeats.unfold(line)):
                event = shape_line(one, shaping, clock, log.unit.name, number)
                if turn and event.time is not None:  # else they would count as one
                    event = replace(event, time=event.time + turn)
                if _carries(one):
                    event = open_message(event, partial(log.make, record=number))
                yield event


def _carries(line: str) -> bool:
    return line.rstrip()[-1:] in {"}", ">"}


def _lines(log: OpenLog) -> Iterator[tuple[int, str | TooLong]]:
    return read_lines(log.unit.stream, log.shape.encoding, log.reading.limits.record)


def _read_json_lines(log: OpenLog) -> Iterator[Event]:
    for number, line in _lines(log):
        if isinstance(line, TooLong):
            log.tell_long(number)
        elif line.strip(" \t\r\x00\x1e"):
            yield from _parse_line(log, number, line)


def _parse_line(log: OpenLog, number: int, line: str) -> Iterator[Event]:
    text = line.strip("\x00\x1e")
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        try:  # the standard library also takes NaN and half surrogates, which loggers write
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            log.tell(number, msg("It is no JSON: %(why)s.", why=str(error)), _PASSED)
            return
    yield from _make_all(log, value, number)


_PASSED = msg("It was passed over; the others are read.")


def _make_all(log: OpenLog, value: Any, number: int) -> Iterator[Event]:
    try:
        items = list(unwrap(value))
    except RecursionError:
        log.tell(number, msg("Its values lie too deep."), _PASSED)
        return
    for item in items:
        if isinstance(item, Mapping):
            yield log.make(item, number)
        else:
            log.tell(number, msg("It is JSON, but no object with fields."), _PASSED)


def _read_json(log: OpenLog) -> Iterator[Event]:
    number = 0
    values = ValueReader(log.unit.stream, log.shape.encoding, log.reading.limits.record)
    for value in values.read():
        if isinstance(value, TooLong):
            number += 1
            log.tell_long(number)
        elif isinstance(value, Damaged):
            number += 1
            log.tell(number, msg("It is no JSON."), _PASSED)
        else:
            for item in unwrap(value):
                number += 1
                yield from _make_all(log, item, number)


def _read_xml(log: OpenLog) -> Iterator[Event]:
    stream, shape = log.unit.stream, log.shape
    longest = log.reading.limits.record
    number = 0
    for number, event in enumerate(read_events(stream, shape.encoding, longest), 1):
        if isinstance(event, TooLong):
            log.tell_long(number)
        elif isinstance(event, BadXml):
            log.tell(number, msg("It is no XML: %(why)s.", why=str(event)), _PASSED)
        else:
            yield log.make(event, number)
    if not number and b"<Events" not in log.unit.head:  # which may well be empty
        log.tell(None, msg("It is XML, but no event of Windows stands in it."), _EXPORTED)


_EXPORTED = msg("Events can be exported with wevtutil, Get-WinEvent or the event viewer.")


def _read_table(log: OpenLog) -> Iterator[Event]:
    longest = log.reading.limits.record
    yield from _take_rows(log, read_table(_lines(log), log.shape.delimiter, longest))


def _take_rows(log: OpenLog, rows: Iterator[Row | BadRow]) -> Iterator[Event]:
    for row in rows:
        if isinstance(row, Row):
            yield log.make(row.fields, row.number)
        elif isinstance(row.why, TooLong):
            log.tell_long(row.number)
        else:
            log.tell(row.number, msg("It is no row of a table: %(why)s.", why=row.why), _PASSED)


def _read_w3c(log: OpenLog) -> Iterator[Event]:
    yield from _take_rows(log, read_w3c(_lines(log)))


_READERS: dict[Format, Callable[[OpenLog], Iterator[Event]]] = {
    Format.JSONL: _read_json_lines,
    Format.JSON: _read_json,
    Format.XML: _read_xml,
    Format.TABLE: _read_table,
    Format.W3C: _read_w3c,
    Format.TEXT: _read_text,
}

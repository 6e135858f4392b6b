"""One record of a log, named as results name it: ``FILE:RECORD``, or ``A.ZIP » FILE:RECORD``."""

import json
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

from sekisho.detection.engine.shaping import shape_value
from sekisho.detection.engine.textlogons import join_logons, mark_logon
from sekisho.detection.model import Event
from sekisho.detection.sources.archives import INSIDE, Unit, open_units
from sekisho.detection.sources.evtx import read_batches
from sekisho.detection.sources.limits import Allowance, Trouble, UnreadableError
from sekisho.detection.sources.reading import OpenLog, Reading, open_log, read_log
from sekisho.detection.sources.sniffing import Format
from sekisho.detection.sources.streams import look_into, say_unopened, seekable
from sekisho.kernel.errors import InvalidInputError, NotFoundError
from sekisho.kernel.i18n import Text, msg

_AS_SHOWN = msg("Name it as a hunt shows it: FILE:RECORD, such as logs/Security.evtx:1204")


def find_events(place: str, reading: Reading) -> list[Event]:
    """Return what the record at ``place`` holds, as a hunt sees it: mostly one event.

    Raises InvalidInputError or NotFoundError if there is none.
    """
    name, _, number = place.rpartition(":")
    if not name or not (number.isascii() and number.isdigit()) or len(number) > _LONGEST:
        raise InvalidInputError(msg("“%(place)s” names no event.", place=place), hint=_AS_SHOWN)
    troubles: list[Trouble] = []
    wanted = int(number)
    upwards = takewhile(lambda e: e.record <= wanted, _read(name, reading, troubles))
    found = [event for event in upwards if event.record == wanted]
    if not found:
        raise NotFoundError(_say_missing(wanted, name, troubles), hint=_AS_SHOWN)
    return found


_LONGEST = 15


def _say_missing(wanted: int, name: str, troubles: list[Trouble]) -> Text:
    told = next((one for one in troubles if one.record in {wanted, None}), None)
    if told is not None:
        return told.what
    return msg("There is no event %(number)s in %(file)s.", number=wanted, file=name)


def _read(name: str, reading: Reading, troubles: list[Trouble]) -> Iterator[Event]:
    """Read the events of the log of this name, which may lie in an archive."""
    path = Path(name.partition(INSIDE)[0])
    try:
        with path.open("rb") as opened:
            head, stream = look_into(opened)
            unit = Unit(str(path), head, stream, path.stat().st_mtime)
            for inner in open_units(unit, Allowance(reading.limits), troubles.append):
                log = open_log(inner, reading, troubles.append) if inner.name == name else None
                if log is not None:
                    yield from _see(log)
    except OSError as error:
        told = say_unopened(error)
        raise InvalidInputError(told.what, hint=told.hint) from error


def _see(log: OpenLog) -> Iterator[Event]:
    """Yield the events of one log with what a hunt adds to lines that tell of a log-on."""
    shape = log.shape
    if shape.format is Format.EVTX or (shape.format is Format.JSONL and shape.encoding == "utf-8"):
        yield from read_any(log)  # as in bulk
        return
    for event, told in join_logons(read_any(log)):
        yield mark_logon(event, told[0]) if told else event


def read_any(log: OpenLog) -> Iterator[Event]:
    """Yield the events of one log of any format, EVTX too, one after the other."""
    if log.shape.format is not Format.EVTX:
        yield from read_log(log)
        return
    try:
        yield from _read_evtx(log)
    except UnreadableError as error:
        log.tell(None, error.what, error.hint)


def _read_evtx(log: OpenLog) -> Iterator[Event]:
    name, shaping = log.unit.name, log.reading.shaping
    with seekable(log.unit.stream) as stream:
        for numbers, records in read_batches(stream, name, log.report):
            for number, text in zip(numbers, records, strict=True):
                yield shape_value(json.loads(text), shaping, name, number)

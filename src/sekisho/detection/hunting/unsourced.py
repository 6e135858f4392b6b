"""Logs that do not say what they are: rules for a product or service pass them by.

That nothing matched in such a log says little, so it is told. The first events of a log stand for
all of it; lines of text are left alone, since folders are full of them that are no logs.
"""

import io
from dataclasses import replace
from itertools import islice

from sekisho.detection.model import LogSource
from sekisho.detection.sources.reading import OpenLog, read_log
from sekisho.detection.sources.sniffing import Format

_ASKED = frozenset((Format.JSONL, Format.JSON, Format.TABLE))
_FIRST = 20


def tells_no_source(log: OpenLog) -> bool:
    """Say whether none of the first events tells its product, service or channel."""
    if log.shape.format not in _ASKED:
        return False
    unit = replace(log.unit, stream=io.BytesIO(log.unit.head))
    events = list(islice(read_log(replace(log, unit=unit, report=lambda _: None)), _FIRST))
    return bool(events) and all(
        event.channel is None and event.source == LogSource() for event in events
    )

"""EVTX files by their records, in batches; torn chunks and bad records are told and passed over."""

import io
from collections.abc import Callable, Iterator
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO

from sekisho.detection.sources.guarding import Looked, look_over
from sekisho.detection.sources.headless import put_head
from sekisho.detection.sources.limits import Trouble, UnreadableError
from sekisho.kernel.i18n import Text, msg

BATCH = 240
"""Records taken at once: a core's own cache holds them and what is made of them."""

_GIVE_UP = 10_000
_DATA = itemgetter("data")
_CUT = msg("The file ends in the middle of a block; the records that are whole were read.")
_HEADLESS = msg("The head of the file is missing or damaged; its blocks were read.")
_FROM_BLOCKS = msg("Nothing of them is lost by that; what stood before them cannot be known.")
_HINT = msg("The rest of the file is read; take the log from the machine again if it matters.")


def read_batches(
    source: Path | BinaryIO, name: str, tell: Callable[[Trouble], None], first: int = 1
) -> Iterator[tuple[list[int], list[str]]]:
    """Yield batches of records: their numbers (from ``first``, bad ones count), their JSON.

    Raises UnreadableError if it is no EVTX file at all.
    """
    looked, records = _begin(
        source, lambda what: tell(Trouble(name, first, what, _FROM_BLOCKS, lost=False))
    )
    texts = map(_DATA, records)
    number, faults = first - 1, 0
    numbers: list[int] = []
    batch: list[str] = []
    while faults < _GIVE_UP:
        had, fault = len(batch), None
        try:
            batch.extend(islice(texts, BATCH - had))
        except (RuntimeError, OSError, ValueError) as error:
            fault = error  # what was read before it is in the batch
        numbers += range(number + 1, number + 1 + len(batch) - had)
        number += len(batch) - had
        if fault is not None:
            faults += 1
            number += 1
            tell(Trouble(name, number, _say(fault), _HINT))
        elif len(batch) < BATCH:
            break
        else:
            yield numbers, batch
            numbers, batch = [], []
    if batch:
        yield numbers, batch
    if looked.tail:
        tell(Trouble(name, number + 1, _CUT, _HINT))


def count_records(content: bytes) -> int:
    """Return how many records, bad ones too, ``read_batches`` finds; raises as that does."""
    count, bad = 0, list[Trouble]()
    for numbers, _ in read_batches(io.BytesIO(content), "", bad.append):
        count += len(numbers)
    return count + len(bad)


def _begin(source: Path | BinaryIO, tell: Callable[[Text], None]) -> tuple[Looked, Iterator[Any]]:
    """Return what was seen of a file and its records; a head that is missing is made and told."""
    looked = look_over(source)
    try:
        return looked, _open_all(source, looked)
    except UnreadableError:
        headed = put_head(source)
        if headed is None:
            raise
    looked = look_over(headed)
    records = _open_all(headed, looked)
    tell(_HEADLESS)
    return looked, records


def _open(source: Path | BinaryIO, looked: Looked) -> Any:
    from evtx import PyEvtxParser  # noqa: PLC0415 # only who reads such files pays for it

    try:
        # One thread: several would take turns in handing over, and files already share the cores.
        return PyEvtxParser(looked.open(source), 1).records_json()
    except (RuntimeError, OSError, ValueError) as error:
        raise UnreadableError(
            msg("It is no EVTX file, or its head is damaged: %(why)s.", why=_short(error)),
            msg("Take the log from the machine again, or export it with wevtutil."),
        ) from error


def _open_all(source: Path | BinaryIO, looked: Looked) -> Iterator[Any]:
    records = _open(source, looked)
    if not looked.tail:
        return records  # type: ignore[no-any-return] # the package says nothing of types
    tail = io.BytesIO(looked.tail)
    return chain(records, _open(tail, look_over(tail)))


def _say(error: Exception) -> Text:
    return msg("A record or a block of records is damaged: %(why)s.", why=_short(error))


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]

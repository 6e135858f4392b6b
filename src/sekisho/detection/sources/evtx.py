"""EVTX files by their records, in batches; torn chunks and bad records are told and passed over."""

import io
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO

from sekisho.detection.sources.guarding import guard, guard_path
from sekisho.detection.sources.limits import Trouble, UnreadableError
from sekisho.detection.sources.stretches import CHUNK, EVTX_HEAD
from sekisho.kernel.i18n import Text, msg

BATCH = 512
_GIVE_UP = 10_000
_DATA = itemgetter("data")
_CUT = msg("The file ends in the middle of a block; the records that are whole were read.")
_HINT = msg("The rest of the file is read; take the log from the machine again if it matters.")


def read_batches(
    source: Path | BinaryIO, name: str, tell: Callable[[Trouble], None], first: int = 1
) -> Iterator[tuple[list[int], list[str]]]:
    """Yield batches of records: their numbers (from ``first``, bad ones count), their JSON.

    Raises UnreadableError if it is no EVTX file at all.
    """
    tail = _read_tail(source)
    records = chain(_open(source), _open(io.BytesIO(tail))) if tail else _open(source)
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
    if tail:
        tell(Trouble(name, number + 1, _CUT, _HINT))


def _read_tail(source: Path | BinaryIO) -> bytes:
    """Return a chunk that was cut off as a file of its own, filled up; b"" where none was.

    The package passes over it, though most of its records may be whole.
    """
    size = source.stat().st_size if isinstance(source, Path) else source.seek(0, io.SEEK_END)
    left = (size - EVTX_HEAD) % CHUNK if size > EVTX_HEAD else 0
    if not left and isinstance(source, Path):
        return b""  # nearly all files are such, and need not be opened for it
    with source.open("rb") if isinstance(source, Path) else nullcontext(source) as file:
        file.seek(0)
        head = file.read(EVTX_HEAD) if left else b""
        file.seek(size - left)
        tail = file.read(left)
        file.seek(0)
    return head + tail.ljust(CHUNK, b"\x00") if any(tail) else b""


def count_records(content: bytes) -> int:
    """Return how many records, bad ones too, ``read_batches`` finds; raises as that does."""
    count, bad = 0, list[Trouble]()
    for numbers, _ in read_batches(io.BytesIO(content), "", bad.append):
        count += len(numbers)
    return count + len(bad)


def _open(source: Path | BinaryIO) -> Any:
    from evtx import PyEvtxParser  # noqa: PLC0415 # only who reads such files pays for it

    safe = _guard(source)
    try:
        # One thread: several would take turns in handing over, and files already share the cores.
        return PyEvtxParser(safe, 1).records_json()
    except (RuntimeError, OSError, ValueError) as error:
        raise UnreadableError(
            msg("It is no EVTX file, or its head is damaged: %(why)s.", why=_short(error)),
            msg("Take the log from the machine again, or export it with wevtutil."),
        ) from error


def _guard(source: Path | BinaryIO) -> str | BinaryIO:
    """Return what the package may read: ``source`` itself unless its tables would hold it up."""
    if isinstance(source, Path):
        return guard_path(source) or str(source)
    return guard(source) or source


def _say(error: Exception) -> Text:
    return msg("A record or a block of records is damaged: %(why)s.", why=_short(error))


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]

"""One large EVTX file as runs of its chunks, so that several processes share it.

A chunk (64 KiB) can be read by itself, and what stands before the first one says nothing of the
records: that head with some chunks behind it is an EVTX file again. Layout: libevtx, "Windows XML
Event Log (EVTX) format".
"""

import io
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

from sekisho.detection.sources.evtx import count_records
from sekisho.detection.sources.guarding import is_sound
from sekisho.detection.sources.limits import UnreadableError
from sekisho.detection.sources.stretches import CHUNK, EVTX_HEAD, Stretch

_MAGIC = b"ElfChnk\x00"
_EMPTY = bytes(CHUNK)
_BODY = 512
_MOST_ODD = 64


def cut_chunks(path: Path, size: int, target: int) -> list[Stretch]:
    """Return stretches of about ``target`` bytes; none where the file has to stay whole.

    ``first`` counts records as ``evtx.read_batches`` does, so it has to be known how many each
    chunk gives. Chunks that are damaged, or were being written to, are read for it, and where
    that is more than a few the file stays whole. Raises OSError.
    """
    try:
        with path.open("rb") as file:
            return _cut(file, size, target)
    except UnreadableError:
        return []  # whoever reads the whole file says what is wrong with it


def _cut(file: BinaryIO, size: int, target: int) -> list[Stretch]:
    head = file.read(EVTX_HEAD)
    count_records(head)
    stretches: list[Stretch] = []
    begin = at = EVTX_HEAD
    first = number = 1
    odd = 0
    while at + target < size:
        while at < begin + target:
            chunk = file.read(CHUNK)
            count = _count_told(chunk)
            if count is None:
                odd += 1
                count = count_records(head + chunk)
            number, at = number + count, at + CHUNK
        if odd > _MOST_ODD:
            return []
        stretches.append(Stretch(begin, at, first, chunked=True))
        begin, first = at, number
    return [*stretches, Stretch(begin, None, first, chunked=True)]


def _count_told(chunk: bytes) -> int | None:
    """Return how many records an undamaged chunk says it holds, None for any other."""
    if chunk == _EMPTY:
        return 0
    if len(chunk) < CHUNK or not chunk.startswith(_MAGIC):
        return None
    first, last = struct.unpack_from("<QQ", chunk, 8)
    end, of_records = struct.unpack_from("<II", chunk, 48)
    (of_head,) = struct.unpack_from("<I", chunk, 124)
    whole = (
        _BODY <= end <= CHUNK
        and is_sound(chunk)
        and zlib.crc32(chunk[_BODY:end]) == of_records
        and zlib.crc32(chunk[128:_BODY], zlib.crc32(chunk[:120])) == of_head
    )
    return last - first + 1 if whole else None


def read_chunks(file: BinaryIO, stretch: Stretch) -> BinaryIO:
    """Return a stretch of an opened file as an EVTX file of its own."""
    head = file.read(EVTX_HEAD)
    file.seek(stretch.begin)
    return io.BytesIO(head + file.read(-1 if stretch.end is None else stretch.end - stretch.begin))

"""EVTX files without a head, or with a damaged one: their chunks hold all that matters.

Such are logs carved out of a disk or of memory, and files whose first page was overwritten. The
head says only where the chunks lie (libevtx, "Windows XML Event Log (EVTX) format", file header),
so one is made and put before them.
"""

import io
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

from sekisho.detection.sources.guarding import Altered
from sekisho.detection.sources.stretches import CHUNK, EVTX_HEAD

_MAGIC = b"ElfChnk\x00"
_FIELDS = struct.Struct("<8sQQQIHHHH")
_SIZE, _MINOR, _MAJOR = 128, 1, 3
_CHECKED, _SUM_AT = 120, 124
_MOST_COUNTED = 0xFFFF


def put_head(source: Path | BinaryIO) -> BinaryIO | None:
    """Return a file without a usable head as one with a head; None where no chunk begins soon.

    What stands before the first whole chunk (the rest of another, say) is passed over.
    What is opened here closes its file when it is closed. Raises OSError.
    """
    file = source.open("rb") if isinstance(source, Path) else source
    file.seek(0)
    begin = file.read(CHUNK + len(_MAGIC)).find(_MAGIC)
    if begin < 0:
        if isinstance(source, Path):
            file.close()
        return None
    chunks = (file.seek(0, io.SEEK_END) - begin + CHUNK - 1) // CHUNK
    return io.BufferedReader(_Headed(file, _make_head(chunks), begin), CHUNK)


def _make_head(chunks: int) -> bytes:
    fields = _FIELDS.pack(
        b"ElfFile\x00", 0, max(chunks - 1, 0), 1, _SIZE, _MINOR, _MAJOR, EVTX_HEAD,
        min(chunks, _MOST_COUNTED),
    )  # fmt: skip
    checked = fields.ljust(_CHECKED, b"\x00")
    return (checked.ljust(_SUM_AT, b"\x00") + struct.pack("<I", zlib.crc32(checked))).ljust(
        EVTX_HEAD, b"\x00"
    )


class _Headed(Altered):
    """A head, and behind it what a file holds from ``begin`` on."""

    def __init__(self, file: BinaryIO, head: bytes, begin: int) -> None:
        super().__init__(file)
        self._head, self._begin = head, begin
        self._at = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            offset += self._file.seek(0, io.SEEK_END) - self._begin + len(self._head)
        elif whence == io.SEEK_CUR:
            offset += self._at
        self._at = max(offset, 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override] # always bytes here
        block = self._head[self._at : self._at + len(buffer)]
        if not block:
            self._file.seek(self._at - len(self._head) + self._begin)
            block = self._file.read(len(buffer))
        buffer[: len(block)] = block
        self._at += len(block)
        return len(block)

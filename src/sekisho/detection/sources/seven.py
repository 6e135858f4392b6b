"""Where the members of a 7z archive go while it is unpacked: never to the names they carry.

All of them lie in one file, in memory as long as it is small: thousands of members take neither
memory nor open files.
"""

import io
import tempfile
import threading
from typing import BinaryIO, Self

from py7zr.io import Py7zIO, WriterFactory

from sekisho.detection.sources.limits import Allowance
from sekisho.detection.sources.streams import IN_MEMORY, buffered


class Shelf(WriterFactory):
    """Makes a place for every member and stops the unpacking once the limits are spent."""

    def __init__(self, allowance: Allowance, packed: int) -> None:
        self._allowance, self._packed, self._out = allowance, packed, 0
        self._lock = threading.Lock()  # archives of several blocks are unpacked side by side
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - kept
        self.places: list[tuple[str, Place]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def create(self, filename: str) -> Py7zIO:
        """Make the place for ``filename``, which is only a label."""
        self._allowance.enter()
        place = Place(self)
        self.places.append((filename, place))
        return place

    def put(self, content: bytes | bytearray) -> int:
        """Take bytes in, as long as the limits allow; return where they lie."""
        with self._lock:
            at, self._out = self._out, self._out + len(content)
            self._allowance.spend(len(content), self._packed, self._out)
            self._file.seek(at)
            self._file.write(content)
        return at

    def get(self, at: int, size: int) -> bytes:
        """Give bytes back."""
        with self._lock:
            self._file.seek(at)
            return self._file.read(size)


class Place(Py7zIO):
    """The bytes of one member: which pieces of the shelf are its own, in order."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf, self._size, self._at = shelf, 0, 0
        self._pieces: list[tuple[int, int, int]] = []  # where within the member, on the shelf, size

    def write(self, s: bytes | bytearray) -> int:
        """Take bytes in, as long as the limits allow."""
        at = self._shelf.put(s)
        begin, where, size = self._pieces[-1] if self._pieces else (0, at, 0)
        if where + size == at:
            self._pieces[-1:] = [(begin, where, size + len(s))]
        else:
            self._pieces.append((self._size, at, len(s)))
        self._size += len(s)
        return len(s)

    def read(self, size: int | None = None) -> bytes:
        """Give bytes back, up to ``size``."""
        until = self._size if size is None or size < 0 else min(self._size, self._at + size)
        found = []
        for begin, where, length in self._pieces:
            low, high = max(self._at, begin), min(until, begin + length)
            if low < high:
                found.append(self._shelf.get(where + low - begin, high - low))
        self._at = max(self._at, until)
        return b"".join(found)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def flush(self) -> None:
        """Do nothing: there is nobody to hand it on to."""

    def size(self) -> int:
        """Return how many bytes came."""
        return self._size

    def open(self) -> BinaryIO:
        """Return what was kept as a file to be read from its beginning."""
        self.seek(0)
        return buffered(_Kept(self))


class _Kept(io.RawIOBase):
    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._place.seek(offset, whence)

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override] # always bytes here
        block = self._place.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)

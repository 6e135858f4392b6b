"""Where the members of a 7z archive go while it is unpacked: never to the names they carry."""

import tempfile
from typing import Self

from py7zr.io import Py7zIO, WriterFactory

from sekisho.detection.sources.limits import Allowance
from sekisho.detection.sources.streams import IN_MEMORY


class Shelf(WriterFactory):
    """Makes a place for every member and stops the unpacking once the limits are spent."""

    def __init__(self, allowance: Allowance, packed: int) -> None:
        self._allowance, self._packed, self._out = allowance, packed, 0
        self.places: list[tuple[str, Place]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for _name, place in self.places:
            place.copy.close()

    def create(self, filename: str) -> Py7zIO:
        """Make the place for ``filename``, which is only a label."""
        self._allowance.enter()
        place = Place(self)
        self.places.append((filename, place))
        return place

    def count(self, size: int) -> None:
        """Count ``size`` bytes more of the whole archive."""
        self._out += size
        self._allowance.spend(size, self._packed, self._out)


class Place(Py7zIO):
    """The bytes of one member: in memory, then in a file without a name."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf, self._size = shelf, 0
        self.copy = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY // 16)  # noqa: SIM115 - kept

    def write(self, s: bytes | bytearray) -> int:
        """Take bytes in, as long as the limits allow."""
        self._shelf.count(len(s))
        self._size += len(s)
        return self.copy.write(s)

    def read(self, size: int | None = None) -> bytes:
        """Give bytes back (py7zr checks sums with it)."""
        return self.copy.read(-1 if size is None else size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        return self.copy.seek(offset, whence)

    def flush(self) -> None:
        """Do nothing: there is nobody to hand it on to."""

    def size(self) -> int:
        """Return how many bytes came."""
        return self._size

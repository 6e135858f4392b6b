"""Byte streams that can be looked into, unpacked and counted.

Nothing is written to a place that an archive names: what must be seekable goes into memory, and
beyond that into a file without a name that the system removes by itself.
"""

import bz2
import gzip
import io
import lzma
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol, cast

from sekisho.detection.sources.limits import MEBI, Allowance, UnreadableError
from sekisho.kernel.i18n import msg, system_reason

HEAD = 64 * 1024
BLOCK = 256 * 1024
IN_MEMORY = 64 * MEBI
_STEP = 8 * 1024
"""Asked for more at once, unpackers throw all of it away when they come upon damage."""
BROKEN = (EOFError, OSError, zlib.error, lzma.LZMAError)
"""What the unpackers of the standard library raise on damaged input."""
_TORN = (*BROKEN, zipfile.BadZipFile, tarfile.TarError)


class Readable(Protocol):
    """The little of a file that is asked for here."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes, b"" at the end."""
        ...


class Counted(io.RawIOBase):
    """Passes bytes on and counts them; ``tell_read`` hears of each block."""

    def __init__(self, inner: Readable, tell_read: Callable[[int], None] | None = None) -> None:
        super().__init__()
        self.inner, self.count, self._tell = inner, 0, tell_read

    def readable(self) -> bool:
        """Say yes: that is what it is for."""
        return True

    def take(self, size: int) -> bytes:
        """Return the next bytes, at most ``size``."""
        return self.inner.read(size)

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override] # always bytes here
        """Fill ``buffer`` and count what came."""
        block = self.take(len(buffer))
        buffer[: len(block)] = block
        self.count += len(block)
        if self._tell is not None and block:
            self._tell(len(block))
        return len(block)


class Unpacked(Counted):
    """The unpacked side of ``packed``; ends with an UnreadableError once the limits are spent.

    Damage ends it too, but as a file ends, so that all before it is read, whatever buffers lie in
    front; whoever opened it asks for ``fault`` afterwards.
    """

    def __init__(self, inner: Readable, packed: Counted, allowance: Allowance) -> None:
        super().__init__(inner, lambda size: allowance.spend(size, packed.count, self.count))
        self.fault: Exception | None = None
        self._step = cast("Callable[[int], bytes]", getattr(inner, "read1", inner.read))

    def take(self, size: int) -> bytes:
        """Return what one step of the unpacker gives."""
        return self._step(min(size, _STEP))

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override] # always bytes here
        """Fill ``buffer``; nothing more comes once the packed bytes turned out to be damaged."""
        if self.fault is not None:
            return 0
        try:
            return super().readinto(buffer)
        except _TORN as error:
            self.fault = error
            return 0


class Prefixed(io.RawIOBase):
    """A stream whose first bytes were looked at and are given again."""

    def __init__(self, head: bytes, rest: Readable) -> None:
        super().__init__()
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        """Say yes: that is what it is for."""
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override] # always bytes here
        """Give the head first, then the rest."""
        block = self._head[: len(buffer)] if self._head else self._rest.read(len(buffer))
        self._head = self._head[len(block) :]
        buffer[: len(block)] = block
        return len(block)


def buffered(raw: io.RawIOBase) -> BinaryIO:
    """Return ``raw`` with a buffer in front of it."""
    return cast("BinaryIO", io.BufferedReader(raw, BLOCK))


def look_into(stream: BinaryIO, size: int = HEAD) -> tuple[bytes, BinaryIO]:
    """Return the first ``size`` bytes and a stream that begins with them again."""
    head = read_fully(stream, size)
    if stream.seekable():
        stream.seek(0)
        return head, stream
    return head, buffered(Prefixed(head, stream))


def read_fully(stream: Readable, size: int) -> bytes:
    """Return ``size`` bytes, or fewer only at the end of the stream."""
    blocks, left = [], size
    while left and (block := stream.read(left)):
        blocks.append(block)
        left -= len(block)
    return b"".join(blocks)


def unpack_stream(head: bytes, stream: BinaryIO, allowance: Allowance) -> Unpacked | None:
    """Return what a gz, bz2, xz or zst stream unpacks to, or None where it is none of them."""
    opener = next((opener for magic, opener in _OPENERS if head.startswith(magic)), None)
    if opener is None:
        return None
    packed = Counted(stream)
    inner = cast("Readable", opener(cast("BinaryIO", io.BufferedReader(packed, BLOCK))))
    return Unpacked(inner, packed, allowance)


@contextmanager
def seekable(stream: BinaryIO) -> Iterator[BinaryIO]:
    """Give ``stream`` itself, or a copy of it that can be read at any place and then is gone."""
    if stream.seekable():
        yield stream
        return
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as copy:
        while block := stream.read(BLOCK):
            copy.write(block)
        copy.seek(0)
        yield cast("BinaryIO", copy)


def _open_zstd(stream: BinaryIO) -> object:
    if sys.version_info >= (3, 14):
        from compression import zstd  # noqa: PLC0415 - new in 3.14
    else:
        from backports import zstd  # noqa: PLC0415 - only where such a file turns up
    return _Translated(zstd.ZstdFile(stream), zstd.ZstdError)


class _Translated:
    """Turns the one error of zstd that is no OSError into one."""

    def __init__(self, inner: Readable, kind: type[Exception]) -> None:
        self._inner, self._kind = inner, kind

    def read(self, size: int = -1, /) -> bytes:
        """Read on; damage is an OSError as with the other kinds."""
        try:
            return self._inner.read(size)
        except self._kind as error:
            raise OSError(str(error)) from error


_OPENERS: tuple[tuple[bytes, Callable[[BinaryIO], object]], ...] = (
    (b"\x1f\x8b", lambda stream: gzip.GzipFile(fileobj=stream)),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\x00", lzma.LZMAFile),
    (b"\x28\xb5\x2f\xfd", _open_zstd),
)


def say_broken(error: BaseException, *, kept: bool = True) -> UnreadableError:
    """Say that the bytes end too early or are damaged; ``kept``: what stood before it is read."""
    if isinstance(error, UnreadableError):
        return error
    why = system_reason(error) if isinstance(error, OSError) else str(error)
    return UnreadableError(
        msg("The file is damaged or ends in the middle (%(why)s).", why=why),
        msg("What stood before the damage was read; fetch the file again if you can.")
        if kept
        else msg("Nothing in it could be read; fetch the file again if you can."),
    )


def say_unopened(error: OSError) -> UnreadableError:
    """Say that the system does not give a file out."""
    return UnreadableError(
        msg("It cannot be opened: %(why)s.", why=system_reason(error)),
        msg("Check the path and your right to read it."),
    )

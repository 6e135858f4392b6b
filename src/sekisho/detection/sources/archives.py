"""What a file holds: itself, or the files inside it when it is packed (zip, 7z, tar, gz and kin).

Archives may lie in archives. Members are read as streams; their names are only shown, never used
as paths, so ``../../etc/passwd`` is a strange name and nothing more.
"""

import io
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from sekisho.detection.sources.limits import Allowance, Trouble, UnreadableError
from sekisho.detection.sources.streams import (
    BROKEN,
    Counted,
    Unpacked,
    buffered,
    look_into,
    say_broken,
    seekable,
    unpack_stream,
)
from sekisho.detection.sources.walking import Report
from sekisho.kernel.i18n import msg

_TAR_MAGIC = slice(257, 262)
_ENCRYPTED = 0x1
INSIDE = " » "
"""Stands between an archive and the name of its member."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One log to read: the name to show, its bytes and the first of them.

    ``changed`` is the time of the file or member, seconds since 1970, where there is one.
    """

    name: str
    head: bytes
    stream: BinaryIO
    changed: float | None
    named: bool = True


def open_units(unit: Unit, allowance: Allowance, report: Report, depth: int = 0) -> Iterator[Unit]:
    """Yield ``unit`` itself or, when it is packed, everything inside; read each before the next."""
    try:
        yield from _open(unit, allowance, report, depth)
    except UnreadableError as error:
        report(Trouble(unit.name, None, error.what, error.hint))
    except Exception as error:  # noqa: BLE001 - whatever a hostile archive makes its reader raise
        told = say_broken(error)
        report(Trouble(unit.name, None, told.what, told.hint))


def _open(unit: Unit, allowance: Allowance, report: Report, depth: int) -> Iterator[Unit]:
    members = _list_members(unit, allowance, report)
    if members is None:
        yield unit
        return
    if depth >= allowance.limits.depth:
        raise UnreadableError(
            msg("Archives lie in it more than %(n)s deep.", n=allowance.limits.depth),
            msg("If that is meant, unpack it yourself and name the folder."),
        )
    for member in members:
        yield from open_units(member, allowance, report, depth + 1)


def _list_members(unit: Unit, allowance: Allowance, report: Report) -> Iterator[Unit] | None:
    head = unit.head
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_members(unit, allowance, report)
    if head.startswith(b"7z\xbc\xaf\x27\x1c"):
        return _seven_members(unit, allowance)
    if head[_TAR_MAGIC] == b"ustar":
        return _tar_members(unit, allowance, report)
    unpacked = unpack_stream(head, unit.stream, allowance)
    return None if unpacked is None else _one_member(unit, unpacked)


def _one_member(unit: Unit, unpacked: Unpacked) -> Iterator[Unit]:
    """Yield the one file that a gz, bz2, xz or zst holds, under the archive's own name."""
    head, stream = look_into(buffered(unpacked))
    yield Unit(unit.name, head, stream, unit.changed, unit.named)
    if unpacked.fault is not None:
        raise say_broken(unpacked.fault)


def _zip_members(unit: Unit, allowance: Allowance, report: Report) -> Iterator[Unit]:
    with seekable(unit.stream) as source, _open_zip(source) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            allowance.enter()
            name = unit.name + INSIDE + show_name(info.filename)
            if info.flag_bits & _ENCRYPTED:
                report(Trouble(name, None, msg("It is encrypted."), _UNPACK_IT))
                continue
            try:
                with archive.open(info) as member:
                    size = info.compress_size
                    yield from _read_member(
                        unit, name, cast("BinaryIO", member), size, allowance, report
                    )
            except (zipfile.BadZipFile, NotImplementedError, *BROKEN) as error:
                _tell(report, name, error)


def _open_zip(source: BinaryIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(source)
    except zipfile.BadZipFile as error:  # its directory stands at its end
        raise say_broken(error, kept=False) from error


def _read_member(
    unit: Unit, name: str, member: BinaryIO, size: int, allowance: Allowance, report: Report,
    changed: float | None = None,
) -> Iterator[Unit]:  # fmt: skip
    """Yield a member of ``size`` packed bytes, and tell where it turned out to be damaged."""
    packed = Counted(io.BytesIO())
    packed.count = size
    unpacked = Unpacked(member, packed, allowance)
    head, stream = look_into(buffered(unpacked))
    yield Unit(name, head, stream, changed, unit.named)
    if unpacked.fault is not None:
        _tell(report, name, unpacked.fault)


def _tell(report: Report, name: str, error: Exception) -> None:
    told = say_broken(error)
    report(Trouble(name, None, told.what, told.hint))


_UNPACK_IT = msg("Unpack it with its password and name the result.")


def _tar_members(unit: Unit, allowance: Allowance, report: Report) -> Iterator[Unit]:
    told: list[str] = []

    def tell(trouble: Trouble) -> None:
        told.append(trouble.file)
        report(trouble)

    try:
        with tarfile.open(fileobj=unit.stream, mode="r|") as archive:
            yield from _read_tar(unit, archive, allowance, tell)
    except tarfile.TarError:
        if not told:  # else its last member said so already
            raise


def _read_tar(
    unit: Unit, archive: tarfile.TarFile, allowance: Allowance, report: Report
) -> Iterator[Unit]:
    for info in archive:
        member = archive.extractfile(info) if info.isreg() else None
        if member is None:
            continue
        allowance.enter()
        name, changed = unit.name + INSIDE + show_name(info.name), float(info.mtime)
        yield from _read_member(
            unit, name, cast("BinaryIO", member), info.size, allowance, report, changed
        )


def _seven_members(unit: Unit, allowance: Allowance) -> Iterator[Unit]:
    import py7zr  # noqa: PLC0415 - heavy, and only where such a file turns up
    from py7zr.exceptions import PasswordRequired  # noqa: PLC0415 - the same

    from sekisho.detection.sources.seven import Shelf  # noqa: PLC0415 - the same

    with seekable(unit.stream) as source, Shelf(allowance, _measure(source)) as shelf:
        fault: Exception | None = None
        try:
            with py7zr.SevenZipFile(source, mode="r") as archive:
                archive.extractall(factory=shelf)  # noqa: S202 - to the shelf, to no path
        except PasswordRequired as error:
            raise UnreadableError(msg("It is encrypted."), _UNPACK_IT) from error
        except Exception as error:  # noqa: BLE001 - whatever damage makes its reader raise
            fault = error  # what lies on the shelf by then is read all the same
        for name, place in shelf.places:
            head, stream = look_into(place.open())
            yield Unit(unit.name + INSIDE + show_name(name), head, stream, None, unit.named)
        if fault is not None:
            raise say_broken(fault, kept=bool(shelf.places)) from fault


def _measure(source: BinaryIO) -> int:
    size = source.seek(0, io.SEEK_END)
    source.seek(0)
    return size


def show_name(name: str) -> str:
    """Return a name from an archive fit for one line of a terminal: nothing that moves a cursor."""
    shown = "".join(c if c.isprintable() else "�" for c in name)
    return shown if len(shown) <= _NAME_LENGTH else shown[: _NAME_LENGTH - 1] + "…"


_NAME_LENGTH = 300

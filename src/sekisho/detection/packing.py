"""Rule files out of an upload: one YAML file, or a ZIP archive that nobody has to trust.

Nothing is written to disk; names only label texts, so a path that climbs out of the archive is
harmless, and is kept as a plain name. Sizes are counted while reading, never believed.
"""

import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath

from sekisho.detection.library import LARGEST_DOWNLOAD, LARGEST_RULE, MOST_FILES
from sekisho.kernel.errors import InvalidInputError, TooLargeError
from sekisho.kernel.i18n import Text, msg

_MOST_UNPACKED = 256 * 1024 * 1024
_SUFFIXES = frozenset({".yml", ".yaml"})
# Folders of well-known rule collections that hold no rules in force.
_SET_ASIDE = frozenset({
    "deprecated", "unsupported", "tests", "regression_data", ".github", "documentation", "images",
    "other", "schema", "__macosx",
})  # fmt: skip
_ZIP_MAGIC = b"PK\x03\x04"
# What the zipfile module is known to raise for damaged, encrypted or unknown archives.
_BROKEN = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, RuntimeError,
    NotImplementedError, EOFError, OSError, ValueError,
)  # fmt: skip


def unpack_rules(name: str, content: bytes) -> list[tuple[str, bytes]]:
    """Return the rule files in an upload (name, content), sorted by name.

    Raises InvalidInputError if it is neither YAML by its name nor a sound archive or holds no
    rule file, TooLargeError if it unpacks to more than 256 MB or 50,000 files.
    """
    if len(content) > LARGEST_DOWNLOAD:
        raise TooLargeError(
            msg("The file has more than %(most)s MB.", most=LARGEST_DOWNLOAD // 1024**2),
            hint=msg("Import only the folders of rules that you need."),
        )
    found = sorted(_files(name, content))
    if not found:
        raise InvalidInputError(
            msg("There is no rule file (.yml) in “%(name)s”.", name=name),
            hint=msg("Send a Sigma rule in YAML, or a ZIP archive of a folder of rules."),
        )
    return found


def _files(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    if content.startswith(_ZIP_MAGIC):
        yield from _unzip(name, content)
    elif PurePosixPath(name.lower()).suffix in _SUFFIXES:
        yield _plain(name), content


def _unzip(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    left = _MOST_UNPACKED
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for info in _wanted(archive):
                with archive.open(info) as stream:
                    text = stream.read(LARGEST_RULE + 1)
                left -= len(text)
                if left < 0 or len(text) > LARGEST_RULE:
                    raise _too_large(name)
                yield _plain(info.filename), text
    except _BROKEN as error:
        raise InvalidInputError(
            msg("The archive “%(name)s” cannot be read: %(why)s", name=name, why=_say(error)),
            hint=msg("Make it again as an ordinary ZIP archive without a password."),
        ) from error


def _say(error: Exception) -> Text:
    """Say in our own words why an archive cannot be read; zipfile's own are for programmers."""
    if isinstance(error, NotImplementedError):
        return msg("It is packed in a way that cannot be read here.")
    if isinstance(error, RuntimeError):  # how zipfile asks for a password
        return msg("It is protected with a password.")
    return msg("It is damaged or not a ZIP archive.")


def _wanted(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    found = [info for info in archive.infolist() if _is_rule(info)]
    if len(found) > MOST_FILES:
        raise _too_large(archive.filename or "")
    return found


def _is_rule(info: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(info.filename.replace("\\", "/").lower())
    aside = _SET_ASIDE.intersection(path.parts[:-1])
    return not info.is_dir() and path.suffix in _SUFFIXES and not aside


def _too_large(name: str) -> TooLargeError:
    return TooLargeError(
        msg("The archive “%(name)s” unpacks to more than is taken at once.", name=name),
        hint=msg("Import only the folders of rules that you need."),
    )


def _plain(name: str) -> str:
    """Return a name that can only be a name: no root, no climbing, no control characters."""
    parts = [p for p in name.replace("\\", "/").split("/") if p not in {"", ".", ".."}]
    said = "/".join(parts)
    return "".join(c for c in said if c.isprintable())[-400:] or "rule.yml"

"""SQL ``LIKE`` patterns as file searches and as tests of a string.

As in osquery, ``%`` in a path stays within one folder and ``%%`` goes down all of them; ``_`` is
one character. SQLite checks every row again with its own LIKE, so a search may only find too much.
"""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from sekisho.agent.table import Unreadable, Where

FOUND_LIMIT = 20_000


def wanted(where: Where, column: str) -> tuple[str, ...]:
    """Return the values wanted for ``column`` by equality (empty: nothing was handed down)."""
    return tuple(where.get(column, ()))


def like(pattern: str, value: str) -> bool:
    """Tell whether ``value`` matches ``pattern`` as SQLite's LIKE does (ASCII case ignored)."""
    return _compiled(pattern, any_character=".").fullmatch(value) is not None


def asked_for(where: Where, column: str, value: str) -> bool:
    """Tell whether a row with this ``value`` can be wanted; yes if nothing was handed down."""
    equal = wanted(where, column)
    patterns = wanted(where, column + "~")
    if not equal and not patterns:
        return True
    return value in equal or any(like(pattern, value) for pattern in patterns)


def asked_below(where: Where, column: str, folder: str) -> bool:
    """Tell whether something below ``folder`` can be wanted by the constraints on ``column``."""
    prefixes = [*wanted(where, column), *(literal(p) for p in wanted(where, column + "~"))]
    if not prefixes:
        return True
    low = folder.lower()
    return any(p.lower().startswith(low) or low.startswith(p.lower()) for p in prefixes)


def literal(pattern: str) -> str:
    """Return the part of a LIKE pattern before its first ``%``.

    An underscore stands mostly for itself in paths, so it does not end the part.
    """
    return pattern.split("%", 1)[0]


def find(root: Path, pattern: str, separator: str = "/") -> Iterator[str]:
    """Yield the absolute paths below ``root`` that match a LIKE pattern, folder by folder.

    Stops with ``Unreadable`` at a folder it may not list and after ``FOUND_LIMIT`` paths.
    """
    parts = [part for part in pattern.split(separator) if part]
    for count, found in enumerate(_walk(root, "", parts, separator)):
        if count >= FOUND_LIMIT:
            raise Unreadable(
                f"more than {FOUND_LIMIT} paths match {pattern!r}; ask for a narrower pattern"
            )
        yield found


def _walk(root: Path, base: str, parts: list[str], separator: str) -> Iterator[str]:
    if not parts:
        yield base
        return
    part, rest = parts[0], parts[1:]
    if "%%" in part:
        yield from _everything(root, base, separator)
    elif "%" not in part and "_" not in part:
        child = _joined(base, part, separator)
        if _lexists(root, child):
            yield from _walk(root, child, rest, separator)
    else:
        matching = _compiled(part, any_character="[^/]")
        for name in _names(root, base):
            if matching.fullmatch(name):
                yield from _walk(root, _joined(base, name, separator), rest, separator)


def _everything(root: Path, base: str, separator: str) -> Iterator[str]:
    for name in _names(root, base):
        child = _joined(base, name, separator)
        yield child
        if _is_folder(root, child):
            yield from _everything(root, child, separator)


def _joined(base: str, name: str, separator: str) -> str:
    if not base and separator == "\\":
        return name
    return f"{base}{separator}{name}"


def _at(root: Path, path: str) -> Path:
    drive = path.endswith(":")  # "C:" alone is Windows' current folder on C, not its root
    return root / (f"{path}\\" if drive else path.lstrip("/"))


def _names(root: Path, folder: str) -> list[str]:
    try:
        return sorted(child.name for child in _at(root, folder).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise Unreadable(f"the folder {folder or '/'} could not be read: {error}") from None


def _lexists(root: Path, path: str) -> bool:
    try:
        os.lstat(_at(root, path))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise Unreadable(f"{path} could not be looked at: {error}") from None
    return True


def _is_folder(root: Path, path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(_at(root, path)).st_mode)
    except OSError:
        return False


def _compiled(pattern: str, any_character: str) -> re.Pattern[str]:
    translated = "".join(
        f"{any_character}*" if c == "%" else any_character if c == "_" else re.escape(c)
        for c in pattern
    )
    return re.compile(translated, re.IGNORECASE | re.DOTALL | re.ASCII)

"""Table ``file``: what a path is, found by equality or LIKE, as in osquery's table of that name.

A query must name its paths (``path = …``, ``path LIKE …`` or ``directory = …``); without one the
whole disk would be walked, so the table answers ``Unreadable``.
"""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from sekisho.agent.table import Row, Table, Unreadable, Where
from sekisho.agent.tables.columns import FILE
from sekisho.agent.tables.host import Host
from sekisho.agent.tables.patterns import find, wanted

Extra = Callable[[str], Row]
"""Further columns of an existing path that need an interface of the system (Windows versions)."""

_KINDS = {
    stat.S_IFREG: "regular",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "character",
    stat.S_IFBLK: "block",
}


def file_table(host: Host, separator: str = "/", extra: Extra | None = None) -> Table:
    """Return the table over ``host``; ``extra`` adds columns to each row."""

    def rows(where: Where) -> Iterator[Row]:
        for path in sorted(set(_paths(host, where, separator))):
            row = _row(host, path, separator)
            if row is not None:
                yield {**row, **(extra(path) if extra else {})}

    return Table("file", FILE, rows, pushed=frozenset({"path", "directory"}))


def _paths(host: Host, where: Where, separator: str) -> Iterator[str]:
    paths, patterns = wanted(where, "path"), wanted(where, "path~")
    folders = wanted(where, "directory")
    if not paths and not patterns and not folders:
        raise Unreadable("the table file needs path =, path LIKE or directory = in the query")
    yield from paths
    for pattern in patterns:
        yield from find(host.root, pattern, separator)
    for folder in folders:
        base = folder.rstrip(separator)
        yield from (f"{base}{separator}{name}" for name in host.names(folder))


def _row(host: Host, path: str, separator: str) -> Row | None:
    """Return the row of one path, ``None`` if nothing is there."""
    if "\0" in path:
        return None
    place = host.path(path)
    try:
        own = os.lstat(place)
        seen = os.stat(place) if stat.S_ISLNK(own.st_mode) else own  # noqa: PTH116 - beside lstat
    except (FileNotFoundError, NotADirectoryError):
        return _dangling(host, path, separator)
    except OSError as error:
        raise Unreadable(f"{path} could not be looked at: {error.strerror}") from None
    return {**_named(path, separator), **_described(own, seen), **_target(place, own)}


def _dangling(host: Host, path: str, separator: str) -> Row | None:
    place = host.path(path)
    if not os.path.lexists(place):
        return None
    own = os.lstat(place)
    return {**_named(path, separator), **_described(own, own), **_target(place, own)}


def _named(path: str, separator: str) -> Row:
    folder, _, name = path.rpartition(separator)
    return {"path": path, "directory": folder or separator, "filename": name}


def _target(place: Path, own: os.stat_result) -> Row:
    if not stat.S_ISLNK(own.st_mode):
        return {"symlink": 0}
    return {"symlink": 1, "symlink_target_path": str(place.readlink())}


def _described(own: os.stat_result, seen: os.stat_result) -> Row:
    return {
        "inode": own.st_ino,
        "uid": seen.st_uid,
        "gid": seen.st_gid,
        "mode": f"{stat.S_IMODE(seen.st_mode):04o}",
        "device": getattr(seen, "st_rdev", 0),
        "size": seen.st_size,
        "block_size": getattr(seen, "st_blksize", 0),
        "atime": int(seen.st_atime),
        "mtime": int(seen.st_mtime),
        "ctime": int(seen.st_ctime),
        "btime": int(getattr(seen, "st_birthtime", 0)),
        "hard_links": seen.st_nlink,
        "type": _KINDS.get(stat.S_IFMT(seen.st_mode), "unknown"),
    }

"""Table ``registry`` of Windows, and the registry as a source for other tables.

Always the 64-bit view, also from a 32-bit program. Keys and names are compared without regard to
case, as Windows does, and shown in the spelling of the query, so that SQLite's own comparison
agrees. A missing key gives no row; a refused one raises ``Unreadable``.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from sekisho.agent.table import Row, Table, Unreadable, Where
from sekisho.agent.tables.columns import REGISTRY
from sekisho.agent.tables.patterns import like, wanted

HIVES = {
    "HKEY_LOCAL_MACHINE": 0x80000002,
    "HKEY_CURRENT_USER": 0x80000001,
    "HKEY_USERS": 0x80000003,
    "HKEY_CLASSES_ROOT": 0x80000000,
    "HKEY_CURRENT_CONFIG": 0x80000005,
}
_TYPES = {
    0: "REG_NONE",
    1: "REG_SZ",
    2: "REG_EXPAND_SZ",
    3: "REG_BINARY",
    4: "REG_DWORD",
    5: "REG_DWORD_BIG_ENDIAN",
    6: "REG_LINK",
    7: "REG_MULTI_SZ",
    11: "REG_QWORD",
}
_FILETIME_EPOCH = 11_644_473_600  # seconds from 1601 to 1970
_READ_64 = 0x20019 | 0x0100  # KEY_READ | KEY_WOW64_64KEY


@dataclass(frozen=True, slots=True)
class Key:
    """One key as it was read: values as (name, type number, data), names of subkeys, mtime."""

    values: tuple[tuple[str, int, object], ...]
    subkeys: tuple[str, ...]
    mtime: int = 0

    def value(self, name: str) -> object:
        """Return the data of a value, ``None`` if there is none of that name."""
        return next((d for n, _, d in self.values if n.lower() == name.lower()), None)

    def text(self, name: str) -> str:
        """Return the data of a value as ``registry.data`` shows it, empty if there is none."""
        found = next(((t, d) for n, t, d in self.values if n.lower() == name.lower()), None)
        return "" if found is None else shown(found[1])


class Registry(Protocol):
    """Reads one key; ``None`` if it does not exist, ``Unreadable`` if it may not be read."""

    def __call__(self, key: str) -> Key | None:
        """Return the key named with its hive."""
        ...


def read_key(key: str) -> Key | None:
    """Read a key of this computer; its name begins with the hive's (``HKEY_LOCAL_MACHINE``)."""
    if sys.platform != "win32":
        raise Unreadable("this computer has no registry: it does not run Windows")
    else:  # noqa: RET506 - mypy leaves out the branch of the other platform
        import winreg  # noqa: PLC0415 - exists on Windows alone

        hive, _, path = key.partition("\\")
        if hive.upper() not in HIVES:
            raise Unreadable(f"{hive!r} is not a hive of the registry")
        try:
            with winreg.OpenKeyEx(HIVES[hive.upper()], path, 0, _READ_64) as handle:
                subkeys, values, changed = winreg.QueryInfoKey(handle)
                return Key(
                    values=tuple(winreg.EnumValue(handle, i) for i in range(values)),
                    subkeys=tuple(winreg.EnumKey(handle, i) for i in range(subkeys)),
                    mtime=changed // 10_000_000 - _FILETIME_EPOCH,
                )
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unreadable(f"the registry key {key} could not be read: {error}") from None


def tables(registry: Registry) -> tuple[Table, ...]:
    """Return the table over ``registry``."""
    pushed = frozenset({"key", "path", "name"})
    return (Table("registry", REGISTRY, lambda where: rows(registry, where), pushed),)


def rows(registry: Registry, where: Where) -> Iterator[Row]:
    """Yield the values (and subkeys) of the keys asked for by ``key``, ``path`` or their LIKE."""
    for key, paths in sorted(_keys(registry, where).items()):
        found = registry(key)
        if found is not None:
            for row in _rows_of(key, found):
                yield _spelled(row, paths, wanted(where, "name"))


def _keys(registry: Registry, where: Where) -> dict[str, tuple[str, ...]]:
    """Return the keys to read, each with the paths asked for in it (for their spelling)."""
    keys: dict[str, tuple[str, ...]] = dict.fromkeys(wanted(where, "key"), ())
    for path in wanted(where, "path"):
        parent = path.rpartition("\\")[0]
        keys[parent] = (*keys.get(parent, ()), path)
    for pattern in wanted(where, "key~"):
        keys.update(dict.fromkeys(expand(registry, pattern), ()))
    for pattern in wanted(where, "path~"):
        parent = pattern.rpartition("\\")[0]
        keys.update(dict.fromkeys(expand(registry, parent), ()))
    if not keys:
        raise Unreadable("the table registry needs key or path (= or LIKE) in the query")
    return keys


def expand(registry: Registry, pattern: str) -> Iterator[str]:
    """Yield the existing keys that match a LIKE pattern, step by step (``%`` within one step)."""
    hive, *steps = pattern.split("\\")
    yield from _expanded(registry, hive, steps)


def _expanded(registry: Registry, base: str, steps: list[str]) -> Iterator[str]:
    if not steps:
        yield base
        return
    step, rest = steps[0], steps[1:]
    if "%" not in step:
        yield from _expanded(registry, f"{base}\\{step}", rest)
        return
    found = registry(base)
    for name in found.subkeys if found else ():
        if like(step, name):
            yield from _expanded(registry, f"{base}\\{name}", rest)


def _rows_of(key: str, found: Key) -> Iterator[Row]:
    for name in found.subkeys:
        yield _row(key, name, "subkey", "", found.mtime)
    for name, kind, data in found.values:
        shown_type = _TYPES.get(kind, "UNKNOWN")
        yield _row(key, name or "(Default)", shown_type, shown(data), found.mtime)


def _row(key: str, name: str, kind: str, data: str, mtime: int) -> Row:
    path = f"{key}\\{name}"
    return {"key": key, "path": path, "name": name, "type": kind, "data": data, "mtime": mtime}


def _spelled(row: Row, paths: tuple[str, ...], names: tuple[str, ...]) -> Row:
    path, name = str(row["path"]), str(row["name"])
    return {
        **row,
        "path": next((p for p in paths if p.lower() == path.lower()), path),
        "name": next((n for n in names if n.lower() == name.lower()), name),
    }


def shown(data: object) -> str:
    """Show a value's data as osquery does: numbers in decimal, bytes in hex, lists by commas."""
    if data is None:
        return ""
    if isinstance(data, bytes):
        return data.hex().upper()
    if isinstance(data, (list, tuple)):
        return ",".join(str(item) for item in data)
    return str(data)

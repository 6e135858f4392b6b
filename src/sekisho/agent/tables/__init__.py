"""The tables of the endpoint agent: one reader for each fact, on Linux, Windows and macOS.

A reader is a source (a file, a command, an interface of the system) and a pure parser. What cannot
be read raises ``Unreadable``; what is not there gives no row.
"""

from importlib import import_module
from typing import Protocol, cast

from sekisho.agent.table import Table

_PACKAGES = {"linux": "linux", "windows": "windows", "darwin": "macos"}


class _Package(Protocol):
    def tables(self) -> tuple[Table, ...]: ...


def tables_for(platform: str) -> dict[str, Table]:
    """Return the tables of ``platform`` (``linux``, ``windows`` or ``darwin``) by name.

    Only that platform's modules are imported; nothing is read yet.
    """
    if platform not in _PACKAGES:
        wanted = ", ".join(sorted(_PACKAGES))
        raise ValueError(
            f"there are no tables for the platform {platform!r}; it is one of {wanted}"
        )
    package = cast("_Package", import_module(f"{__name__}.{_PACKAGES[platform]}"))
    return {table.name: table for table in package.tables()}

"""Table ``programs`` of Windows: the Uninstall keys of the machine (64, 32 bit) and of people."""

from collections.abc import Iterator

from sekisho.agent.table import Row, Table
from sekisho.agent.tables.columns import PROGRAMS
from sekisho.agent.tables.windows.registry import Key, Registry, expand

_UNINSTALL = r"Microsoft\Windows\CurrentVersion\Uninstall"
_PLACES = (
    rf"HKEY_LOCAL_MACHINE\SOFTWARE\{_UNINSTALL}\%",
    rf"HKEY_LOCAL_MACHINE\SOFTWARE\WOW6432Node\{_UNINSTALL}\%",
    rf"HKEY_USERS\S-1-5-21-%\SOFTWARE\{_UNINSTALL}\%",
    rf"HKEY_USERS\S-1-12-1-%\SOFTWARE\{_UNINSTALL}\%",  # accounts of Entra ID
)
_VALUES = {
    "version": "DisplayVersion",
    "install_location": "InstallLocation",
    "install_source": "InstallSource",
    "language": "Language",
    "publisher": "Publisher",
    "uninstall_string": "UninstallString",
    "install_date": "InstallDate",
}


def tables(registry: Registry) -> tuple[Table, ...]:
    """Return the table over ``registry``."""
    return (Table("programs", PROGRAMS, lambda _: programs(registry)),)


def programs(registry: Registry) -> Iterator[Row]:
    """Yield the installed programs; an entry without a name is part of another one."""
    for place in _PLACES:
        for path in expand(registry, place):
            key = registry(path)
            if key is not None and key.text("DisplayName"):
                yield _program(path, key)


def _program(path: str, key: Key) -> Row:
    identity = path.rpartition("\\")[2]
    return {
        "name": key.text("DisplayName"),
        **{column: key.text(value) for column, value in _VALUES.items()},
        "identifying_number": identity if identity.startswith("{") else "",
    }

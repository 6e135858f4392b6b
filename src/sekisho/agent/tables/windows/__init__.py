"""The tables of Windows: registry, management model (CIM) by PowerShell, few direct interfaces."""

from collections.abc import Iterator
from pathlib import Path

from sekisho.agent.table import Table
from sekisho.agent.tables.chrome import extensions_table
from sekisho.agent.tables.files import file_table
from sekisho.agent.tables.host import Host
from sekisho.agent.tables.windows import (
    accounts,
    backup,
    certificates,
    cim,
    network,
    programs,
    security,
    system,
    updates,
)
from sekisho.agent.tables.windows import registry as registry_table
from sekisho.agent.tables.windows.api import is_administrator
from sekisho.agent.tables.windows.registry import Registry, read_key
from sekisho.agent.tables.windows.versions import version_columns

_BROWSERS = {
    "chrome": "AppData/Local/Google/Chrome/User Data",
    "chromium": "AppData/Local/Chromium/User Data",
    "edge": "AppData/Local/Microsoft/Edge/User Data",
    "brave": "AppData/Local/BraveSoftware/Brave-Browser/User Data",
    "vivaldi": "AppData/Local/Vivaldi/User Data",
}


def tables(host: Host | None = None, registry: Registry = read_key) -> tuple[Table, ...]:
    """Return every Windows table over ``host`` and ``registry`` (this computer by default)."""
    this = host or Host()

    def homes() -> Iterator[tuple[int, str]]:
        """Yield every person's home to an administrator, to others their own alone."""
        everybody = is_administrator()
        own = str(Path.home()).lower()
        for sid, home in accounts.profiles(registry).items():
            number = accounts.last_number(sid)
            if number is None or not sid.startswith(("S-1-5-21-", "S-1-12-1-")):
                continue
            if everybody or home.lower() == own:
                yield number, home

    return (
        file_table(this, separator="\\", extra=version_columns),
        extensions_table(this, _BROWSERS, homes),
        *registry_table.tables(registry),
        *programs.tables(registry),
        *system.tables(registry, this.run),
        *accounts.tables(registry, this.run),
        *security.tables(registry, this.run),
        *cim.tables(this.run),
        *updates.tables(this.run, this.clock),
        *certificates.tables(this, homes),
        *network.tables(),
        *backup.tables(registry, this.run),
    )

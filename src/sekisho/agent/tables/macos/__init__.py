"""The tables of macOS, read from property lists and the system's own commands."""

from sekisho.agent.table import Table
from sekisho.agent.tables.chrome import extensions_table
from sekisho.agent.tables.columns import INTERFACE_ADDRESSES, LISTENING_PORTS, PROCESSES
from sekisho.agent.tables.files import file_table
from sekisho.agent.tables.host import Host
from sekisho.agent.tables.macos import (
    accounts,
    backup,
    certificates,
    disks,
    plists,
    security,
    system,
)
from sekisho.agent.tables.psutil_rows import addresses, listening, running

_READERS = (accounts, backup, certificates, disks, plists, security)
_BROWSERS = {
    "chrome": "Library/Application Support/Google/Chrome",
    "chromium": "Library/Application Support/Chromium",
    "edge": "Library/Application Support/Microsoft Edge",
    "brave": "Library/Application Support/BraveSoftware/Brave-Browser",
    "vivaldi": "Library/Application Support/Vivaldi",
}


def tables(host: Host | None = None) -> tuple[Table, ...]:
    """Return every macOS table over ``host`` (this computer by default)."""
    this = host or Host()
    made = [table for module in _READERS for table in module.tables(this)]
    return (
        file_table(this),
        extensions_table(this, _BROWSERS, lambda: accounts.homes(this)),
        Table("interface_addresses", INTERFACE_ADDRESSES, lambda _: addresses()),
        Table("listening_ports", LISTENING_PORTS, lambda _: listening()),
        Table("processes", PROCESSES, running, frozenset({"pid"})),
        *system.tables(this),
        *made,
    )

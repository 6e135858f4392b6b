"""The tables of Linux, read from ``/proc``, ``/sys``, ``/etc`` and few commands."""

from sekisho.agent.table import Table
from sekisho.agent.tables.chrome import extensions_table
from sekisho.agent.tables.files import file_table
from sekisho.agent.tables.host import Host, people
from sekisho.agent.tables.linux import (
    accounts,
    augeas,
    backup,
    certificates,
    desktop,
    disks,
    firewall,
    network,
    packages,
    processes,
    sockets,
    system,
    systemd,
    updates,
)

_READERS = (
    accounts,
    augeas,
    backup,
    certificates,
    desktop,
    disks,
    firewall,
    packages,
    processes,
    sockets,
    system,
    systemd,
    updates,
)
_BROWSERS = {
    "chrome": ".config/google-chrome",
    "chrome_beta": ".config/google-chrome-beta",
    "chromium": ".config/chromium",
    "chromium_snap": "snap/chromium/common/chromium",
    "edge": ".config/microsoft-edge",
    "brave": ".config/BraveSoftware/Brave-Browser",
    "vivaldi": ".config/vivaldi",
}


def tables(host: Host | None = None) -> tuple[Table, ...]:
    """Return every Linux table over ``host`` (this computer by default)."""
    this = host or Host()
    made = [table for module in _READERS for table in module.tables(this)]
    extensions = extensions_table(
        this, _BROWSERS, lambda: ((person.uid, person.home) for person in people(this))
    )
    return (file_table(this), extensions, *network.tables(this), *made)

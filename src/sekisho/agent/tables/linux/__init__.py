"""The tables of Linux, read from ``/proc``, ``/sys``, ``/etc`` and few commands."""

from sekisho.agent.table import Table
from sekisho.agent.tables.files import file_table
from sekisho.agent.tables.host import Host
from sekisho.agent.tables.linux import accounts, packages, sockets, system


def tables(host: Host | None = None) -> tuple[Table, ...]:
    """Return every Linux table over ``host`` (this computer by default)."""
    this = host or Host()
    readers = (accounts, packages, sockets, system)
    made = [table for module in readers for table in module.tables(this)]
    return (file_table(this), *made)

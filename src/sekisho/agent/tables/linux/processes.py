"""Table ``processes`` of Linux, from ``/proc/<pid>``."""

import os
from collections.abc import Iterator

from sekisho.agent.table import Row, Table, Unreadable, Where
from sekisho.agent.tables.columns import PROCESSES
from sekisho.agent.tables.host import Host
from sekisho.agent.tables.numerals import number
from sekisho.agent.tables.patterns import wanted

_STATUS_ROWS = {"Uid": ("uid", "euid", "suid"), "Gid": ("gid", "egid", "sgid")}
_STAT_FIELDS = 22
_COMMAND_LINE_LIMIT = 4096


def tables(host: Host) -> tuple[Table, ...]:
    """Return the table over ``host``."""
    return (Table("processes", PROCESSES, lambda w: processes(host, w), frozenset({"pid"})),)


def parse_stat(text: str, ticks: int, page: int) -> dict[str, object]:
    """Make the numbers of a process from proc_pid_stat(5); its name may hold any character.

    ``ticks`` is the clock's ticks a second, ``page`` the bytes of a page. Times are milliseconds
    of CPU, ``start_time`` seconds since the boot.
    """
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    if not head or len(fields) < _STAT_FIELDS:
        raise Unreadable(f"a process's stat has {len(fields)} fields: {text[:60]!r}")
    return {
        "name": head.partition("(")[2],
        "state": fields[0],
        "parent": number(fields[1]),
        "pgroup": number(fields[2]),
        "user_time": number(fields[11]) * 1000 // ticks,
        "system_time": number(fields[12]) * 1000 // ticks,
        "nice": number(fields[16]),
        "threads": number(fields[17]),
        "start_time": number(fields[19]) // ticks,
        "total_size": number(fields[20]),
        "resident_size": number(fields[21]) * page,
    }


def parse_status(text: str) -> dict[str, object]:
    """Make the user and group ids of a process from proc_pid_status(5)."""
    found: dict[str, object] = {}
    for line in text.splitlines():
        key, _, rest = line.partition(":")
        if key in _STATUS_ROWS:
            found.update(zip(_STATUS_ROWS[key], map(number, rest.split()), strict=False))
    return found


def processes(host: Host, where: Where) -> Iterator[Row]:
    """Yield the running processes; one that ends while it is read is left out."""
    if not host.exists("/proc/self/stat"):
        raise Unreadable("/proc/self/stat does not exist; is /proc mounted?")
    asked = wanted(where, "pid")
    for name in asked or host.names("/proc"):
        if name.isdecimal():
            row = _process(str(host.path(f"/proc/{name}")))
            if row is not None:
                yield {"pid": int(name), **row}


def _process(folder: str) -> Row | None:
    try:
        stat = _content(f"{folder}/stat").decode("utf-8", "replace")
        status = _content(f"{folder}/status").decode("utf-8", "replace")
        arguments = _content(f"{folder}/cmdline")
    except OSError:
        return None
    path = _link(f"{folder}/exe")
    return {
        **parse_stat(stat, os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")),
        **parse_status(status),
        "cmdline": arguments.replace(b"\0", b" ").decode("utf-8", "replace").strip(),
        "path": path.removesuffix(" (deleted)"),
        "cwd": _link(f"{folder}/cwd"),
        "root": _link(f"{folder}/root"),
        "on_disk": -1 if not path else int(not path.endswith(" (deleted)")),
    }


def _content(path: str) -> bytes:
    """Return the first 4 KiB of a file of /proc: more of a command line is not shown."""
    handle = os.open(path, os.O_RDONLY)
    try:
        return os.read(handle, _COMMAND_LINE_LIMIT)
    finally:
        os.close(handle)


def _link(path: str) -> str:
    """Return where a link of /proc points; empty for a process of somebody else."""
    try:
        return os.readlink(path)  # noqa: PTH115 - thousands of them; pathlib takes thrice as long
    except OSError:
        return ""

"""The tables about the agent itself: ``osquery_info``, ``osquery_registry`` and ``time``.

They exist on every platform; discovery queries of servers rely on the first two.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sekisho import __version__
from sekisho.agent.table import Column, Row, Table, Where

# osquery's platform masks: POSIX 1, Windows 2, BSD 4, Linux 8, macOS 16, OR-ed together.
PLATFORM_MASKS = {"linux": 9, "windows": 2, "darwin": 21}
AGENT_VERSION = f"sekisho-agent/{__version__}"


@dataclass(frozen=True, slots=True)
class Identity:
    """What the agent may say of itself; ``uuid`` is empty on private devices."""

    platform: str
    instance_id: str = ""
    uuid: str = ""
    started_at: int = 0


def current_platform() -> str:
    """Return osquery's name of this platform: linux, windows or darwin."""
    return {"win32": "windows", "darwin": "darwin"}.get(sys.platform, "linux")


def builtin_tables(identity: Identity, names: Callable[[], Iterable[str]]) -> dict[str, Table]:
    """Make the three tables; ``names`` gives the names of all tables for the registry."""
    tables = (
        _table("osquery_info", _INFO, lambda: (_info(identity),)),
        _table("osquery_registry", _REGISTRY, lambda: _registry(names())),
        _table("time", _TIME, lambda: (_time(time.time()),)),
    )
    return {table.name: table for table in tables}


_INFO = {
    "pid": "INTEGER",
    "uuid": "TEXT",
    "instance_id": "TEXT",
    "version": "TEXT",
    "config_hash": "TEXT",
    "config_valid": "INTEGER",
    "extensions": "TEXT",
    "build_platform": "TEXT",
    "build_distro": "TEXT",
    "start_time": "INTEGER",
    "watcher": "INTEGER",
    "platform_mask": "INTEGER",
}
_REGISTRY = {
    "registry": "TEXT",
    "name": "TEXT",
    "owner_uuid": "INTEGER",
    "internal": "INTEGER",
    "active": "INTEGER",
}
_TIME = {
    "weekday": "TEXT",
    "year": "INTEGER",
    "month": "INTEGER",
    "day": "INTEGER",
    "hour": "INTEGER",
    "minutes": "INTEGER",
    "seconds": "INTEGER",
    "timezone": "TEXT",
    "local_timezone": "TEXT",
    "unix_time": "INTEGER",
    "timestamp": "TEXT",
    "datetime": "TEXT",
    "iso_8601": "TEXT",
}


def _table(name: str, columns: Mapping[str, str], rows: Callable[[], Iterable[Row]]) -> Table:
    def read(_where: Where) -> Iterable[Row]:
        return rows()

    return Table(name, tuple(Column(*pair) for pair in columns.items()), read)


def _info(identity: Identity) -> Row:
    return {
        "pid": os.getpid(),
        "uuid": identity.uuid,
        "instance_id": identity.instance_id,
        "version": AGENT_VERSION,
        "config_hash": "",
        "config_valid": 1,
        "extensions": "inactive",
        "build_platform": identity.platform,
        "build_distro": "",
        "start_time": identity.started_at,
        "watcher": -1,
        "platform_mask": PLATFORM_MASKS[identity.platform],
    }


def _registry(names: Iterable[str]) -> Iterable[Row]:
    for name in sorted(names):
        yield {"registry": "table", "name": name, "owner_uuid": 0, "internal": 0, "active": 1}


def _time(now: float) -> Row:
    """Return the time in UTC, as osquery does since 4.6."""
    utc = time.gmtime(now)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", utc)
    return {
        "weekday": time.strftime("%A", utc),
        "year": utc.tm_year,
        "month": utc.tm_mon,
        "day": utc.tm_mday,
        "hour": utc.tm_hour,
        "minutes": utc.tm_min,
        "seconds": utc.tm_sec,
        "timezone": "UTC",
        "local_timezone": time.tzname[time.localtime(now).tm_isdst > 0],
        "unix_time": int(now),
        "timestamp": time.strftime("%a %b %e %H:%M:%S %Y UTC", utc),
        "datetime": stamp,
        "iso_8601": stamp,
    }

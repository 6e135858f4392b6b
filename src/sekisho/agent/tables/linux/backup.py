"""Table ``backup_jobs`` of Linux: the usual backup programs and their last success.

``last_success`` is NULL where that is not known (systemd forgets a service's result at a reboot).
Restores are not proven by it.
"""

import datetime as dt
import json
import re
from collections.abc import Iterator

from sekisho.agent.table import Row, Table, Unreadable
from sekisho.agent.tables.columns import BACKUP_JOBS
from sekisho.agent.tables.commands import Account, answer
from sekisho.agent.tables.host import Host, people

_UNITS = re.compile(r"(restic|borgmatic|borg|duplicity|kopia|rsnapshot|backup|deja-dup)", re.ASCII)
_PATTERNS = ("*restic*", "*borg*", "*duplicity*", "*kopia*", "*rsnapshot*", "*backup*")
_ENCRYPTING = frozenset({"restic", "kopia"})
_IGNORED = frozenset({"dpkg-db-backup"})
_SNAPSHOT = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d")


def tables(host: Host) -> tuple[Table, ...]:
    """Return the table over ``host``."""
    return (Table("backup_jobs", BACKUP_JOBS, lambda _: backup_jobs(host)),)


def backup_jobs(host: Host) -> Iterator[Row]:
    """Yield the backup jobs found; none where there is no backup program this agent knows."""
    yield from _timers(host, None)
    for account in people(host):
        if host.exists(f"/run/user/{account.uid}/systemd"):
            yield from _timers(host, account)
        yield from _deja_dup(host, account)
    yield from _timeshift(host)


def _timers(host: Host, account: Account | None) -> Iterator[Row]:
    if not host.exists("/run/systemd/system"):
        return
    kinds = [f"{pattern}.{kind}" for pattern in _PATTERNS for kind in ("timer", "service")]
    command = ["systemctl", *(["--user"] if account else []), "show", "--all", "--no-pager"]
    properties = "--property=Id,LoadState,ActiveState,Result,ExecMainExitTimestamp,Triggers"
    output = host.run([*command, "--timestamp=unix", properties, "--", *kinds], account=account)
    for row in parse_timers(answer(output, "systemctl")):
        yield {**row, "username": account.name if account else "root"}


def parse_timers(text: str) -> Iterator[Row]:
    """Yield a row for each backup timer of ``systemctl show --timestamp=unix`` with its service."""
    blocks = [dict(p.partition("=")[::2] for p in b.splitlines()) for b in text.split("\n\n")]
    services = {block.get("Id", ""): block for block in blocks}
    for block in blocks:
        name, dot, kind = block.get("Id", "").rpartition(".")
        found = _UNITS.search(name)
        if not dot or kind != "timer" or not found or name in _IGNORED:
            continue
        service = services.get(block.get("Triggers") or f"{name}.service", {})
        tool = found.group(1)
        yield {
            "tool": tool,
            "enabled": int(block.get("ActiveState") == "active"),
            "last_success": _finished(service),
            "encrypted": 1 if tool in _ENCRYPTING else None,
        }


def _finished(service: dict[str, str]) -> int | None:
    stamp = service.get("ExecMainExitTimestamp", "").removeprefix("@")
    return int(stamp) if service.get("Result") == "success" and stamp.isdecimal() else None


def _deja_dup(host: Host, account: Account) -> Iterator[Row]:
    if not host.exists("/usr/bin/deja-dup"):
        return
    values = {}
    for key in ("periodic", "last-backup"):
        output = host.run(["gsettings", "get", "org.gnome.DejaDup", key], account=account)
        values[key] = answer(output, "gsettings").strip().strip("'")
    if values["periodic"] != "true" and not values["last-backup"]:
        return  # installed with the desktop, never set up
    yield {
        "tool": "deja-dup",
        "username": account.name,
        "enabled": int(values["periodic"] == "true"),
        "last_success": parse_time(values["last-backup"]),
    }


def parse_time(text: str) -> int | None:
    """Return an ISO 8601 time as seconds since 1970; ``None`` if there is none."""
    try:
        return int(dt.datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError):
        return None


def _timeshift(host: Host) -> Iterator[Row]:
    text = host.text("/etc/timeshift/timeshift.json")
    if text is None:
        return
    try:
        settings = json.loads(text)
        planned = [k for k, v in settings.items() if k.startswith("schedule_") and v == "true"]
    except (ValueError, AttributeError) as error:
        raise Unreadable(f"/etc/timeshift/timeshift.json is broken: {error}") from None
    taken = [n for n in host.names("/timeshift/snapshots") if _SNAPSHOT.fullmatch(n)]
    yield {
        "tool": "timeshift",
        "username": "root",
        "enabled": int(bool(planned)),
        "last_success": _snapshot_time(taken[-1]) if taken else None,
        "encrypted": None,
    }


def _snapshot_time(name: str) -> int | None:
    """Return the seconds since 1970 of a snapshot's name, which is in local time."""
    day, _, clock = name.partition("_")
    return parse_time(f"{day}T{clock.replace('-', ':')}")

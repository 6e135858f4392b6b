"""Time Machine as osquery's tables and as a row of ``backup_jobs``."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from sekisho.agent.table import Row, Table
from sekisho.agent.tables.columns import (
    BACKUP_JOBS,
    TIME_MACHINE_BACKUPS,
    TIME_MACHINE_DESTINATIONS,
)
from sekisho.agent.tables.host import Host
from sekisho.agent.tables.macos import plists

_SETTINGS = "/Library/Preferences/com.apple.TimeMachine.plist"


def tables(host: Host) -> tuple[Table, ...]:
    """Return the three tables over ``host``. The file needs Full Disk Access to be read."""
    return (
        Table(
            "time_machine_destinations",
            TIME_MACHINE_DESTINATIONS,
            lambda _: destination_rows(_settings(host)),
        ),
        Table("time_machine_backups", TIME_MACHINE_BACKUPS, lambda _: dates(_settings(host))),
        Table("backup_jobs", BACKUP_JOBS, lambda _: job_rows(_settings(host))),
    )


def _settings(host: Host) -> Mapping[str, Any]:
    return plists.read(host, _SETTINGS) or {}


def _destinations(settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = settings.get("Destinations")
    return [d for d in found if isinstance(d, dict)] if isinstance(found, list) else []


def _snapshots(destination: Mapping[str, Any]) -> list[int]:
    found = destination.get("SnapshotDates")
    return [plists.seconds(d) for d in found or [] if isinstance(d, dt.datetime)]


def destination_rows(settings: Mapping[str, Any]) -> Iterator[Row]:
    """Yield where Time Machine writes to."""
    for found in _destinations(settings):
        scanned = found.get("ConsistencyScanDate")
        yield {
            "destination_id": found.get("DestinationID"),
            "root_volume_uuid": found.get("RootVolumeUUID"),
            "bytes_available": found.get("BytesAvailable"),
            "bytes_used": found.get("BytesUsed"),
            "encryption": found.get("LastKnownEncryptionState"),
            "consistency_scan_date": (
                plists.seconds(scanned) if isinstance(scanned, dt.datetime) else None
            ),
        }


def dates(settings: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the backups that are kept, one row each."""
    for found in _destinations(settings):
        for date in _snapshots(found):
            yield {"destination_id": found.get("DestinationID"), "backup_date": date}


def job_rows(settings: Mapping[str, Any]) -> Iterator[Row]:
    """Yield Time Machine once for each destination."""
    for found in _destinations(settings):
        state = found.get("LastKnownEncryptionState")
        yield {
            "tool": "time_machine",
            "username": "root",
            "enabled": int(bool(settings.get("AutoBackup", False))),
            "last_success": max(_snapshots(found), default=None),
            "encrypted": None if state is None else int(state == "Encrypted"),
        }

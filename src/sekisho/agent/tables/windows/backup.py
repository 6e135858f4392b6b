"""Table ``backup_jobs`` of Windows: File History of each person, and Windows Backup."""

from collections.abc import Iterator

from sekisho.agent.table import Row, Table
from sekisho.agent.tables.columns import BACKUP_JOBS
from sekisho.agent.tables.commands import Run
from sekisho.agent.tables.windows.powershell import Answer, ask
from sekisho.agent.tables.windows.registry import Registry, expand

_FILE_HISTORY = r"Software\Microsoft\Windows\CurrentVersion\FileHistory"
_FILE_HISTORY_OFF = r"HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\Windows\FileHistory"
_FILETIME_EPOCH = 11_644_473_600
# Event 4 of Microsoft-Windows-Backup: the backup finished successfully.
_LAST_BACKUP = r"""$(try {
 Get-WinEvent -FilterHashtable @{LogName='Microsoft-Windows-Backup';Id=4} -MaxEvents 1 |
  ForEach-Object {[pscustomobject]@{
   finished=([DateTimeOffset]$_.TimeCreated).ToUnixTimeSeconds()}}
} catch {
 if ($_.FullyQualifiedErrorId -notlike 'NoMatching*') { throw } })"""


def tables(registry: Registry, run: Run) -> tuple[Table, ...]:
    """Return the table."""
    return (Table("backup_jobs", BACKUP_JOBS, lambda _: backup_jobs(registry, run)),)


def backup_jobs(registry: Registry, run: Run) -> Iterator[Row]:
    """Yield the backups set up on this computer."""
    yield from file_history(registry)
    yield from image_backup(ask(run, _LAST_BACKUP))


def file_history(registry: Registry) -> Iterator[Row]:
    """Yield File History for each loaded profile that uses it.

    ``ProtectedUpToTime`` (a FILETIME) says up to when every changed file has a copy.
    """
    policy = registry(_FILE_HISTORY_OFF)
    disabled = policy is not None and policy.text("Disabled") == "1"
    for pattern in ("S-1-5-21-%", "S-1-12-1-%"):
        for path in expand(registry, rf"HKEY_USERS\{pattern}\{_FILE_HISTORY}"):
            key = registry(path)
            until = key.value("ProtectedUpToTime") if key else None
            if isinstance(until, int):
                yield {
                    "tool": "file_history",
                    "username": path.split("\\")[1],
                    "enabled": int(not disabled),
                    "last_success": until // 10_000_000 - _FILETIME_EPOCH,
                }


def image_backup(objects: list[Answer]) -> Iterator[Row]:
    """Yield Windows Backup if it ever finished on this computer."""
    for found in objects:
        yield {
            "tool": "windows_backup",
            "username": "SYSTEM",
            "enabled": 1,
            "last_success": found.get("finished"),
        }

"""Tables ``users``, ``groups``, ``user_groups`` and ``logged_in_users`` of Windows.

Accounts are told apart by their security identifiers (SID), never by names, which are localized.
As in osquery a uid or gid is the SID's last number.
"""

from collections.abc import Callable, Iterator

from sekisho.agent.table import Row, Table
from sekisho.agent.tables.columns import GROUPS, LOGGED_IN_USERS, USER_GROUPS, USERS
from sekisho.agent.tables.commands import Run
from sekisho.agent.tables.windows.api import sessions
from sekisho.agent.tables.windows.powershell import Answer, ask
from sekisho.agent.tables.windows.registry import Registry

_PROFILES = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList"
_ACCOUNTS = (
    "Get-CimInstance Win32_UserAccount -Filter 'LocalAccount=True' |"
    " Select-Object Name,SID,FullName,Description"
)
_GROUPS = (
    "Get-CimInstance Win32_Group -Filter 'LocalAccount=True' | Select-Object Name,SID,Description"
)
_MEMBERS = r"""$(
 $computer = [ADSI]'WinNT://.,computer'
 $computer.Children | Where-Object { $_.SchemaClassName -eq 'Group' } | ForEach-Object {
  $group = New-Object Security.Principal.SecurityIdentifier($_.objectSid.Value, 0)
  foreach ($member in @($_.Invoke('Members'))) {
   $sid = $member.GetType().InvokeMember('objectSid', 'GetProperty', $null, $member, $null)
   [pscustomobject]@{Group=$group.Value;
    Member=(New-Object Security.Principal.SecurityIdentifier($sid, 0)).Value} } })"""
_STATES = {
    0: "active",
    1: "connected",
    2: "connectquery",
    3: "shadow",
    4: "disconnected",
    5: "idle",
}
Sessions = Callable[[], list[tuple[int, int, str, str]]]


def tables(registry: Registry, run: Run, listed: Sessions = sessions) -> tuple[Table, ...]:
    """Return the four tables; ``listed`` gives the terminal sessions."""
    return (
        Table("users", USERS, lambda _: user_rows(ask(run, _ACCOUNTS), registry)),
        Table("groups", GROUPS, lambda _: group_rows(ask(run, _GROUPS))),
        Table("user_groups", USER_GROUPS, lambda _: member_rows(ask(run, _MEMBERS))),
        Table("logged_in_users", LOGGED_IN_USERS, lambda _: session_rows(listed())),
    )


def last_number(sid: str) -> int | None:
    """Return the last number of a SID (its relative identifier), ``None`` if it has none."""
    number = sid.rpartition("-")[2]
    return int(number) if number.isdecimal() else None


def profiles(registry: Registry) -> dict[str, str]:
    """Return the home folder of each SID that has a profile on this computer."""
    listed = registry(_PROFILES)
    homes = {}
    for sid in listed.subkeys if listed else ():
        key = registry(f"{_PROFILES}\\{sid}")
        if key is not None and key.text("ProfileImagePath"):
            homes[sid] = key.text("ProfileImagePath")
    return homes


def user_rows(objects: list[Answer], registry: Registry) -> Iterator[Row]:
    """Yield the local accounts, and the domain's that have a profile here."""
    homes = profiles(registry)
    local = {str(found.get("SID")): found for found in objects}
    for sid in sorted({*local, *(s for s in homes if s.startswith("S-1-5-21-"))}):
        found = local.get(sid, {})
        home = homes.get(sid, "")
        yield {
            "uid": last_number(sid),
            "uid_signed": last_number(sid),
            "username": found.get("Name") or home.rpartition("\\")[2],
            "description": found.get("Description"),
            "directory": home,
            "shell": r"C:\Windows\system32\cmd.exe",
            "uuid": sid,
            "type": "local" if sid in local else "roaming",
        }


def group_rows(objects: list[Answer]) -> Iterator[Row]:
    """Yield the local groups with their SIDs."""
    for found in objects:
        sid = str(found.get("SID"))
        yield {
            "gid": last_number(sid),
            "gid_signed": last_number(sid),
            "groupname": found.get("Name"),
            "group_sid": sid,
            "comment": found.get("Description"),
        }


def member_rows(objects: list[Answer]) -> Iterator[Row]:
    """Yield who belongs to which local group (direct members)."""
    for found in objects:
        uid, gid = last_number(str(found.get("Member"))), last_number(str(found.get("Group")))
        if uid is not None and gid is not None:
            yield {"uid": uid, "gid": gid}


def session_rows(listed: list[tuple[int, int, str, str]]) -> Iterator[Row]:
    """Yield the sessions somebody has (WTS_CONNECTSTATE_CLASS gives the type)."""
    for number, state, station, user in listed:
        if user:
            yield {
                "type": _STATES.get(state, "unknown"),
                "user": user,
                "tty": station or str(number),
                "host": "",
            }

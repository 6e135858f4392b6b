"""Tables ``users``, ``groups``, ``user_groups`` and ``logged_in_users`` of macOS, by ``dscl``."""

from collections.abc import Iterator, Mapping
from typing import Any

from sekisho.agent.table import Row, Table, Unreadable
from sekisho.agent.tables.columns import GROUPS, LOGGED_IN_USERS, USER_GROUPS, USERS
from sekisho.agent.tables.commands import answer
from sekisho.agent.tables.host import MACOS_HUMAN_UID, Host
from sekisho.agent.tables.macos import plists

_PREFIX = "dsAttrTypeStandard:"
_USER_FIELDS = (
    "RecordName",
    "UniqueID",
    "PrimaryGroupID",
    "RealName",
    "NFSHomeDirectory",
    "UserShell",
    "GeneratedUID",
    "IsHidden",
)
_GROUP_FIELDS = ("RecordName", "PrimaryGroupID", "GroupMembership", "RealName")
_WHO_FIELDS = 4
Record = Mapping[str, Any]


def tables(host: Host) -> tuple[Table, ...]:
    """Return the four tables over ``host``."""
    return (
        Table("users", USERS, lambda _: user_rows(_records(host, "/Users", _USER_FIELDS))),
        Table("groups", GROUPS, lambda _: group_rows(_records(host, "/Groups", _GROUP_FIELDS))),
        Table(
            "user_groups",
            USER_GROUPS,
            lambda _: member_rows(
                _records(host, "/Users", _USER_FIELDS), _records(host, "/Groups", _GROUP_FIELDS)
            ),
        ),
        Table("logged_in_users", LOGGED_IN_USERS, lambda _: logged_in_users(host)),
    )


def _records(host: Host, kind: str, fields: tuple[str, ...]) -> list[Record]:
    command = ["/usr/bin/dscl", "-plist", ".", "-readall", kind, *fields]
    found = plists.from_command(host.run(command), "dscl")
    if not isinstance(found, list):
        raise Unreadable("dscl gave a property list that is not a list of records")
    return [record for record in found if isinstance(record, dict)]


def _first(record: Record, field: str) -> str:
    """Return the first value of a field, which dscl gives as a list with or without its prefix."""
    values = record.get(_PREFIX + field) or record.get("dsAttrTypeNative:" + field) or [""]
    return str(values[0]) if isinstance(values, list) else str(values)


def _number(record: Record, field: str) -> int | None:
    text = _first(record, field)
    return int(text) if text.removeprefix("-").isdecimal() else None


def _unsigned(number: int) -> int:
    return number & 0xFFFFFFFF


def user_rows(records: list[Record]) -> Iterator[Row]:
    """Yield the local accounts."""
    for record in records:
        uid, gid = _number(record, "UniqueID"), _number(record, "PrimaryGroupID")
        if uid is None or gid is None:
            continue
        yield {
            "uid": _unsigned(uid),
            "gid": _unsigned(gid),
            "uid_signed": uid,
            "gid_signed": gid,
            "username": _first(record, "RecordName"),
            "description": _first(record, "RealName"),
            "directory": _first(record, "NFSHomeDirectory"),
            "shell": _first(record, "UserShell"),
            "uuid": _first(record, "GeneratedUID"),
            "is_hidden": int(_first(record, "IsHidden").lower() in ("1", "yes", "true")),
        }


def group_rows(records: list[Record]) -> Iterator[Row]:
    """Yield the local groups."""
    for record in records:
        gid = _number(record, "PrimaryGroupID")
        if gid is not None:
            yield {
                "gid": _unsigned(gid),
                "gid_signed": gid,
                "groupname": _first(record, "RecordName"),
                "comment": _first(record, "RealName"),
            }


def member_rows(people: list[Record], groups: list[Record]) -> Iterator[Row]:
    """Yield who belongs to which group: the own group, and the groups' lists of names."""
    uids = {str(row["username"]): row["uid"] for row in user_rows(people)}
    pairs = {(row["uid"], row["gid"]) for row in user_rows(people)}
    for record in groups:
        gid = _number(record, "PrimaryGroupID")
        members = record.get(_PREFIX + "GroupMembership") or []
        if gid is not None:
            pairs.update((uids[name], _unsigned(gid)) for name in members if name in uids)
    for uid, group in sorted(pairs, key=str):
        yield {"uid": uid, "gid": group}


def homes(host: Host) -> Iterator[tuple[int, str]]:
    """Yield (uid, home) of the people this agent reads for: all as root, else its own user."""
    for row in user_rows(_records(host, "/Users", _USER_FIELDS)):
        uid = int(str(row["uid_signed"]))
        if uid == host.uid or (host.is_root and uid > MACOS_HUMAN_UID):
            yield uid, str(row["directory"])


def logged_in_users(host: Host) -> Iterator[Row]:
    """Yield who is logged in (``who``): the console is type ``active``, as on the other systems."""
    for line in answer(host.run(["/usr/bin/who"]), "who").splitlines():
        words = line.split()
        if len(words) >= _WHO_FIELDS:
            yield {
                "type": "active" if words[1] == "console" else "user",
                "user": words[0],
                "tty": words[1],
                "host": words[-1].strip("()") if words[-1].startswith("(") else "",
            }

"""Tables ``users``, ``groups``, ``user_groups`` and ``logged_in_users`` of Linux."""

import struct
from collections.abc import Iterator

from sekisho.agent.table import Row, Table, Unreadable, Where
from sekisho.agent.tables.columns import GROUPS, LOGGED_IN_USERS, USER_GROUPS, USERS
from sekisho.agent.tables.host import Host
from sekisho.agent.tables.linux.system import parse_assignments
from sekisho.agent.tables.numerals import number
from sekisho.agent.tables.patterns import asked_for

_UTMP = struct.Struct("<hxxi32s4s32s256shhiii16s20x")  # utmp(5) of glibc on 64-bit Linux
_UTMP_TYPES = {
    1: "runlevel",
    2: "boot_time",
    3: "new_time",
    4: "old_time",
    5: "init",
    6: "login",
    7: "user",
    8: "dead",
    9: "acct",
}
_PASSWD_FIELDS = 7
_GROUP_FIELDS = 4


def tables(host: Host) -> tuple[Table, ...]:
    """Return the four tables over ``host``."""
    return (
        Table("users", USERS, lambda where: users(host, where), frozenset({"uid"})),
        Table("groups", GROUPS, lambda _: groups(host)),
        Table("user_groups", USER_GROUPS, lambda _: user_groups(host)),
        Table("logged_in_users", LOGGED_IN_USERS, lambda _: logged_in_users(host)),
    )


def parse_passwd(text: str) -> Iterator[Row]:
    """Yield a row of ``users`` for each whole line of passwd(5); torn lines are passed over."""
    for line in text.splitlines():
        parts = line.split(":")
        if len(parts) != _PASSWD_FIELDS or not _numbers(parts[2], parts[3]):
            continue
        uid, gid = int(parts[2]), int(parts[3])
        yield {
            "uid": uid,
            "gid": gid,
            "uid_signed": _signed(uid),
            "gid_signed": _signed(gid),
            "username": parts[0],
            "description": parts[4],
            "directory": parts[5],
            "shell": parts[6],
            "uuid": "",
        }


def parse_group(text: str) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Yield (gid, name, members) for each whole line of group(5)."""
    for line in text.splitlines():
        parts = line.split(":")
        if len(parts) == _GROUP_FIELDS and _numbers(parts[2]):
            yield int(parts[2]), parts[0], tuple(m for m in parts[3].split(",") if m)


def _numbers(*words: str) -> bool:
    return all(word.isascii() and word.isdecimal() for word in words)


def _signed(number: int) -> int:
    """Return an id as a signed 32-bit number, as Apple and osquery show it."""
    return number - (1 << 32) if number >= 1 << 31 else number


def _must(host: Host, path: str) -> str:
    text = host.text(path)
    if text is None:
        raise Unreadable(f"{path} does not exist")
    return text


def users(host: Host, where: Where) -> Iterator[Row]:
    """Yield the local accounts."""
    for row in parse_passwd(_must(host, "/etc/passwd")):
        if asked_for(where, "uid", str(row["uid"])):
            yield row


def groups(host: Host) -> Iterator[Row]:
    """Yield the local groups."""
    for gid, name, _ in parse_group(_must(host, "/etc/group")):
        yield {"gid": gid, "gid_signed": _signed(gid), "groupname": name}


def user_groups(host: Host) -> Iterator[Row]:
    """Yield who belongs to which group: by the account's own group and by the lists of members."""
    accounts = list(parse_passwd(_must(host, "/etc/passwd")))
    uids = {str(row["username"]): row["uid"] for row in accounts}
    pairs = {(row["uid"], row["gid"]) for row in accounts}
    for group, _, members in parse_group(_must(host, "/etc/group")):
        pairs.update((uids[name], group) for name in members if name in uids)
    for uid, gid in sorted(pairs, key=str):
        yield {"uid": uid, "gid": gid}


def parse_utmp(data: bytes) -> Iterator[Row]:
    """Yield a row of ``logged_in_users`` for each whole record of utmp(5)."""
    whole = len(data) - len(data) % _UTMP.size
    for fields in _UTMP.iter_unpack(data[:whole]):
        kind, pid, line, _, user, remote = fields[:6]
        if kind not in _UTMP_TYPES:
            continue
        yield {
            "type": _UTMP_TYPES[kind],
            "user": _text(user),
            "tty": _text(line),
            "host": _text(remote),
            "time": fields[9],
            "pid": pid,
        }


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", errors="replace")


def logged_in_users(host: Host) -> Iterator[Row]:
    """Yield who is logged in: from utmp, or from logind where utmp is no longer kept."""
    for path in ("/run/utmp", "/var/run/utmp"):
        data = host.read(path)
        if data is not None:
            yield from parse_utmp(data)
            return
    if not host.exists("/run/systemd/sessions"):
        raise Unreadable("neither /run/utmp nor /run/systemd/sessions exists")
    for name in host.names("/run/systemd/sessions"):
        if not name.endswith(".ref"):
            yield from _session(host.text(f"/run/systemd/sessions/{name}") or "")


def _session(text: str) -> Iterator[Row]:
    facts = parse_assignments(text)
    if facts.get("CLASS", "user") != "user":
        return
    yield {
        "type": "user",
        "user": facts.get("USER", ""),
        "tty": facts.get("TTY", facts.get("DISPLAY", "")),
        "host": facts.get("REMOTE_HOST", ""),
        "time": number(facts.get("REALTIME") or "0") // 1_000_000,
        "pid": number(facts.get("LEADER") or "0"),
    }

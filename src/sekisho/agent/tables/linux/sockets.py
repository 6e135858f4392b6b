"""Table ``listening_ports`` of Linux, from ``/proc/net`` (no root needed).

Protocol and family are the numbers of the system's headers, as in osquery: 6 TCP, 17 UDP; 2 IPv4,
10 IPv6. Which process listens is only seen for the agent's own user unless the agent is root; the
pid is then -1. Sockets of the UNIX family are not listed: nobody reaches them over a network.
"""

import os
import socket
from collections.abc import Iterator

from sekisho.agent.table import Row, Table, Unreadable
from sekisho.agent.tables.columns import LISTENING_PORTS
from sekisho.agent.tables.host import Host
from sekisho.agent.tables.numerals import number

_SOURCES = (
    ("/proc/net/tcp", 6, 2),
    ("/proc/net/tcp6", 6, 10),
    ("/proc/net/udp", 17, 2),
    ("/proc/net/udp6", 17, 10),
)
_TCP = 6
_LISTEN = "0A"  # TCP_LISTEN of include/net/tcp_states.h
_FIELDS = 10


def tables(host: Host) -> tuple[Table, ...]:
    """Return the table over ``host``."""
    return (Table("listening_ports", LISTENING_PORTS, lambda _: listening_ports(host)),)


def parse_sockets(text: str, protocol: int, family: int) -> Iterator[Row]:
    """Yield a row for each listening socket of a ``/proc/net`` table (proc_pid_net(5)).

    A UDP socket listens if it is not connected to a remote port.
    """
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < _FIELDS:
            raise Unreadable(f"/proc/net has a line that is not a socket: {line[:60]!r}")
        remote_port = number(fields[2].rpartition(":")[2], 16)
        listens = fields[3] == _LISTEN if protocol == _TCP else remote_port == 0
        if listens:
            address, _, port = fields[1].rpartition(":")
            yield {
                "port": number(port, 16),
                "protocol": protocol,
                "family": family,
                "address": parse_address(address),
                "socket": number(fields[9]),
            }


def parse_address(text: str) -> str:
    """Turn the kernel's hexadecimal address (native 32-bit words) into its usual form."""
    try:
        words = bytes.fromhex(text)
    except ValueError:
        words = b""
    if len(words) not in (4, 16):
        raise Unreadable(f"/proc/net has an address that is none: {text[:40]!r}")
    packed = b"".join(words[i : i + 4][::-1] for i in range(0, len(words), 4))
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)  # noqa: PLR2004 - bytes of an IPv4 address


def listening_ports(host: Host) -> Iterator[Row]:
    """Yield the listening sockets of the agent's own network namespace."""
    if host.text("/proc/net/tcp") is None:
        raise Unreadable("/proc/net/tcp does not exist; is /proc mounted?")
    found = [
        row
        for path, protocol, family in _SOURCES
        for row in parse_sockets(host.text(path) or "", protocol, family)
    ]
    owners = _owners(host, {int(str(row["socket"])) for row in found})
    for row in found:
        pid, descriptor = owners.get(int(str(row["socket"])), (-1, -1))
        yield {**row, "pid": pid, "fd": descriptor, "path": ""}


def _owners(host: Host, inodes: set[int]) -> dict[int, tuple[int, int]]:
    """Return which process (and file descriptor) holds which socket, as far as it can be seen."""
    owners: dict[int, tuple[int, int]] = {}
    wanted = {f"socket:[{inode}]": inode for inode in inodes if inode}
    for pid in (name for name in host.names("/proc") if name.isdecimal()):
        if len(owners) == len(wanted):
            break
        for descriptor, target in _descriptors(str(host.path(f"/proc/{pid}/fd"))):
            inode = wanted.get(target)
            if inode is not None:
                owners.setdefault(inode, (int(pid), int(descriptor)))
    return owners


def _descriptors(folder: str) -> Iterator[tuple[str, str]]:
    """Yield the open files of a process; none for another user's or one that has just ended."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - there are tens of thousands; twice as fast
    except OSError:
        return
    for name in names:
        try:
            yield name, os.readlink(f"{folder}/{name}")  # noqa: PTH115 - as above
        except OSError:
            continue  # closed meanwhile

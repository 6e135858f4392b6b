"""Processes, listening ports and addresses through psutil, for Windows and macOS.

psutil is imported when a row is asked for: Linux reads ``/proc`` itself and saves its 4 MB.
"""

import socket
from collections.abc import Iterator

from sekisho.agent.table import Row, Unreadable, Where
from sekisho.agent.tables.patterns import wanted

_PROTOCOLS = {socket.SOCK_STREAM: 6, socket.SOCK_DGRAM: 17}


def running(where: Where) -> Iterator[Row]:
    """Yield the running processes; what is kept from this user stays NULL."""
    import psutil  # noqa: PLC0415 - see above

    asked = [int(pid) for pid in wanted(where, "pid") if pid.isdecimal()]
    listed = asked or psutil.pids()
    for pid in listed:
        try:
            process = psutil.Process(pid)
            row = {"pid": pid, "name": process.name(), "parent": process.ppid()}
            yield {**row, **_details(process)}
        except psutil.NoSuchProcess:
            continue
        except psutil.AccessDenied:
            yield {"pid": pid, "name": "", "on_disk": -1}


def _details(process: "object") -> Row:
    import psutil  # noqa: PLC0415 - see above

    if not isinstance(process, psutil.Process):
        return {}
    try:
        with process.oneshot():
            memory, times = process.memory_info(), process.cpu_times()
            return {
                "path": process.exe(),
                "cmdline": " ".join(process.cmdline()),
                "resident_size": memory.rss,
                "total_size": memory.vms,
                "user_time": int(times.user * 1000),
                "system_time": int(times.system * 1000),
                "start_time": int(process.create_time()),
                "threads": process.num_threads(),
                "on_disk": 1,
            }
    except psutil.AccessDenied:
        return {"on_disk": -1}


def listening() -> Iterator[Row]:
    """Yield the listening sockets; macOS tells them to root alone."""
    import psutil  # noqa: PLC0415 - see above

    try:
        found = psutil.net_connections(kind="inet")
    except psutil.AccessDenied:
        raise Unreadable("the listening ports of others are shown to root alone") from None
    for connection in found:
        protocol = _PROTOCOLS.get(socket.SocketKind(connection.type), 0)
        if connection.laddr and (connection.status == "LISTEN" or _open_udp(connection, protocol)):
            yield {
                "pid": connection.pid or -1,
                "port": connection.laddr.port,
                "protocol": protocol,
                "family": int(connection.family),
                "address": connection.laddr.ip,
                "fd": connection.fd,
                "path": "",
            }


def _open_udp(connection: "object", protocol: int) -> bool:
    return protocol == _PROTOCOLS[socket.SOCK_DGRAM] and not getattr(connection, "raddr", ())


def addresses() -> Iterator[Row]:
    """Yield the IP addresses of the network interfaces."""
    import psutil  # noqa: PLC0415 - see above

    for interface, found in psutil.net_if_addrs().items():
        for address in found:
            if address.family in (socket.AF_INET, socket.AF_INET6):
                yield {
                    "interface": interface,
                    "address": address.address.partition("%")[0],
                    "mask": address.netmask or "",
                    "broadcast": address.broadcast or "",
                    "point_to_point": address.ptp or "",
                    "type": "unknown",
                    "friendly_name": interface,
                }

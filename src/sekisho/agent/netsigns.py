"""Signs of network settings on Linux: the listening sockets, the firewall's generation.

Asked of the kernel over netlink, which costs microseconds; walking ``/proc/net/tcp`` visits the
kernel's whole table of connections and costs milliseconds.
"""

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

Sign = object

_SOCK_DIAG, _NETFILTER = 4, 12
_DUMP = 0x301
_DONE, _ERROR = 3, 2
_HEADER = struct.Struct("=IHHII")
_LISTEN_HEX = "0A"
# As /proc writes them on little-endian machines: each 32-bit word with its bytes turned round.
_LOOPBACK_HEX = ("0100007F:", "00000000000000000000000001000000:")
_LOOPBACK_6 = bytes(15) + b"\1"
_STATE_COLUMN = 3
_LOCAL_COLUMN = 1
_LISTEN_BIT = 1 << 10
_ID_START, _ID_LENGTH = 4, 2 + 2 + 16
_MAX_DATAGRAMS = 200


def read_listening_sign(folder: Path) -> Sign:
    """Return the TCP sockets that listen beyond loopback; ``folder``: ``/proc/net`` or a copy.

    Programs open and close loopback listeners all the time, and no rule is about those.
    """
    if folder != Path("/proc/net"):
        return parse_listening(folder)
    try:
        return frozenset(_ask_listening(socket.AF_INET)) | frozenset(
            _ask_listening(socket.AF_INET6)
        )
    except (OSError, ValueError, AttributeError):
        return parse_listening(folder)


def parse_listening(folder: Path) -> Sign:
    """Return the local addresses of listening sockets in ``tcp`` and ``tcp6`` of a folder."""
    found: set[str] = set()
    for name in ("tcp", "tcp6"):
        try:
            lines = (folder / name).read_text(encoding="ascii").splitlines()[1:]
        except FileNotFoundError:
            continue
        rows = (line.split() for line in lines)
        found |= {row[_LOCAL_COLUMN] for row in rows if row[_STATE_COLUMN] == _LISTEN_HEX}
    return frozenset(address for address in found if not address.startswith(_LOOPBACK_HEX))


def is_loopback(family: int, address: bytes) -> bool:
    """Say whether the 16 bytes of a local address are 127.0.0.0/8 or ::1."""
    return address[0] == 127 if family == socket.AF_INET else address == _LOOPBACK_6  # noqa: PLR2004 - 127/8


def _ask_listening(family: int) -> Iterator[bytes]:
    """Yield family and local end of each listening TCP socket.

    Source: sock_diag(7), ``inet_diag_req_v2`` with the state mask of TCP_LISTEN alone.
    """
    request = struct.pack("=BBBBI48x", family, socket.IPPROTO_TCP, 0, 0, _LISTEN_BIT)
    header = _HEADER.pack(_HEADER.size + len(request), 20, _DUMP, 1, 0)
    with _netlink(_SOCK_DIAG) as kernel:
        kernel.send(header + request)
        for _ in range(_MAX_DATAGRAMS):
            for kind, payload in split_messages(kernel.recv(1 << 16)):
                if kind == _DONE:
                    return
                if kind == _ERROR:
                    raise ValueError("the kernel refused to list its sockets")
                local = payload[_ID_START : _ID_START + _ID_LENGTH]
                if not is_loopback(family, local[4:]):
                    yield bytes((family,)) + local[:2] + local[4:]
    raise ValueError("the kernel's list of sockets has no end")


def split_messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (type, payload) of each netlink message; a torn one raises ``ValueError``."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind = _HEADER.unpack_from(data, offset)[:2]
        if length < _HEADER.size or offset + length > len(data):
            raise ValueError("a netlink message is torn")
        yield kind, data[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3


def _netlink(protocol: int) -> socket.socket:
    family = getattr(socket, "AF_NETLINK", None)
    if family is None:
        raise OSError("netlink exists on Linux only")
    opened = socket.socket(family, socket.SOCK_RAW, protocol)
    opened.settimeout(1)
    return opened


def read_nftables_sign() -> Sign:
    """Return the generation number of the nftables rules (changes with every rule change).

    Source: Linux ``nf_tables.h``: NFT_MSG_GETGEN (16) of subsystem 10 over NETLINK_NETFILTER (12);
    the answer's first attribute is NFTA_GEN_ID, 32 bits, big-endian. Needs CAP_NET_ADMIN.
    """
    request = struct.pack("=IHHII", 20, (10 << 8) | 16, 1, 1, 0) + b"\0\0\0\0"
    with _netlink(_NETFILTER) as kernel:
        kernel.send(request)
        return parse_generation(kernel.recv(4096))


def parse_generation(reply: bytes) -> Sign:
    """Take the generation number out of a netlink answer; raises ``ValueError`` for an error."""
    header, nfgen, attribute = 16, 4, 4
    kind = int.from_bytes(reply[4:6], "little")
    start = header + nfgen + attribute
    if len(reply) < start + 4 or kind != (10 << 8) | 15:
        raise ValueError("netlink did not answer with a generation")
    return int.from_bytes(reply[start : start + 4], "big")

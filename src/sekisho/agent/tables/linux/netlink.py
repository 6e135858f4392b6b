"""Asks the kernel for its network addresses over rtnetlink (rtnetlink(7)), without a command."""

import socket
import struct
from collections.abc import Iterator

from sekisho.agent.table import Row, Unreadable

_REQUEST = struct.Struct("=IHHIIBBBBI")  # nlmsghdr and ifaddrmsg in one
_HEADER = struct.Struct("=IHHII")
_ADDRESS = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_NEW_ADDRESS, _GET_ADDRESS = 20, 22
_DONE, _ERROR = 3, 2
_REQUEST_DUMP = 0x301
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST = 1, 2, 4
_RECEIVE = 1 << 16
_DATAGRAMS = 1000


def dump_addresses() -> bytes:
    """Return the kernel's whole answer to "all addresses": one message after another."""
    request = _REQUEST.pack(_REQUEST.size, _GET_ADDRESS, _REQUEST_DUMP, 1, 0, 0, 0, 0, 0, 0)
    answer = b""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
            kernel.settimeout(2.0)
            kernel.sendto(request, (0, 0))
            for _ in range(_DATAGRAMS):
                part = kernel.recv(_RECEIVE)
                answer += part
                if any(kind in (_DONE, _ERROR) for kind, _ in messages(part)):
                    break
    except OSError as error:
        raise Unreadable(f"the kernel gave no network addresses: {error}") from None
    return answer


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (type, payload) of each netlink message; a torn one raises ``Unreadable``."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind = _HEADER.unpack_from(data, offset)[:2]
        if length < _HEADER.size or offset + length > len(data):
            raise Unreadable("the kernel's list of network addresses is torn")
        yield kind, data[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3


def parse_addresses(data: bytes, names: dict[int, str]) -> Iterator[Row]:
    """Yield a row of ``interface_addresses`` per address; ``names`` gives interfaces by index."""
    for kind, payload in messages(data):
        if kind == _ERROR:
            raise Unreadable("the kernel refused to list network addresses")
        if kind != _NEW_ADDRESS:
            continue
        if len(payload) < _ADDRESS.size:
            raise Unreadable("the kernel's list of network addresses is torn")
        family, prefix, _, _, index = _ADDRESS.unpack_from(payload)
        if family not in (socket.AF_INET, socket.AF_INET6):
            continue
        found = dict(_attributes(payload[_ADDRESS.size :]))
        own = found.get(_IFA_LOCAL, found.get(_IFA_ADDRESS, b""))
        peer = found.get(_IFA_ADDRESS, b"")
        yield {
            "interface": names.get(index, str(index)),
            "address": _shown(family, own),
            "mask": _mask(family, prefix),
            "broadcast": _shown(family, found.get(_IFA_BROADCAST, b"")),
            "point_to_point": _shown(family, peer) if peer != own else "",
            "type": "unknown",
        }


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size:
            return
        yield kind, data[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3


def _bytes_of(family: int) -> int:
    return 4 if family == socket.AF_INET else 16


def _shown(family: int, packed: bytes) -> str:
    return socket.inet_ntop(family, packed) if len(packed) == _bytes_of(family) else ""


def _mask(family: int, prefix: int) -> str:
    size = _bytes_of(family)
    prefix = min(prefix, size * 8)
    bits = ((1 << prefix) - 1) << (size * 8 - prefix)
    return socket.inet_ntop(family, bits.to_bytes(size, "big"))

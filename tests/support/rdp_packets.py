"""Packets of RDP as clients and hosts write them, made apart from the code that reads them."""

import struct
from collections.abc import Sequence

SCREEN, USER, MESSAGE = 1003, 1007, 1008


def tpkt(body: bytes) -> bytes:
    return struct.pack(">BBH", 3, 0, len(body) + 7) + b"\x02\xf0\x80" + body


def _ber(tag: bytes, content: bytes) -> bytes:
    return tag + b"\x82" + struct.pack(">H", len(content)) + content


def _per(size: int) -> bytes:
    return struct.pack(">H", size | 0x8000) if size > 127 else bytes((size,))


def _block(kind: int, content: bytes) -> bytes:
    return struct.pack("<HH", kind, len(content) + 4) + content


def entry(name: str) -> bytes:
    return name.encode().ljust(8, b"\0") + b"\0\0\0\xc0"


def client_blocks(channels: Sequence[str] | None) -> bytes:
    made = _block(0xC001, bytes(12) + struct.pack("<I", 0x409) + bytes(200))
    made += _block(0xC004, bytes(8)) + _block(0xC00A, bytes(4))
    if channels is not None:
        count = struct.pack("<I", len(channels))
        made += _block(0xC003, count + b"".join(map(entry, channels)))
    return made


def initial(channels: Sequence[str] | None, blocks: bytes | None = None) -> bytes:
    """Return a Connect-Initial that asks for static channels."""
    settings = client_blocks(channels) if blocks is None else blocks
    request = bytes.fromhex("000800100001c000") + b"Duca" + _per(len(settings)) + settings
    gcc = bytes.fromhex("000500147c0001") + _per(len(request)) + request
    parts = b"\x04\x01\x01\x04\x01\x01\x01\x01\xff" + _ber(b"\x30", b"\x02\x01\x22") * 3
    return tpkt(_ber(b"\x7f\x65", parts + _ber(b"\x04", gcc)))


def response(channels: Sequence[int], message: int | None = MESSAGE) -> bytes:
    """Return a Connect-Response that grants static channels."""
    ids = struct.pack(f"<HH{len(channels)}H", SCREEN, len(channels), *channels)
    settings = _block(0x0C01, bytes(8)) + _block(0x0C03, ids + bytes(2 * (len(channels) % 2)))
    if message is not None:
        settings += _block(0x0C04, struct.pack("<H", message))
    inner = bytes.fromhex("14760a010100 01c000".replace(" ", "")) + b"McDn" + _per(len(settings))
    gcc = bytes.fromhex("000500147c0001") + _per(len(inner) + len(settings)) + inner + settings
    parts = b"\x0a\x01\x00\x02\x01\x00" + _ber(b"\x30", b"\x02\x01\x22")
    return tpkt(_ber(b"\x7f\x66", parts + _ber(b"\x04", gcc)))


def attached(user: int = USER) -> bytes:
    return tpkt(b"\x2e\x00" + struct.pack(">H", user - 1001))


def join(channel: int, user: int = USER) -> bytes:
    return tpkt(b"\x38" + struct.pack(">HH", user - 1001, channel))


def sent(channel: int, data: bytes, *, host: bool, user: int = USER) -> bytes:
    head = (b"\x68" if host else b"\x64") + struct.pack(">HH", user - 1001, channel)
    return tpkt(head + b"\x70" + struct.pack(">H", len(data) | 0x8000) + data)


def piece(body: bytes, flags: int = 3) -> bytes:
    return struct.pack("<II", len(body), flags) + body


def create(number: int, name: str) -> bytes:
    return piece(bytes((0x10, number)) + name.encode() + b"\0")


def data(number: int, content: bytes = b"x", flags: int = 3) -> bytes:
    return piece(bytes((0x30, number)) + content, flags)

"""The settings data of MCS Connect-Initial and Connect-Response ([MS-RDPBCGR] 2.2.1.3 and 2.2.1.4).

Every length is held against what contains it; what does not fit exactly is refused.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

INITIAL, RESPONSE = 101, 102
_APPLICATION = 0x7F
_OCTETS, _SEQUENCE, _BOOLEAN, _ENUMERATED, _INTEGER = 0x04, 0x30, 0x01, 0x0A, 0x02
_INITIAL_TAGS = (_OCTETS, _OCTETS, _BOOLEAN, _SEQUENCE, _SEQUENCE, _SEQUENCE, _OCTETS)
_RESPONSE_TAGS = (_ENUMERATED, _INTEGER, _SEQUENCE, _OCTETS)
_OBJECT = bytes.fromhex("000500147c0001")  # T.124's identifier, in PER
_CREATE = bytes.fromhex("000800100001c000")
_CLIENT_KEY, _SERVER_KEY = b"Duca", b"McDn"
_MOST_BLOCKS = 16

CORE, SECURITY, NETWORK, MULTITRANSPORT = 0xC001, 0xC002, 0xC003, 0xC00A
SERVER_NETWORK, SERVER_MESSAGE, SERVER_MULTITRANSPORT = 0x0C03, 0x0C04, 0x0C08
CHANNEL_SIZE = 12
MOST_CHANNELS = 31


class NotGccError(ValueError):
    """These are not the settings that were expected."""


@dataclass(frozen=True, slots=True)
class Block:
    """One block of settings: its type and its content without the head."""

    kind: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Channel:
    """A static channel as it is asked for: its name and the sixteen bytes of its entry."""

    name: str
    entry: bytes


Change = Callable[[Sequence[Block]], Sequence[Block]]


def change_initial(body: bytes, change: Change) -> bytes:
    """Return a Connect-Initial whose settings ``change`` has gone over; raise NotGccError."""
    parts = _parts(body, INITIAL, _INITIAL_TAGS)
    parts[-1] = (_OCTETS, _change_request(parts[-1][1], change))
    return _write_parts(INITIAL, parts)


def read_response(body: bytes) -> list[Block]:
    """Return the settings in a Connect-Response; raise NotGccError."""
    raw = _parts(body, RESPONSE, _RESPONSE_TAGS)[-1][1]
    place = raw.find(_SERVER_KEY)
    if not raw.startswith(_OBJECT) or not 0 < place < 40:  # noqa: PLR2004 - the fixed parts are shorter
        raise NotGccError("no conference response")
    size, start = _per_length(raw, place + len(_SERVER_KEY))
    if start + size != len(raw):
        raise NotGccError("the response has another length")
    return read_blocks(raw[start:])


def read_blocks(raw: bytes) -> list[Block]:
    """Read blocks that stand one behind another."""
    found: list[Block] = []
    place = 0
    while place < len(raw):
        kind = int.from_bytes(raw[place : place + 2], "little")
        size = int.from_bytes(raw[place + 2 : place + 4], "little")
        if size < 4 or place + size > len(raw) or len(found) >= _MOST_BLOCKS:  # noqa: PLR2004 - the head
            raise NotGccError("a block has another length")
        found.append(Block(kind, raw[place + 4 : place + size]))
        place += size
    if len({block.kind for block in found}) != len(found):
        raise NotGccError("a block comes twice")
    return found


def read_channels(block: Block) -> list[Channel]:
    """Read which static channels a client asks for."""
    count = int.from_bytes(block.content[:4], "little")
    if count > MOST_CHANNELS or len(block.content) != 4 + count * CHANNEL_SIZE:
        raise NotGccError("the list of channels has another length")
    entries = [block.content[4 + n * CHANNEL_SIZE :][:CHANNEL_SIZE] for n in range(count)]
    return [Channel(_name(entry), entry) for entry in entries]


def write_channels(channels: Sequence[Channel]) -> Block:
    """Write a list of static channels."""
    entries = b"".join(channel.entry for channel in channels)
    return Block(NETWORK, len(channels).to_bytes(4, "little") + entries)


def read_granted(block: Block) -> tuple[int, list[int]]:
    """Return the I/O channel and the static channels that a host grants, in order."""
    count = int.from_bytes(block.content[2:4], "little")
    wanted = 4 + 2 * count + (2 if count % 2 else 0)
    if len(block.content) not in {4 + 2 * count, wanted} or count > MOST_CHANNELS:
        raise NotGccError("the list of channels has another length")
    ids = [int.from_bytes(block.content[4 + 2 * n :][:2], "little") for n in range(count)]
    return int.from_bytes(block.content[:2], "little"), ids


def _name(entry: bytes) -> str:
    raw = entry[:8].partition(b"\0")[0]
    if not raw.isascii():
        raise NotGccError("a channel's name is not ASCII")
    return raw.decode().lower()


def _change_request(raw: bytes, change: Change) -> bytes:
    if not raw.startswith(_OBJECT):
        raise NotGccError("no conference request")
    # The outer length is not relied on: IronRDP leaves out two bytes of it. Ours is right again.
    _, place = _per_length(raw, len(_OBJECT))
    inner = raw[place:]
    head = _CREATE + _CLIENT_KEY
    if not inner.startswith(head):
        raise NotGccError("no conference request")
    size, place = _per_length(inner, len(head))
    if place + size != len(inner):
        raise NotGccError("the settings have another length")
    settings = b"".join(_write_block(block) for block in change(read_blocks(inner[place:])))
    inner = head + _write_per_length(len(settings)) + settings
    return _OBJECT + _write_per_length(len(inner)) + inner


def _write_block(block: Block) -> bytes:
    size = len(block.content) + 4
    return block.kind.to_bytes(2, "little") + size.to_bytes(2, "little") + block.content


def _parts(body: bytes, number: int, tags: Sequence[int]) -> list[tuple[int, bytes]]:
    """Split a BER message into its parts, whose tags must be those expected."""
    if body[:2] != bytes((_APPLICATION, number)):
        raise NotGccError("another message was expected")
    size, place = _ber_length(body, 2)
    if place + size != len(body):
        raise NotGccError("the message has another length")
    found: list[tuple[int, bytes]] = []
    while place < len(body):
        tag = body[place]
        size, place = _ber_length(body, place + 1)
        if place + size > len(body) or len(found) >= len(tags) or tag != tags[len(found)]:
            raise NotGccError("a part is not the one expected")
        found.append((tag, body[place : place + size]))
        place += size
    if len(found) != len(tags):
        raise NotGccError("parts are missing")
    return found


def _write_parts(number: int, parts: Sequence[tuple[int, bytes]]) -> bytes:
    inner = b"".join(bytes((tag,)) + _write_ber_length(len(c)) + c for tag, c in parts)
    return bytes((_APPLICATION, number)) + _write_ber_length(len(inner)) + inner


def _ber_length(raw: bytes, place: int) -> tuple[int, int]:
    first = raw[place] if place < len(raw) else 0x80
    if first < 0x80:  # noqa: PLR2004 - BER's short form
        return first, place + 1
    count = first & 0x7F
    if not 1 <= count <= 2 or place + 1 + count > len(raw):  # noqa: PLR2004 - 64 KiB are enough
        raise NotGccError("a length of this form is not taken")
    return int.from_bytes(raw[place + 1 : place + 1 + count]), place + 1 + count


def _write_ber_length(size: int) -> bytes:
    if size < 0x80:  # noqa: PLR2004 - BER's short form
        return bytes((size,))
    return b"\x82" + size.to_bytes(2)


def _per_length(raw: bytes, place: int) -> tuple[int, int]:
    """Read a length in aligned PER (X.691 section 10.9) and where it ends."""
    if place >= len(raw):
        raise NotGccError("a length is missing")
    if raw[place] < 0x80:  # noqa: PLR2004 - one byte
        return raw[place], place + 1
    if raw[place] >= 0xC0 or place + 2 > len(raw):  # noqa: PLR2004 - in pieces, which nobody sends here
        raise NotGccError("a length of this form is not taken")
    return int.from_bytes(raw[place : place + 2]) & 0x3FFF, place + 2


def _write_per_length(size: int) -> bytes:
    if size > 0x3FFF:  # noqa: PLR2004 - X.691 section 10.9
        raise NotGccError("the settings are too long")
    return (size | 0x8000).to_bytes(2)

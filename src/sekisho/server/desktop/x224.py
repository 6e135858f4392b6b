"""TPKT (RFC 1006), X.224 and RDP's negotiation ([MS-RDPBCGR] 2.2.1.1 and 2.2.1.2)."""

from dataclasses import dataclass
from enum import IntFlag

TPKT_HEAD = 4
_TPKT_VERSION = 3
_REQUEST, _CONFIRM = 0xE0, 0xD0
_FIXED = 7  # length, code, two references of 16 bits, class
_NEGOTIATION = 8
_NEG_REQUEST, _NEG_ANSWER, _NEG_FAILURE = 1, 2, 3
LONGEST = 1024


class NotX224Error(ValueError):
    """These bytes are no X.224 message of RDP's negotiation."""


class Protocols(IntFlag):
    """Security protocols of RDP."""

    TLS = 1
    HYBRID = 2
    RDSTLS = 4
    HYBRID_EX = 8


NLA = Protocols.HYBRID | Protocols.HYBRID_EX


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What a host chose; ``failure`` is its code where it refused (0: it did not)."""

    chosen: Protocols
    failure: int = 0


def tpkt_size(head: bytes) -> int:
    """Return the whole size of the packet that begins with these four bytes."""
    size = int.from_bytes(head[2:4])
    if head[0] != _TPKT_VERSION or head[1] != 0 or size < TPKT_HEAD + 3:
        raise NotX224Error("no TPKT packet")
    return size


def make_request(protocols: Protocols) -> bytes:
    """Write a connection request without cookie or routing token."""
    asked = bytes((_NEG_REQUEST, 0)) + _NEGOTIATION.to_bytes(2, "little")
    asked += int(protocols).to_bytes(4, "little")
    body = bytes((_FIXED - 1 + _NEGOTIATION, _REQUEST)) + bytes(5) + asked
    return bytes((_TPKT_VERSION, 0)) + (TPKT_HEAD + len(body)).to_bytes(2) + body


def read_request(message: bytes) -> Protocols:
    """Return the protocols that a connection request asks for; raise NotX224Error."""
    rest = _body(message, _REQUEST)
    if rest.startswith(b"Cookie:"):
        _, found, rest = rest.partition(b"\r\n")
        if not found:
            raise NotX224Error("the cookie does not end")
    if not rest:
        return Protocols(0)
    kind, _, asked = _negotiation(rest)
    if kind != _NEG_REQUEST:
        raise NotX224Error("no negotiation request")
    return Protocols(asked & int(Protocols.TLS | NLA))


def read_confirm(message: bytes) -> Confirmed:
    """Read a host's answer; raise NotX224Error."""
    rest = _body(message, _CONFIRM)
    if not rest:
        return Confirmed(Protocols(0))
    kind, _, value = _negotiation(rest)
    if kind == _NEG_FAILURE:
        return Confirmed(Protocols(0), value or 1)
    if kind != _NEG_ANSWER or value not in (0, 1, 2, 8):
        raise NotX224Error("no negotiation answer")
    return Confirmed(Protocols(value))


def _body(message: bytes, code: int) -> bytes:
    if len(message) < TPKT_HEAD + _FIXED or tpkt_size(message) != len(message):
        raise NotX224Error("the packet has another length")
    if len(message) > LONGEST or message[TPKT_HEAD] != len(message) - TPKT_HEAD - 1:
        raise NotX224Error("the message has another length")
    if message[TPKT_HEAD + 1] != code:
        raise NotX224Error("another message was expected")
    return message[TPKT_HEAD + _FIXED :]


def _negotiation(rest: bytes) -> tuple[int, int, int]:
    if len(rest) != _NEGOTIATION or int.from_bytes(rest[2:4], "little") != _NEGOTIATION:
        raise NotX224Error("the negotiation has another length")
    return rest[0], rest[1], int.from_bytes(rest[4:8], "little")

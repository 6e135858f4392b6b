"""RDCleanPath: the one message each way with which a browser asks for a desktop.

The browser sends its X.224 request and a ticket; the answer holds the host's X.224 confirmation and
the certificate that it showed, which the browser needs for CredSSP. What the browser calls its
destination is read and not used: the ticket alone says where to. Source: the definition in
IronRDP's crate ``ironrdp-rdcleanpath``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sekisho.server.desktop import der

VERSION = 3390
LONGEST = 16 * 1024
GENERAL_ERROR, NEGOTIATION_ERROR = 1, 2
_LONGEST_TEXT = 4096
_VERSION, _ERROR, _DESTINATION, _PROXY_AUTH, _SERVER_AUTH = 0, 1, 2, 3, 4
_BLOB, _X224, _CHAIN, _ADDRESS = 5, 6, 7, 9
_TEXTS = frozenset({_DESTINATION, _PROXY_AUTH, _SERVER_AUTH, _BLOB})


@dataclass(frozen=True, slots=True)
class Request:
    """What a browser asks with: its ticket and the X.224 connection request."""

    ticket: str
    x224: bytes


def read_request(message: bytes) -> Request:
    """Read a browser's message; raise NotDerError for anything but a whole, orderly request."""
    if len(message) > LONGEST:
        raise der.NotDerError("the message is too long")
    fields: dict[int, bytes] = {}
    last = -1
    for value in der.read_values(der.read_only(message, der.SEQUENCE)):
        number = value.tag & 0x1F
        if value.tag != der.context(number) or number <= last:
            raise der.NotDerError("fields are out of order")
        fields[number] = value.content
        last = number
    return _request(fields)


def _request(fields: dict[int, bytes]) -> Request:
    if not {_VERSION, _PROXY_AUTH, _X224} <= set(fields) <= {_VERSION, _X224, *_TEXTS}:
        raise der.NotDerError("these are not the fields of a request")
    if der.read_unsigned(der.read_only(fields[_VERSION], der.INTEGER)) != VERSION:
        raise der.NotDerError("another version")
    texts = {number: _text(fields[number]) for number in _TEXTS & set(fields)}
    return Request(texts[_PROXY_AUTH], der.read_only(fields[_X224], der.OCTETS))


def _text(content: bytes) -> str:
    raw = der.read_only(content, der.UTF8)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise der.NotDerError("a text is not UTF-8") from None
    if len(raw) > _LONGEST_TEXT or not text.isprintable():
        raise der.NotDerError("a text is too long or not printable")
    return text


def write_request(request: Request, destination: str) -> bytes:
    """Write a request as a browser does."""
    return _message(
        (_DESTINATION, der.write(der.UTF8, destination.encode())),
        (_PROXY_AUTH, der.write(der.UTF8, request.ticket.encode())),
        (_X224, der.write(der.OCTETS, request.x224)),
    )


def write_answer(x224: bytes, chain: Sequence[bytes], address: str) -> bytes:
    """Write the answer: the host's confirmation, its certificates (DER) and its name."""
    certificates = b"".join(der.write(der.OCTETS, each) for each in chain)
    return _message(
        (_X224, der.write(der.OCTETS, x224)),
        (_CHAIN, der.write(der.SEQUENCE, certificates)),
        (_ADDRESS, der.write(der.UTF8, address.encode())),
    )


def write_refusal(status: int) -> bytes:
    """Write that nothing opens, with an HTTP status that says why."""
    told = der.write(der.context(0), der.write_unsigned(GENERAL_ERROR))
    told += der.write(der.context(1), der.write_unsigned(status))
    return _message((_ERROR, der.write(der.SEQUENCE, told)))


def write_no_negotiation(x224: bytes) -> bytes:
    """Write that the host did not agree on a protocol, with what it said."""
    told = der.write(der.context(0), der.write_unsigned(NEGOTIATION_ERROR))
    return _message((_ERROR, der.write(der.SEQUENCE, told)), (_X224, der.write(der.OCTETS, x224)))


def _message(*fields: tuple[int, bytes]) -> bytes:
    version = (_VERSION, der.write_unsigned(VERSION))
    parts = [der.write(der.context(number), content) for number, content in (version, *fields)]
    return der.write(der.SEQUENCE, b"".join(parts))

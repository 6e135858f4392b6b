"""Reads the fields of X.509 certificates (RFC 5280) that osquery shows, without a crypto library.

The cryptography package would cost the agent 10 MB for good. Nothing is verified here: a
certificate's signature is no fact of this table. Broken encodings raise ``ValueError``.
"""

import calendar
from collections.abc import Iterator
from dataclasses import dataclass

_SEQUENCE, _INTEGER, _BIT_STRING, _OCTETS, _OID, _BOOLEAN = 0x30, 0x02, 0x03, 0x04, 0x06, 0x01
_UTC_TIME, _VERSION_TAG, _EXTENSIONS_TAG = 0x17, 0xA0, 0xA3
_ENCODINGS = {0x0C: "utf-8", 0x1E: "utf-16-be", 0x1C: "utf-32-be", 0x14: "latin-1"}
_LONG, _FOLLOW = 0x80, 0x80
_MAX_LENGTH_BYTES = 4
_HALF_CENTURY = 50  # RFC 5280 section 4.1.2.5.1: a year below 50 is of this century

Field = tuple[int, bytes]
"""(tag, content) of one element."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """The fields of a certificate. Names are (OID, text) pairs; times are seconds since 1970."""

    serial: int
    algorithm: str
    issuer: tuple[tuple[str, str], ...]
    subject: tuple[tuple[str, str], ...]
    not_before: int
    not_after: int
    key_algorithm: str
    key_parameter: str
    key_bits: int
    extensions: dict[str, bytes]

    @property
    def is_authority(self) -> bool:
        """Whether the basic constraints (section 4.2.1.9) say that it may issue others."""
        content = self.extensions.get("2.5.29.19")
        if content is None:
            return False
        inner = list(elements(only(content, _SEQUENCE)))
        return bool(inner) and inner[0][0] == _BOOLEAN and any(inner[0][1])

    @property
    def key_identifier(self) -> str:
        """The subject's key identifier in hex, empty if there is none."""
        content = self.extensions.get("2.5.29.14")
        return "" if content is None else only(content, _OCTETS).hex()

    @property
    def authority_identifier(self) -> str:
        """The issuer's key identifier in hex, empty if there is none."""
        content = self.extensions.get("2.5.29.35")
        parts = list(elements(only(content, _SEQUENCE))) if content is not None else []
        return next((inner.hex() for tag, inner in parts if tag == _LONG), "")


def elements(data: bytes) -> Iterator[Field]:
    """Yield the elements that ``data`` is made of (X.690: definite lengths only)."""
    position = 0
    while position < len(data):
        tag, start, end = _element(data, position)
        yield tag, data[start:end]
        position = end


def _element(data: bytes, position: int) -> tuple[int, int, int]:
    if position + 2 > len(data):
        raise ValueError("an element ends in its head")
    length, start = data[position + 1], position + 2
    if length >= _LONG:
        count = length - _LONG
        if not 0 < count <= _MAX_LENGTH_BYTES:
            raise ValueError("an element has a length of an unknown form")
        length = int.from_bytes(data[start : start + count], "big")
        start += count
    if start + length > len(data):
        raise ValueError("an element is longer than what holds it")
    return data[position], start, start + length


def only(data: bytes, tag: int) -> bytes:
    """Return the content of the one element that ``data`` is; another tag is an error."""
    found, content = next(elements(data), (0, b""))
    if found != tag:
        raise ValueError(f"an element has tag {found:#x}, {tag:#x} was expected")
    return content


def parse(data: bytes) -> Certificate:
    """Read one DER certificate."""
    signed = next(elements(only(data, _SEQUENCE)), (0, b""))[1]
    fields = [field for field in elements(signed) if field[0] != _VERSION_TAG]
    if len(fields) < 6:  # noqa: PLR2004 - serial, algorithm, issuer, validity, subject, key
        raise ValueError("a certificate has too few fields")
    begin, end = list(elements(fields[3][1]))[:2]
    key_algorithm, parameter, bits = _key(fields[5][1])
    return Certificate(
        serial=int.from_bytes(fields[0][1], "big"),
        algorithm=oid(only(fields[1][1], _OID)),
        issuer=tuple(_name(fields[2][1])),
        subject=tuple(_name(fields[4][1])),
        not_before=moment(begin),
        not_after=moment(end),
        key_algorithm=key_algorithm,
        key_parameter=parameter,
        key_bits=bits,
        extensions=_extensions(fields[6:]),
    )


def oid(content: bytes) -> str:
    """Return an object identifier in its dotted form."""
    arcs, value = [], 0
    for byte in content:
        value = value << 7 | byte & 0x7F
        if not byte & _FOLLOW:
            arcs.append(value)
            value = 0
    if not arcs:
        raise ValueError("an object identifier is empty")
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - first * 40, *arcs[1:])))


def moment(field: Field) -> int:
    """Return UTCTime or GeneralizedTime (both end with Z) as seconds since 1970."""
    tag, content = field
    text = content.decode("ascii", "replace").removesuffix("Z")
    if tag == _UTC_TIME:
        text = ("20" if int(text[:2]) < _HALF_CENTURY else "19") + text
    if len(text) != 14 or not text.isdecimal():  # noqa: PLR2004 - YYYYMMDDHHMMSS
        raise ValueError(f"a certificate has the time {text[:20]!r}")
    parts = [int(text[:4]), *(int(text[i : i + 2]) for i in range(4, 14, 2))]
    return calendar.timegm((*parts, 0, 0, 0))


def _name(content: bytes) -> Iterator[tuple[str, str]]:
    for _, part in elements(content):
        for _, pair in elements(part):
            (_, kind), (tag, text) = list(elements(pair))[:2]
            yield oid(kind), text.decode(_ENCODINGS.get(tag, "ascii"), "replace")


def _key(content: bytes) -> tuple[str, str, int]:
    """Return (algorithm, curve if any, bits of an RSA modulus) of a public key."""
    (_, algorithm), (_, bits) = list(elements(content))[:2]
    parts = list(elements(algorithm))
    curve = oid(parts[1][1]) if len(parts) > 1 and parts[1][0] == _OID else ""
    kind = oid(parts[0][1])
    if kind != "1.2.840.113549.1.1.1":
        return kind, curve, 0
    modulus = next(elements(only(bits[1:], _SEQUENCE)), (0, b""))[1]
    return kind, curve, int.from_bytes(modulus, "big").bit_length()


def _extensions(fields: list[Field]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for tag, content in fields:
        if tag != _EXTENSIONS_TAG:
            continue
        for _, extension in elements(only(content, _SEQUENCE)):
            parts = list(elements(extension))
            found[oid(parts[0][1])] = parts[-1][1]
    return found

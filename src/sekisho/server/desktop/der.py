"""Strict DER (X.690): definite lengths in their shortest form, nothing left over, all bounded."""

from collections.abc import Iterator
from dataclasses import dataclass

INTEGER, OCTETS, UTF8, SEQUENCE = 0x02, 0x04, 0x0C, 0x30
_LONG, _SHORT_MOST = 0x80, 0x7F
_MOST_LENGTH_BYTES = 3


class NotDerError(ValueError):
    """These bytes are not the DER that was expected here."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value: its tag and what it holds."""

    tag: int
    content: bytes


def context(number: int) -> int:
    """Return the tag of an explicit context-specific field."""
    return 0xA0 | number


def read_values(content: bytes) -> Iterator[Value]:
    """Read values that stand one behind another until nothing is left."""
    place = 0
    while place < len(content):
        value, place = _read(content, place)
        yield value


def read_only(content: bytes, tag: int) -> bytes:
    """Return what the one value in ``content`` holds; raise NotDerError for anything else."""
    value, end = _read(content, 0)
    if value.tag != tag or end != len(content):
        raise NotDerError(f"one value of tag {tag:#x} was expected")
    return value.content


def read_unsigned(content: bytes) -> int:
    """Read an INTEGER's content that is not negative and at most 32 bits wide."""
    padded = len(content) > 1 and content[0] == 0 and not content[1] & _LONG
    if not 1 <= len(content) <= 5 or content[0] & _LONG or padded:  # noqa: PLR2004 - 32 bits and a sign
        raise NotDerError("this is no small number")
    return int.from_bytes(content)


def write(tag: int, content: bytes) -> bytes:
    """Write one value."""
    size = len(content)
    if size <= _SHORT_MOST:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, _LONG | len(length))) + length + content


def write_unsigned(number: int) -> bytes:
    """Write an INTEGER that is not negative."""
    return write(INTEGER, number.to_bytes(number.bit_length() // 8 + 1))


def size_at(head: bytes) -> int | None:
    """Return how many bytes the value has whose first bytes are ``head``; None: not known yet.

    BER's longer forms are taken here, since CredSSP's peers write them.
    """
    if len(head) < 2:  # noqa: PLR2004 - tag and first byte of the length
        return None
    first = head[1]
    if first <= _SHORT_MOST:
        return 2 + first
    count = first & _SHORT_MOST
    if not 1 <= count <= _MOST_LENGTH_BYTES:
        raise NotDerError("a length of this form is not taken")
    if len(head) < 2 + count:
        return None
    return 2 + count + int.from_bytes(head[2 : 2 + count])


def _read(content: bytes, place: int) -> tuple[Value, int]:
    head = content[place : place + 2 + _MOST_LENGTH_BYTES]
    size = size_at(head)
    if size is None or place + size > len(content):
        raise NotDerError("the value ends too early")
    long_form = head[1] & _LONG
    start = place + 2 + (head[1] & _SHORT_MOST if long_form else 0)
    held = content[start : place + size]
    if long_form and (len(held) <= _SHORT_MOST or head[2] == 0):
        raise NotDerError("a length is not in its shortest form")
    return Value(head[0], held), place + size

"""What a log line's values are for a test: text, number, part of a time, address, or nothing.

Logs hold numbers as text and text as numbers; a value is judged by what it says, never by the
type that some reader gave it. A value that is not what a test needs does not match and is no
error.
"""

import ipaddress
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from enum import Enum
from functools import lru_cache

from sekisho.detection.model import TimePart

_NUMBER = re.compile(r"\s*[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\s*")
_LONGEST_NUMBER = 400
_LONGEST_ADDRESS = 300
"""With blanks and the name of a zone; what is longer is no address, and is not to be kept."""

_PART = "(0|[1-9][0-9]?|1[0-9][0-9]|2[0-4][0-9]|25[0-5])"
_QUAD = re.compile(rf"{_PART}\.{_PART}\.{_PART}\.{_PART}")
_TIME = re.compile(
    r"\s*([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[T ]+([0-9]{2}):([0-9]{2})(?::[0-9]{2})?)?"
)
_FIRST_MILLISECONDS = 1e11

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class Missing(Enum):
    """The one value of a field that an event does not have."""

    MISSING = 0


MISSING = Missing.MISSING


def find(fields: Mapping[str, object], name: str) -> object:
    """Return a field's value, MISSING if there is none.

    A name with dots is first tried as it stands, then as a path; lists on the way give a list of
    what their elements hold.
    """
    if name in fields:
        return fields[name]
    head, dot, rest = name.partition(".")
    while dot:
        found = _below(fields[head], rest) if head in fields else MISSING
        if found is not MISSING:
            return found
        more, dot, rest = rest.partition(".")
        head = f"{head}.{more}"
    return MISSING


def _below(value: object, name: str) -> object:
    if isinstance(value, Mapping):
        return find(value, name)
    if isinstance(value, list):
        found = [_below(one, name) for one in value]
        held = [one for one in found if one is not MISSING]
        return held or MISSING
    return MISSING


def leaves(value: object) -> Iterator[object]:
    """Yield the elements of a value that a field's test is held against; mappings have none."""
    if type(value) is str:  # what nearly all are, and the other questions are dear
        yield value
        return
    waiting = [value]  # no recursion: a value may lie deeper than that goes
    while waiting:
        one = waiting.pop()
        if isinstance(one, list | tuple):
            waiting += reversed(one)
        elif not isinstance(one, Mapping):
            yield one


def all_leaves(value: object) -> Iterator[object]:
    """Yield every value within, as keywords are looked for."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            waiting += reversed(list(one.values()))
        elif isinstance(one, list | tuple):
            waiting += reversed(one)
        else:
            yield one


def text_of(value: object) -> str | None:
    """Return what a value says; None for null."""
    if isinstance(value, str):
        return value
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def number_of(value: object) -> float | None:
    """Return the number that a value is, or that its text says in decimal."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if len(value) > _LONGEST_NUMBER or not _NUMBER.fullmatch(value):
            return None
    elif not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def time_part(value: object, part: TimePart) -> float | None:
    """Return a part of a time: ISO 8601 text as written, or seconds or milliseconds since 1970."""
    if isinstance(value, str) and (found := _TIME.match(value)):
        return _written_part(found, part)
    number = number_of(value)
    if number is None:
        return None
    seconds = number / 1000 if abs(number) >= _FIRST_MILLISECONDS else number
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    if part is TimePart.WEEK:
        return moment.isocalendar().week
    return float(getattr(moment, part.value))


def _written_part(found: re.Match[str], part: TimePart) -> float | None:
    year, month, day, hour, minute = found.groups()
    try:
        written = date(int(year), int(month), int(day))
    except ValueError:
        return None
    if part is TimePart.WEEK:
        return written.isocalendar().week
    if part in {TimePart.HOUR, TimePart.MINUTE}:
        said = hour if part is TimePart.HOUR else minute
        return None if said is None else float(said)
    return float(getattr(written, part.value))


def quad_in(text: str) -> int | None:
    """Return the number of an address in four decimals, None for all else."""
    quad = _QUAD.fullmatch(text)
    if quad is None:
        return None
    first, second, third, fourth = quad.groups()
    return int(first) << 24 | int(second) << 16 | int(third) << 8 | int(fourth)


def addresses_in(text: str) -> tuple[IPAddress, ...]:
    """Return the address that a text is; one of IPv4 written as IPv6 is both."""
    return _addresses_in(text) if len(text) <= _LONGEST_ADDRESS else ()


@lru_cache(maxsize=65536)
def _addresses_in(text: str) -> tuple[IPAddress, ...]:
    if (quad := quad_in(text)) is not None:
        return (ipaddress.IPv4Address(quad),)
    bare = text.strip()
    if bare.startswith("[") and bare.endswith("]"):
        bare = bare[1:-1]
    try:
        address = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return ()
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (address,) if mapped is None else (address, mapped)


@lru_cache(maxsize=4096)
def network_of(text: str) -> IPNetwork:
    """Return the network that a rule names."""
    return ipaddress.ip_network(text)

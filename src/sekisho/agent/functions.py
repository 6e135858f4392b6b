"""The SQL functions and collations that osquery adds to SQLite, so that one SQL runs on both.

Source: osquery's "SQL additions" page. Every function returns NULL for a NULL argument. Regular
expressions are judged before they run (``regex``), because SQLite's progress handler does not see
inside a function.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Sequence

import apsw

from sekisho.agent import versions
from sekisho.agent.regex import compile_for

_IPV4_PARTS = 4

Value = str | int | float | bytes | None


Function = Callable[..., str | int | None]


def register(database: apsw.Connection) -> None:
    """Add every function and collation to the connection."""
    for name, (function, count) in _FUNCTIONS.items():
        database.create_scalar_function(name, function, count, deterministic=True)
    for name in ("version", "version_dpkg", "version_rhel", "version_arch"):
        database.create_collation(name, _collation(name))


def _collation(name: str) -> Callable[[str, str], int]:
    flavour = name.partition("_")[2].upper()
    return lambda left, right: versions.compare(left, right, flavour)


def version_compare(*arguments: Value) -> int | None:
    """``version_compare(a, b[, 'DPKG'|'RHEL'|'ARCH'])`` → -1, 0, 1."""
    if len(arguments) not in {2, 3}:
        raise ValueError(f"version_compare got {len(arguments)} arguments; expected 2 or 3")
    if None in arguments:
        return None
    left, right, *flavour = (_text(value) for value in arguments)
    return versions.compare(left, right, *flavour)


def split(text: Value, separators: Value, index: Value) -> str | None:
    """``split(text, characters, n)`` → the n-th non-empty part, counted from 0."""
    if text is None or separators is None or not isinstance(index, int):
        return None
    pattern = "[" + re.escape(_text(separators)) + "]"
    return _nth([part for part in re.split(pattern, _text(text)) if part], index)


def regex_split(text: Value, pattern: Value, index: Value) -> str | None:
    """``regex_split(text, pattern, n)`` → the n-th part, counted from 0."""
    if text is None or pattern is None or not isinstance(index, int):
        return None
    subject = _text(text)
    return _nth(compile_for(_text(pattern), subject).split(subject), index)


def regex_match(text: Value, pattern: Value, index: Value) -> str | None:
    """``regex_match(text, pattern, n)`` → group n of the first match (0: the whole), or NULL."""
    if text is None or pattern is None or not isinstance(index, int):
        return None
    subject = _text(text)
    found = compile_for(_text(pattern), subject).search(subject)
    if found is None or not 0 <= index <= found.re.groups:
        return None
    return found.group(index)


def concat(*parts: Value) -> str:
    """Join the parts that are not NULL."""
    return "".join(_text(part) for part in parts if part is not None)


def concat_ws(separator: Value, *parts: Value) -> str:
    """Join the parts that are not NULL with ``separator`` between them."""
    between = "" if separator is None else _text(separator)
    return between.join(_text(part) for part in parts if part is not None)


def inet_aton(address: Value) -> int | None:
    """Return an IPv4 address as a number, or NULL for anything else."""
    parts = _text(address).split(".") if address is not None else []
    if len(parts) != _IPV4_PARTS or not all(part.isdecimal() and len(part) < 4 for part in parts):  # noqa: PLR2004 - three digits at most
        return None
    numbers = [int(part) for part in parts]
    return int.from_bytes(bytes(numbers), "big") if max(numbers) < 256 else None  # noqa: PLR2004 - one octet


def to_base64(text: Value) -> str | None:
    """Encode as base64."""
    return None if text is None else base64.b64encode(_bytes(text)).decode("ascii")


def from_base64(text: Value) -> str | None:
    """Decode base64; "" when it is not base64, as osquery answers."""
    if text is None:
        return None
    try:
        return base64.b64decode(_bytes(text), validate=True).decode("utf-8", "replace")
    except ValueError:
        return ""


def _digest(name: str) -> Function:
    def digest(value: Value) -> str | None:
        if value is None:
            return None
        return hashlib.new(name, _bytes(value), usedforsecurity=False).hexdigest()

    return digest


_FUNCTIONS: dict[str, tuple[Function, int]] = {
    "version_compare": (version_compare, -1),
    "split": (split, 3),
    "regex_split": (regex_split, 3),
    "regex_match": (regex_match, 3),
    "concat": (concat, -1),
    "concat_ws": (concat_ws, -1),
    "inet_aton": (inet_aton, 1),
    "to_base64": (to_base64, 1),
    "from_base64": (from_base64, 1),
    "md5": (_digest("md5"), 1),
    "sha1": (_digest("sha1"), 1),
    "sha256": (_digest("sha256"), 1),
}


def _nth(parts: Sequence[str | None], index: int) -> str | None:
    return parts[index] if 0 <= index < len(parts) else None


def _text(value: Value) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _bytes(value: Value) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")

"""Property lists (XML and binary) of macOS: the table ``plist`` and a source for other tables."""

import datetime as dt
import plistlib
from collections.abc import Iterator, Mapping
from typing import Any
from xml.parsers.expat import ExpatError

from sekisho.agent.table import Row, Table, Unreadable, Where
from sekisho.agent.tables.columns import PLIST
from sekisho.agent.tables.commands import Output
from sekisho.agent.tables.host import Host
from sekisho.agent.tables.patterns import find, wanted

_LIMIT = 16 * 1024 * 1024
_BROKEN = (plistlib.InvalidFileException, ExpatError, ValueError, KeyError, IndexError, TypeError)


def tables(host: Host) -> tuple[Table, ...]:
    """Return the table over ``host``."""
    return (Table("plist", PLIST, lambda where: plist(host, where), frozenset({"path"})),)


def parse(data: bytes, what: str) -> Any:
    """Return the contents of a property list; a broken one raises ``Unreadable``."""
    try:
        return plistlib.loads(data)
    except (*_BROKEN, OverflowError, RecursionError, AttributeError) as error:
        raise Unreadable(f"{what} is not a whole property list: {error}") from None


def read(host: Host, path: str) -> Mapping[str, Any] | None:
    """Return a dictionary from a file; ``None`` if there is no such file."""
    data = host.read(path, _LIMIT)
    if data is None:
        return None
    found = parse(data, path)
    if not isinstance(found, dict):
        raise Unreadable(f"{path} holds a {type(found).__name__}, a dictionary was expected")
    return found


def from_command(output: Output, command: str) -> Any:
    """Return the property list that a command printed; any failure is ``Unreadable``."""
    if output.code != 0:
        raise Unreadable(f"{command} ended with {output.code}: {output.errors.strip()[:200]}")
    return parse(output.text.encode(), f"the answer of {command}")


def plist(host: Host, where: Where) -> Iterator[Row]:
    """Yield the values of the files asked for, nested ones with their way in ``subkey``."""
    paths = [
        *wanted(where, "path"),
        *(p for pattern in wanted(where, "path~") for p in find(host.root, pattern)),
    ]
    if not paths:
        raise Unreadable("the table plist needs path = or path LIKE in the query")
    for path in paths:
        for key, value in (read(host, path) or {}).items():
            for subkey, leaf in leaves(value, ""):
                yield {"key": key, "subkey": subkey, "value": shown(leaf), "path": path}


def leaves(value: Any, way: str) -> Iterator[tuple[str, Any]]:
    """Yield (way, value) of everything below a value, the way joined with ``/``."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{way}/{key}" if way else str(key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from leaves(item, f"{way}/{number}" if way else str(number))
    else:
        yield way, value


def shown(value: Any) -> str:
    """Show a value as osquery does: true is 1, a date is seconds, data is base64."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, dt.datetime):
        return str(seconds(value))
    if isinstance(value, bytes):
        import base64  # noqa: PLC0415 - rarely needed

        return base64.b64encode(value).decode("ascii")
    return str(value)


def seconds(value: dt.datetime) -> int:
    """Return a date of a property list (UTC without saying so) as seconds since 1970."""
    return int(value.replace(tzinfo=dt.UTC).timestamp())

"""Take typed fields out of JSON that came from outside; every fault names the field.

``where`` in the error texts is the message's name ("the enrolment kit"), so that a person sees
which file or reply is at fault.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from sekisho.wire.errors import MessageError

JSONObject = Mapping[str, object]


def parse_object(raw: bytes | str, where: str) -> dict[str, object]:
    """Parse one JSON object; raises ``MessageError`` for anything else."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"{where} is not JSON ({error}); expected one JSON object") from error
    if not isinstance(value, dict):
        raise MessageError(f"{where} is a JSON {_kind(value)}; expected one JSON object")
    return value


def text(source: JSONObject, name: str, where: str) -> str:
    """Return the non-empty string ``name``."""
    value = source.get(name)
    if not isinstance(value, str) or not value:
        raise MessageError(
            f"{where} has {_kind(value)} as {name!r}; expected a text that is not empty"
        )
    return value


def optional_text(source: JSONObject, name: str, where: str) -> str:
    """Return the string ``name``, or "" when it is absent or null."""
    value = source.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise MessageError(f"{where} has {_kind(value)} as {name!r}; expected a text")
    return value


def number(source: JSONObject, name: str, where: str) -> int:
    """Return the integer ``name`` (a boolean is not one)."""
    value = source.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise MessageError(f"{where} has {_kind(value)} as {name!r}; expected a whole number")
    return value


def mapping(source: JSONObject, name: str, where: str) -> dict[str, object]:
    """Return the object ``name``, or {} when it is absent or null."""
    value = source.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MessageError(f"{where} has {_kind(value)} as {name!r}; expected an object")
    return value


def texts_by_name(source: JSONObject, name: str, where: str) -> dict[str, str]:
    """Return the object ``name`` whose values are all non-empty strings.

    One bad entry rejects the whole, as osquery does (``Distributed::acceptWork``).
    """
    found = mapping(source, name, where)
    return {key: text(found, key, f"{where}, {name}") for key in found if key}


def instant(source: JSONObject, name: str, where: str) -> datetime:
    """Return the ISO 8601 time ``name`` with its zone, as UTC."""
    value = text(source, name, where)
    try:
        at = datetime.fromisoformat(value)
    except ValueError as error:
        raise MessageError(
            f"{where} has {value!r} as {name!r}; expected a time such as 2026-11-23T09:00:00+00:00"
        ) from error
    if at.tzinfo is None:
        raise MessageError(f"{where} has {value!r} as {name!r}; expected a time with its zone")
    return at.astimezone(UTC)


def _kind(value: object) -> str:
    names = {type(None): "nothing", bool: "true or false", str: "a text", list: "a list"}
    names |= {dict: "an object", int: "a number", float: "a number"}
    return "an empty text" if value == "" else names.get(type(value), "something else")

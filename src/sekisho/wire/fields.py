"""Take typed fields out of JSON that came from outside; every fault names the field.

``where`` in the error texts is the message's name (``words("the enrolment kit")``), so that a
person sees which file or reply is at fault.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from sekisho.wire.errors import MessageError, Words, words

JSONObject = Mapping[str, object]


def parse_object(raw: bytes | str, where: Words) -> dict[str, object]:
    """Parse one JSON object; raises ``MessageError`` for anything else."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise MessageError(
            "%(where)s is not JSON (%(why)s); expected one JSON object", where=where, why=error
        ) from error
    if not isinstance(value, dict):
        raise MessageError(
            "%(where)s holds %(got)s; expected one JSON object", where=where, got=_kind(value)
        )
    return value


def text(source: JSONObject, name: str, where: Words) -> str:
    """Return the non-empty string ``name``."""
    value = source.get(name)
    if not isinstance(value, str) or not value:
        raise MessageError(
            "%(where)s has %(got)s as “%(name)s”; expected a text that is not empty",
            where=where, got=_kind(value), name=name,
        )  # fmt: skip
    return value


def optional_text(source: JSONObject, name: str, where: Words) -> str:
    """Return the string ``name``, or "" when it is absent or null."""
    value = source.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise MessageError(
            "%(where)s has %(got)s as “%(name)s”; expected a text",
            where=where, got=_kind(value), name=name,
        )  # fmt: skip
    return value


def number(source: JSONObject, name: str, where: Words) -> int:
    """Return the integer ``name`` (a boolean is not one)."""
    value = source.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise MessageError(
            "%(where)s has %(got)s as “%(name)s”; expected a whole number",
            where=where, got=_kind(value), name=name,
        )  # fmt: skip
    return value


def mapping(source: JSONObject, name: str, where: Words) -> dict[str, object]:
    """Return the object ``name``, or {} when it is absent or null."""
    value = source.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MessageError(
            "%(where)s has %(got)s as “%(name)s”; expected an object",
            where=where, got=_kind(value), name=name,
        )  # fmt: skip
    return value


def texts_by_name(source: JSONObject, name: str, where: Words) -> dict[str, str]:
    """Return the object ``name`` whose values are all non-empty strings.

    One bad entry rejects the whole, as osquery does (``Distributed::acceptWork``).
    """
    found = mapping(source, name, where)
    place = words("%(where)s, %(part)s", where=where, part=name)
    return {key: text(found, key, place) for key in found if key}


def instant(source: JSONObject, name: str, where: Words) -> datetime:
    """Return the ISO 8601 time ``name`` with its zone, as UTC."""
    value = text(source, name, where)
    try:
        at = datetime.fromisoformat(value)
    except ValueError as error:
        raise MessageError(
            "%(where)s has “%(got)s” as “%(name)s”; expected a time such as "
            "2026-11-23T09:00:00+00:00",
            where=where, got=value, name=name,
        ) from error  # fmt: skip
    if at.tzinfo is None:
        raise MessageError(
            "%(where)s has “%(got)s” as “%(name)s”; expected a time with its zone",
            where=where, got=value, name=name,
        )  # fmt: skip
    return at.astimezone(UTC)


def _kind(value: object) -> Words:
    names = {type(None): words("nothing"), bool: words("true or false"), str: words("a text")}
    names |= {list: words("a list"), dict: words("an object")}
    names |= {int: words("a number"), float: words("a number")}
    return words("an empty text") if value == "" else names.get(type(value), words("nothing"))

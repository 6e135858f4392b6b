"""Reads the fields of forms; what is not there is empty, what is no number is refused."""

from collections.abc import Mapping
from typing import Any

from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import msg

Sent = Mapping[str, Any]
PER_PAGE = 50


def text(data: Sent, name: str) -> str:
    """Return one field without blanks around it."""
    value = data.get(name, "")
    value = value[-1] if isinstance(value, list) and value else value
    return value.strip() if isinstance(value, str) else ""


def several(data: Sent, name: str) -> tuple[str, ...]:
    """Return every value of a field that may be chosen several times."""
    value = data.get(name) or []
    values = value if isinstance(value, list) else [value]
    return tuple(each.strip() for each in values if isinstance(each, str) and each.strip())


def number(data: Sent, name: str, fallback: int) -> int:
    """Return a whole number, ``fallback`` for an empty field; raise InvalidInputError."""
    value = text(data, name)
    if not value:
        return fallback
    if not value.isdecimal() or len(value) > 9:  # noqa: PLR2004 - beyond any of our numbers
        raise InvalidInputError(msg("“%(got)s” is not a number.", got=value[:40]))
    return int(value)


def paging(page: int, total: int, size: int = PER_PAGE) -> dict[str, int]:
    """Return what the pager of a page needs."""
    return {
        "page": page,
        "pages": max(1, -(-total // size)),
        "first": min(total, (page - 1) * size + 1),
        "last": min(total, page * size),
        "total": total,
    }

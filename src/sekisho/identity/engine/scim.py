"""SCIM 2.0 (RFC 7643, RFC 7644) in pure form: filters, resources, changes to them.

What is kept of a User: userName (the e-mail address), a name, active, externalId, the preferred
language, and of the enterprise extension the department (a unit) and the manager. Everything else
a directory sends is read over, as RFC 7644 section 3.3 allows.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import msg

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
MOST_PER_PAGE = 200
_MOST_OPERATIONS = 1000

_TERM = re.compile(
    r'\s*([A-Za-z$][\w.:$-]*)\s+eq\s+("(?:[^"\\]|\\.)*"|true|false)\s*(and\b\s*)?',
    re.IGNORECASE,
)
_MEMBER = re.compile(r'^members\[\s*value\s+eq\s+"([^"\\]{1,200})"\s*\]$', re.IGNORECASE)


class SCIMError(InvalidInputError):
    """A request that RFC 7644 section 3.12 answers with a ``scimType``."""

    def __init__(self, scim_type: str, message: object) -> None:
        """Keep the type beside the message."""
        super().__init__(message)  # type: ignore[arg-type]  # a Text, or text of the standard
        self.scim_type = scim_type


@dataclass(frozen=True, slots=True)
class User:
    """What a directory says of a person; None means that it does not say."""

    email: str = ""
    name: str = ""
    active: bool = True
    external_id: str = ""
    language: str = ""
    department: str = ""
    manager_id: str = ""


@dataclass(frozen=True, slots=True)
class GroupChange:
    """What a PATCH does to a group; ``members`` is the whole new list, None to leave it."""

    name: str | None = None
    external_id: str | None = None
    members: tuple[str, ...] | None = None
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


def parse_filter(text: str, known: Sequence[str]) -> dict[str, str]:
    """Read ``attribute eq value`` terms joined by ``and``; attribute (lower case) → value.

    Raises SCIMError(invalidFilter) for anything else: a filter half understood would show people
    that were not asked for (RFC 7644 section 3.4.2.2).
    """
    found: dict[str, str] = {}
    place, names = 0, {name.lower() for name in known}
    while place < len(text):
        term = _TERM.match(text, place)
        name = _bare(term[1]).lower() if term else ""
        if term is None or name not in names or name in found:
            raise SCIMError("invalidFilter", msg("This filter is not understood."))
        found[name] = _value(term[2])
        place = term.end()
        if bool(term[3]) != (place < len(text)):  # "and" stands between two terms, only there
            raise SCIMError("invalidFilter", msg("This filter is not understood."))
    return found


def _bare(name: str) -> str:
    """Take the schema away that may stand before an attribute."""
    for schema in (USER, GROUP):
        if name.lower().startswith(f"{schema.lower()}:"):
            return name[len(schema) + 1 :]
    return name


def _value(word: str) -> str:
    if not word.startswith('"'):
        return word.lower()
    return word[1:-1].replace('\\"', '"').replace("\\\\", "\\")


def read_user(body: Mapping[str, Any], before: User | None = None) -> User:
    """Return the user a POST or PUT describes; raise SCIMError for one it cannot be."""
    was = before or User()
    made = replace(was, name="", active=True, department="", manager_id="")
    for name, value in _display_name_last(body):
        made = _set_user(made, name, value)
    if not made.email:
        raise SCIMError("invalidValue", msg("A user needs a userName, which is an e-mail address."))
    return made if made.name else replace(made, name=was.name or made.email)


def _display_name_last(body: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Give attributes so that displayName wins over the parts of a name."""
    return sorted(body.items(), key=lambda item: item[0].lower() == "displayname")


def patch_user(before: User, body: Mapping[str, Any]) -> User:
    """Return a user after a PATCH (RFC 7644 section 3.5.2); raise SCIMError for a bad one."""
    made = before
    for op, path, value in read_operations(body):
        if op == "remove":
            if not path:
                raise SCIMError("noTarget", msg("A removal needs a path."))
            made = _set_user(made, path, None)
        elif path:
            made = _set_user(made, path, value)
        elif isinstance(value, Mapping):
            for name, item in _display_name_last(value):
                made = _set_user(made, str(name), item)
        else:
            raise SCIMError("invalidValue", msg("A change without a path needs an object."))
    return made


def read_operations(body: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    """Return op (lower case), path and value of each operation of a PATCH."""
    operations = body.get("Operations")
    if not isinstance(operations, list) or not 0 < len(operations) <= _MOST_OPERATIONS:
        raise SCIMError("invalidSyntax", msg("A PATCH needs a list of Operations."))
    found = []
    for item in operations:
        op = str(item.get("op", "")).lower() if isinstance(item, Mapping) else ""
        if op not in {"add", "replace", "remove"}:
            raise SCIMError("invalidSyntax", msg("An operation is add, replace or remove."))
        path = item.get("path") or ""
        if not isinstance(path, str):
            raise SCIMError("invalidPath", msg("This path is not understood."))
        found.append((op, path, item.get("value")))
    return found


def _set_user(user: User, path: str, value: Any) -> User:
    """Set one attribute; None removes it, an unknown one is read over."""
    setter = _SETTERS.get(_fold_path(path))
    return setter(user, value) if setter else user


def _fold_path(path: str) -> str:
    """Return a path in one form: no schema of the core, no ``[type eq "work"]``, lower case."""
    plain = re.sub(r"\[[^\]]*\]", "", _bare(path)).lower()
    return plain.replace(f"{ENTERPRISE.lower()}:", "enterprise.")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise SCIMError("invalidValue", msg("Text is expected here."))
    return value.strip()


def _set_email(user: User, value: Any) -> User:
    return replace(user, email=_text(value).lower())


def _set_name(user: User, value: Any) -> User:
    """Set the name from displayName, name.formatted, or the parts of a name."""
    if not isinstance(value, Mapping):
        return replace(user, name=_text(value) or user.name)
    parts = [_text(value.get(part)) for part in ("familyName", "givenName")]
    whole = _text(value.get("formatted")) or " ".join(part for part in parts if part)
    return replace(user, name=whole or user.name)


def _set_active(user: User, value: Any) -> User:
    """Set whether the person works here; Microsoft Entra ID sends "True" and "False"."""
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        value = value.lower() == "true"
    if not isinstance(value, bool):
        raise SCIMError("invalidValue", msg("“active” is true or false."))
    return replace(user, active=value)


def _set_language(user: User, value: Any) -> User:
    """Set the language, if it is one that Sekisho speaks (RFC 7643: an Accept-Language value)."""
    spoken = _text(value).lower().split(",")[0].split("-")[0].strip()
    return replace(user, language=spoken if spoken in {"ja", "en"} else user.language)


def _set_manager(user: User, value: Any) -> User:
    inner = value.get("value") if isinstance(value, Mapping) else value
    return replace(user, manager_id=_text(inner))


def _set_enterprise(user: User, value: Any) -> User:
    if not isinstance(value, Mapping):
        return replace(user, department="", manager_id="")
    for name, item in value.items():
        user = _set_user(user, f"{ENTERPRISE}:{name}", item)
    return user


_SETTERS: Mapping[str, Callable[[User, Any], User]] = {
    "username": _set_email,
    "displayname": _set_name,
    "name": _set_name,
    "name.formatted": _set_name,
    "active": _set_active,
    "externalid": lambda user, value: replace(user, external_id=_text(value)),
    "preferredlanguage": _set_language,
    ENTERPRISE.lower(): _set_enterprise,
    "enterprise.department": lambda user, value: replace(user, department=_text(value)),
    "enterprise.manager": _set_manager,
    "enterprise.manager.value": _set_manager,
}


def read_group(body: Mapping[str, Any]) -> GroupChange:
    """Return the group a POST or PUT describes; raise SCIMError without a displayName."""
    name = _text(body.get("displayName"))
    if not name:
        raise SCIMError("invalidValue", msg("A group needs a displayName."))
    return GroupChange(name, _text(body.get("externalId")), read_members(body.get("members")))


def read_members(value: Any) -> tuple[str, ...]:
    """Return the ids in a list of members."""
    items = value if isinstance(value, list) else [] if value is None else [value]
    ids = [_text(item.get("value") if isinstance(item, Mapping) else item) for item in items]
    return tuple(dict.fromkeys(name for name in ids if name))


def patch_group(body: Mapping[str, Any]) -> GroupChange:
    """Return what a PATCH does to a group; raise SCIMError for a path that is not understood."""
    made = GroupChange()
    for op, path, value in read_operations(body):
        if not path and isinstance(value, Mapping):
            for name, item in value.items():
                made = _patch_group(made, op, str(name), item)
        else:
            made = _patch_group(made, op, path, value)
    return made


def _patch_group(made: GroupChange, op: str, path: str, value: Any) -> GroupChange:
    one, name = _MEMBER.match(path), _bare(path).lower()
    if one and op == "remove":
        return replace(made, remove=(*made.remove, one[1]))
    if name == "members":
        return _patch_members(made, op, value)
    if name in {"displayname", "externalid"} and op != "remove":
        text = _text(value)
        named = name == "displayname"
        return replace(made, name=text) if named else replace(made, external_id=text)
    if name in {"id", "schemas", "meta"}:
        return made
    raise SCIMError("invalidPath", msg("This path is not understood."))


def _patch_members(made: GroupChange, op: str, value: Any) -> GroupChange:
    if op == "remove" and value is None:
        return replace(made, members=(), add=(), remove=())
    named = read_members(value)
    if op == "replace":
        return replace(made, members=named, add=(), remove=())
    if op == "add":
        return replace(made, add=(*made.add, *named))
    return replace(made, remove=(*made.remove, *named))


def error_body(status: int, detail: str, scim_type: str = "") -> dict[str, Any]:
    """Return the body of an error (RFC 7644 section 3.12)."""
    body: dict[str, Any] = {"schemas": [ERROR], "status": str(status), "detail": detail}
    return body | ({"scimType": scim_type} if scim_type else {})


def list_body(resources: Sequence[Mapping[str, Any]], total: int, start: int) -> dict[str, Any]:
    """Return the body of a list (RFC 7644 section 3.4.2)."""
    return {"schemas": [LIST], "totalResults": total, "startIndex": start,
            "itemsPerPage": len(resources), "Resources": list(resources)}  # fmt: skip

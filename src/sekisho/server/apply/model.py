"""What a folder says and what is: items with fields, and the steps from one to the other (pure).

A field holds a text, or a set of texts (members, roles, topics). Units are named by their path
from the top down: ``Head office / Sales``; a slash within a name is written twice.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from sekisho.controls.faults import Fault
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import Text, msg

Value = str | frozenset[str]
Key = tuple[str, ...]
_SINGLE_SLASH = re.compile(r"(?<!/)/(?!/)")
_BETWEEN = " / "
_AT = " @ "
_SHORT = 12
SEALED = "•••"  # stands for a secret that is kept; its value is never shown


class Kind(StrEnum):
    """What a folder can speak of, in the order in which it is done."""

    CONTENT = "content"
    UNIT = "unit"
    GROUP = "group"
    ROLES = "roles"
    SIGN_IN = "sign_in"
    SELF_CHECK = "self_check"
    CHANNEL = "channel"
    RESOURCE = "resource"
    POLICY = "policy"  # the last: all of them are one step, and name what the others made


class Act(StrEnum):
    """What a step does."""

    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"


FILES: Mapping[Kind, str] = {
    Kind.UNIT: "units.yaml",
    Kind.GROUP: "groups.yaml",
    Kind.ROLES: "roles.yaml",
    Kind.SIGN_IN: "sign_in.yaml",
    Kind.SELF_CHECK: "self_checks.yaml",
    Kind.CHANNEL: "channels.yaml",
    Kind.RESOURCE: "resources.yaml",
    Kind.POLICY: "policies.yaml",
}


CONTENT_FILE = "content.yaml"  # says whether the files of content are all there shall be


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file, the line counted from 1."""

    file: str
    line: int

    def fault(self, message: Text) -> Fault:
        """Return the mistake that stands here."""
        return Fault(self.file, self.line, message)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is: what it is known by, what it says, its id and version."""

    kind: Kind
    key: Key
    fields: Mapping[str, Value]
    id: str = ""
    version: int = 0
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One thing as a file wants it; fields that are not given are left alone.

    ``complete``: sets hold exactly what is given. ``marks`` says where a value stands; ``secrets``
    names the environment variable that holds each. ``text`` is the whole of a file of content.
    """

    kind: Kind
    key: Key
    fields: Mapping[str, Value]
    mark: Mark
    complete: bool = False
    marks: Mapping[str, Mark] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Section:
    """One file: its items, and whether what it does not list is to go."""

    kind: Kind
    items: tuple[Wanted, ...]
    mark: Mark
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of a step, before and after."""

    field: str
    before: Value
    after: Value


@dataclass(frozen=True, slots=True)
class Step:
    """One act of a plan; ``fields`` is all that the thing will say afterwards.

    ``marks`` says where a value of it stands, as in ``Wanted``.
    """

    act: Act
    kind: Kind
    key: Key
    differences: tuple[Difference, ...]
    fields: Mapping[str, Value]
    mark: Mark
    present: Item | None = None
    text: str = field(default="", repr=False)
    marks: Mapping[str, Mark] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """Return the name under which people know the thing."""
        return " ".join(part for part in self.key if part)

    def value(self, name: str, default: str = "") -> str:
        """Return a field that holds one text."""
        found = self.fields.get(name, default)
        return found if isinstance(found, str) else default

    def values(self, name: str) -> frozenset[str]:
        """Return a field that holds a set."""
        found = self.fields.get(name, frozenset())
        return found if isinstance(found, frozenset) else frozenset()


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done, in this order; ``notes`` is what else there is to know about it."""

    steps: tuple[Step, ...]
    notes: tuple[Text, ...] = ()

    @property
    def digest(self) -> str:
        """Return twelve hexadecimal digits that any other plan is most unlikely to have."""
        said = [_said(step) for step in self.steps]
        return hashlib.sha256(msgspec.json.encode(said)).hexdigest()[:_SHORT]


def _said(step: Step) -> list[object]:
    changes = [[d.field, plain(d.before), plain(d.after)] for d in step.differences]
    return [step.act, step.kind, step.key, step.present.id if step.present else "", changes]


class FolderError(InvalidInputError):
    """A folder cannot be applied; ``faults`` are all mistakes found, in reading order."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda f: (f.file, f.line, str(f.message))))
        super().__init__(
            msg("The folder has %(count)s mistakes; nothing was changed.", count=len(self.faults)),
            hint=msg("Correct each at its file and line, then try again."),
        )


def plain(value: Value) -> str | list[str]:
    """Return a value as JSON and YAML have it, sets in order."""
    return value if isinstance(value, str) else sorted(value)


def write_path(names: Iterable[str]) -> str:
    """Write the names of units from the top down as one text."""
    return _BETWEEN.join(name.replace("/", "//") for name in names)


def read_path(text: str) -> tuple[str, ...]:
    """Return the names in a written path."""
    parts = (" ".join(part.split()) for part in _SINGLE_SLASH.split(text))
    return tuple(part.replace("//", "/") for part in parts)


def fold(path: str) -> str:
    """Return what two paths of the same unit have in common, however they are written."""
    return write_path(read_path(path)).casefold()


def write_role(role: str, unit: str = "") -> str:
    """Write a role with the path of the unit where it is held ("" = everywhere)."""
    return f"{role}{_AT}{unit}" if unit else role


def read_role(text: str) -> tuple[str, str]:
    """Return (role, path of the unit or "")."""
    role, _, unit = text.partition(_AT)
    return role, unit

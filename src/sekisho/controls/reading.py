"""Reading YAML with positions: every fault is noted with its line, and reading goes on.

Anchors and duplicate keys are refused (YAML 1.2.2 sections 3.2.2.2 and 3.2.1.3): the first let a
small file grow without end, the second hide half of what a person reads.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, TypeVar

import yaml

from sekisho.controls.faults import Fault
from sekisho.kernel.i18n import LANGUAGES, Text, msg

_Loader: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_DURATION = re.compile(r"([1-9]\d{0,4})(m|h|d)\Z")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
MAX_CHARACTERS = 200_000

_Closed = TypeVar("_Closed", bound=StrEnum)


@dataclass(slots=True)
class Source:
    """One file under way: its name, the faults found so far, how many characters it may have."""

    file: str
    faults: list[Fault] = field(default_factory=list)
    longest: int = MAX_CHARACTERS

    def note(self, line: int, message: Text) -> None:
        """Remember a fault and go on."""
        self.faults.append(Fault(self.file, line, message))

    def parse(self, text: str) -> "Place | None":
        """Return the root of ``text``, ``None`` if it is no usable YAML."""
        if len(text) > self.longest:
            self.note(1, msg("The file is too long (%(got)s characters).", got=len(text)))
            return None
        try:
            for event in yaml.parse(text, Loader=_Loader):
                if isinstance(event, yaml.AliasEvent):
                    mark = event.start_mark
                    self.note(mark.line + 1 if mark else 1, msg("YAML anchors are not accepted."))
                    return None
            node = yaml.compose(text, Loader=_Loader)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
            why = str(getattr(error, "problem", None) or error)
            self.note(mark.line + 1 if mark else 1, msg("This is no YAML: %(why)s", why=why))
            return None
        if node is None:
            self.note(1, msg("The file is empty."))
            return None
        return Place(self, node)


@dataclass(frozen=True, slots=True)
class Place:
    """One value in a file."""

    source: Source
    node: Any

    @property
    def line(self) -> int:
        """Return the line, counted from 1."""
        return int(self.node.start_mark.line) + 1

    @property
    def where(self) -> str:
        """Return file and line as people write them."""
        return f"{self.source.file}:{self.line}"

    def note(self, message: Text) -> None:
        """Remember a fault at this place."""
        self.source.note(self.line, message)

    def entries(self) -> dict[str, "Place"]:
        """Return the entries of a mapping; notes duplicates and what is no mapping."""
        if not isinstance(self.node, yaml.MappingNode):
            self.note(msg("Expected a mapping (key: value)."))
            return {}
        found: dict[str, Place] = {}
        for key, value in self.node.value:
            name = str(key.value)
            if name in found:
                Place(self.source, key).note(msg("The key “%(key)s” stands here twice.", key=name))
            found[name] = Place(self.source, value)
        return found

    def fields(self, required: Iterable[str], optional: Iterable[str] = ()) -> dict[str, "Place"]:
        """Return the entries of a mapping whose keys are known; notes missing and unknown ones."""
        found = self.entries()
        needed, known = tuple(required), {*required, *optional}
        for name in needed:
            if name not in found:
                self.note(msg("The key “%(key)s” is missing.", key=name))
        for name, place in found.items():
            if name not in known:
                place.note(
                    msg("The key “%(key)s” is not known; known are: %(known)s.",
                        key=name, known=", ".join(sorted(known)))
                )  # fmt: skip
        return found

    def items(self) -> Iterator["Place"]:
        """Yield the items of a list; notes what is none."""
        if not isinstance(self.node, yaml.SequenceNode):
            self.note(msg("Expected a list."))
            return
        for item in self.node.value:
            yield Place(self.source, item)

    def text(self) -> str:
        """Return a text that is not empty."""
        if not isinstance(self.node, yaml.ScalarNode) or not self.node.value.strip():
            self.note(msg("Expected a text that is not empty."))
            return ""
        return str(self.node.value).strip()

    def integer(self, lowest: int, highest: int) -> int:
        """Return a whole number within bounds."""
        raw = self.node.value if isinstance(self.node, yaml.ScalarNode) else ""
        value = int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 10 else None  # noqa: PLR2004 - nine digits fit in 32 bits
        if value is None or not lowest <= value <= highest:
            self.note(
                msg("Expected a whole number from %(low)s to %(high)s.", low=lowest, high=highest)
            )
            return lowest
        return value

    def duration(self) -> timedelta:
        """Return a length of time such as ``30m``, ``12h`` or ``3d``."""
        found = _DURATION.match(self.text())
        if found is None:
            self.note(msg("Expected a length of time such as 30m, 12h or 3d."))
            return timedelta(days=1)
        return timedelta(**{_UNITS[found[2]]: int(found[1])})

    def choice(self, kind: type[_Closed]) -> _Closed:
        """Return one word of a closed set."""
        word = self.text()
        members = list(kind)
        for member in members:
            if member.value == word:
                return member
        self.note(
            msg("“%(got)s” is not known; expected one of: %(known)s.",
                got=word, known=", ".join(m.value for m in members))
        )  # fmt: skip
        return members[0]

    def localized(self) -> Mapping[str, str]:
        """Return a text in both languages."""
        return {name: place.text() for name, place in self.fields(LANGUAGES).items()}

    def plain(self) -> Any:
        """Return the value as Python has it; duplicates are noted on the way."""
        if isinstance(self.node, yaml.MappingNode):
            return {name: place.plain() for name, place in self.entries().items()}
        if isinstance(self.node, yaml.SequenceNode):
            return [place.plain() for place in self.items()]
        tag = self.node.tag.rpartition(":")[2]
        if tag == "int" and self.node.value.lstrip("-").isdigit():
            return int(self.node.value)
        return None if tag == "null" else str(self.node.value)

"""YAML with lines, read without trust: depth, size, aliases and repeated keys are bounded.

The tree is built from libyaml's events with a stack of our own: libyaml's and PyYAML's own
composers recurse in C and die of deep nesting. Scalars follow YAML 1.2's core schema (only true
and false are booleans), and a number is one only if written plainly: ``0x17``, ``007`` and
``1.10`` stay as written, since that is how logs hold them.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from sekisho.detection.language.faults import LanguageError
from sekisho.kernel.i18n import Text, msg

_Loader: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
LARGEST_FILE = 16 * 1024 * 1024
MOST_VALUES = 200_000
DEEPEST = 50
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+")
_CORE_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")
) | {"!"}
_TEXT_TAG = "tag:yaml.org,2002:str"
_WORDS: dict[str, bool | None] = {
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    "null": None, "Null": None, "NULL": None, "~": None, "": None,
}  # fmt: skip

Scalar = str | int | float | bool | None


class Block(dict[str, Any]):
    """A mapping that knows its line and those of its keys (from 1)."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}


class Items(list[Any]):
    """A list that knows its line and those of its items (from 1)."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: list[int] = []


def read_documents(content: bytes) -> Iterator[Any]:
    """Yield each document of a file that is not empty: Block, Items or a scalar.

    Raises LanguageError, with its line, at the first thing that is no acceptable YAML; documents
    before it have been yielded by then.
    """
    builder = _Builder()
    try:
        for event in yaml.parse(_decode(content), Loader=_Loader):
            builder.take(event)
            if builder.done:
                yield from builder.finish()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        why = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
        raise LanguageError(
            msg("This is no YAML: %(why)s.", why=why.splitlines()[0]),
            msg("A rule is YAML, one document a rule."),
            msg("Mind the indentation, and put values with special characters in quotes."),
            mark.line + 1 if mark else 1,
        ) from None


def _decode(content: bytes) -> str:
    if len(content) > LARGEST_FILE:
        raise LanguageError(
            msg("The file has %(got)s bytes.", got=len(content)),
            msg("At most %(most)s bytes are read.", most=LARGEST_FILE),
            msg("Split it into several files."),
            1,
        )
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise LanguageError(
            msg("Byte %(byte)s is no UTF-8.", byte=error.start + 1),
            msg("Rules are written in UTF-8."),
            msg("Save the file again as UTF-8."),
            content.count(b"\n", 0, error.start) + 1,
        ) from None


class _Builder:
    """Builds one document after the other from YAML events."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self.done = False
        self.root: Any = None
        self.stack: list[tuple[Block | Items, str | None]] = []
        self.key: tuple[str, int] | None = None
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.opened: list[tuple[str | None, int]] = []
        self.count = 0

    def finish(self) -> Iterator[Any]:
        """Yield the document just read, unless it was empty."""
        root = self.root
        self._start()
        if root is not None:
            yield root

    def take(self, event: Any) -> None:
        """Take one event; raises LanguageError for what is not accepted."""
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self._count(event)
            self._add(_scalar(event), event)
        elif kind is yaml.MappingStartEvent:
            self._open(Block(_line(event)), event)
        elif kind is yaml.SequenceStartEvent:
            self._open(Items(_line(event)), event)
        elif kind in {yaml.MappingEndEvent, yaml.SequenceEndEvent}:
            self._close()
        elif kind is yaml.AliasEvent:
            self._alias(event)
        elif kind is yaml.DocumentEndEvent:
            self.done = True

    def _count(self, event: Any, values: int = 1) -> None:
        self.count += values
        if self.count > MOST_VALUES:
            raise LanguageError(
                msg("The document has more than %(most)s values.", most=MOST_VALUES),
                msg("A rule is far smaller."),
                msg("Split it, and use no anchors that multiply."),
                _line(event),
            )

    def _open(self, value: Block | Items, event: Any) -> None:
        self._count(event)
        if event.tag is not None and event.tag not in _CORE_TAGS:
            raise _strange_tag(event)
        if len(self.stack) >= DEEPEST:
            raise LanguageError(
                msg("Values are nested more than %(most)s deep.", most=DEEPEST),
                msg("A rule needs four or five levels."),
                msg("Look for brackets that were not closed."),
                _line(event),
            )
        place = self._place(event)
        self.stack.append((value, None))
        self.opened.append((event.anchor, self.count))
        self._put(value, place)

    def _close(self) -> None:
        value, _ = self.stack.pop()
        anchor, before = self.opened.pop()
        if anchor is not None:
            self.anchors[anchor] = (value, self.count - before + 1)

    def _alias(self, event: Any) -> None:
        if event.anchor not in self.anchors:
            raise LanguageError(
                msg("The alias “%(name)s” stands before its anchor ends.", name=event.anchor),
                msg("An alias repeats a value that is complete."),
                msg("Write the value out."),
                _line(event),
            )
        value, values = self.anchors[event.anchor]
        self._count(event, values)
        self._add(value, event)

    def _add(self, value: Any, event: Any) -> None:
        parent = self.stack[-1][0] if self.stack else None
        if isinstance(parent, Block) and self.key is None:
            self.key = (_key(value, event, parent), _line(event))
            return
        if event.anchor is not None and not isinstance(event, yaml.AliasEvent):
            self.anchors[event.anchor] = (value, 1)
        self._put(value, self._place(event))

    def _place(self, event: Any) -> tuple[Block | Items | None, str, int]:
        """Say where the next value goes; a mapping's key is used up by it."""
        if not self.stack:
            return None, "", _line(event)
        parent = self.stack[-1][0]
        if isinstance(parent, Items):
            return parent, "", _line(event)
        if self.key is None:
            raise LanguageError(
                msg("A key is a list or a mapping."), msg("A key is a text."), line=_line(event)
            )
        name, line = self.key
        self.key = None
        return parent, name, line

    def _put(self, value: Any, place: tuple[Block | Items | None, str, int]) -> None:
        parent, name, line = place
        if parent is None:
            self.root = value
        elif isinstance(parent, Items):
            parent.append(value)
            parent.lines.append(line)
        else:
            parent[name] = value
            parent.lines[name] = line


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _key(value: Any, event: Any, parent: Block) -> str:
    if isinstance(value, Block | Items):
        raise LanguageError(
            msg("A key is a list or a mapping."), msg("A key is a text."), line=_line(event)
        )
    key = str(event.value) if isinstance(event, yaml.ScalarEvent) else str(value)
    if key == "<<":
        raise LanguageError(
            msg("“<<” merges one mapping into another."),
            msg("Each mapping is written out."),
            line=_line(event),
        )
    if key in parent:
        raise LanguageError(
            msg("The key “%(key)s” stands here twice.", key=key),
            msg("Each key stands once; YAML would silently forget the first."),
            msg("Put both values in one list, or in two selections."),
            _line(event),
        )
    return key


def _scalar(event: Any) -> Scalar:
    tag, text = event.tag, str(event.value)
    if tag is not None and tag not in _CORE_TAGS:
        raise _strange_tag(event)
    if tag in (_TEXT_TAG, "!") or not event.implicit[0]:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text) and repr(float(text)) == text:
        return float(text)
    return text


def _strange_tag(event: Any) -> LanguageError:
    fix: Text = msg("Leave the tag out.")
    return LanguageError(
        msg("The tag “%(tag)s” stands before a value.", tag=event.tag),
        msg("Values are texts, numbers, true, false and null."),
        fix,
        _line(event),
    )

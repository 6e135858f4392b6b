"""A rule or a filter of single events: its selections and its condition."""

from collections.abc import Mapping, Sequence
from typing import Any

from sekisho.detection.language.conditions import read_condition
from sekisho.detection.language.documents import Block, Items
from sekisho.detection.language.faults import LanguageError
from sekisho.detection.language.headers import Notes, line_of, read_header, read_log_source
from sekisho.detection.language.values import all_of, any_of, read_item
from sekisho.detection.model import (
    AllOf,
    AnyOf,
    AtLeast,
    Atom,
    Exists,
    Filter,
    Named,
    Node,
    Not,
    Rule,
)
from sekisho.kernel.i18n import msg

Placeholders = Mapping[str, Sequence[str]]
_NOT_SELECTIONS = frozenset({"condition", "timeframe", "rules"})
MOST_ATOMS = 50_000


def read_rule(doc: Block, notes: Notes, values: Placeholders) -> Rule | None:
    """Read one rule; None when it cannot be in force (the reasons are noted)."""
    header = read_header(doc, notes)
    source = read_log_source(doc)
    read = _read_detection(doc, "detection", notes, values)
    if read is None:
        return None
    selections, condition = read
    tree = substitute(condition, selections)
    return Rule(**header, logsource=source, selections=selections, condition=condition, tree=tree)


def read_filter(doc: Block, notes: Notes, values: Placeholders) -> Filter | None:
    """Read one filter; None when it cannot be in force (the reasons are noted)."""
    header = read_header(doc, notes)
    source = read_log_source(doc)
    read = _read_detection(doc, "filter", notes, values)
    if read is None:
        return None
    rules = _read_rules(doc["filter"])
    return Filter(**header, logsource=source, rules=rules, selections=read[0], condition=read[1])


def _read_rules(block: Block) -> tuple[str, ...] | None:
    value: Any = block.get("rules")
    listed = value if isinstance(value, list) else [value]
    if listed == ["any"]:
        return None
    named = tuple(one for one in listed if isinstance(one, str) and one)
    if not named or len(named) != len(listed):
        raise LanguageError(
            msg("The filter does not say which rules it is for."),
            msg("“rules” lists ids or names of rules, or is “any”."),
            line=line_of(block, "rules"),
        )
    return named


def _read_detection(
    doc: Block, key: str, notes: Notes, values: Placeholders
) -> tuple[dict[str, Node], Node] | None:
    block: Any = doc.get(key)
    if not isinstance(block, Block):
        raise LanguageError(
            msg("“%(key)s” is no mapping.", key=key),
            msg("It names selections and a condition."),
            line=line_of(doc, key),
        )
    before = len(notes.faults)
    selections: dict[str, Node] = {}
    for name, value in block.items():
        if name not in _NOT_SELECTIONS:
            selections[name] = _read_selection(block, name, value, notes, values)
    read = _conditioned(block, selections, line_of(doc, key), notes)
    return None if len(notes.faults) > before else read


def _conditioned(
    block: Block, selections: dict[str, Node], line: int, notes: Notes
) -> tuple[dict[str, Node], Node] | None:
    line = block.lines.get("condition", line)
    if "condition" not in block:
        notes.note(
            line, msg("There is no condition."), msg("“condition” says how selections join.")
        )
        return None
    try:
        condition = read_condition(block["condition"], selections)
        _refuse_growth(condition, selections)
    except LanguageError as error:
        notes.take(error, line)
        return None
    return selections, condition


_UNKNOWN = Atom("", Exists())
"""Stands for what could not be read, so that what is around it is judged all the same."""


def _read_selection(
    block: Block, name: str, value: Any, notes: Notes, values: Placeholders
) -> Node:
    try:
        return _selection(value, values, line_of(block, name), notes)
    except LanguageError as error:
        notes.take(error, line_of(block, name))
        return _UNKNOWN


def _selection(value: Any, values: Placeholders, line: int, notes: Notes) -> Node:
    """Read a selection: a mapping is AND, a list is OR, a bare value is a keyword."""
    if isinstance(value, Items):
        if not value:
            raise _empty(line)
        lines = value.lines
        return any_of(_one(one, values, at, notes) for one, at in zip(value, lines, strict=True))
    return _one(value, values, line, notes)


def _one(value: Any, values: Placeholders, line: int, notes: Notes) -> Node:
    if isinstance(value, Block):
        if not value:
            raise _empty(value.line)
        return all_of([_item(value, key, values, notes) for key in value])
    if isinstance(value, Items) or value is None:
        raise _empty(line)
    try:
        return read_item("", value, values)
    except LanguageError as error:
        raise error.at(line) from None


def _item(block: Block, key: str, values: Placeholders, notes: Notes) -> Node:
    try:
        return read_item(key, block[key], values)
    except LanguageError as error:
        notes.take(error, line_of(block, key))
        return _UNKNOWN


def _empty(line: int) -> LanguageError:
    return LanguageError(
        msg("A selection is empty, or a list within a list."),
        msg("A selection holds fields with values, or keywords."),
        line=line,
    )


def substitute(condition: Node, named: Mapping[str, Node]) -> Node:
    """Put what is named in the place of each name."""
    match condition:
        case Named(name):
            return named[name]
        case Not(part):
            return Not(substitute(part, named))
        case AllOf(parts):
            return all_of(substitute(part, named) for part in parts)
        case AnyOf(parts):
            return any_of(substitute(part, named) for part in parts)
        case AtLeast(count, parts):
            return AtLeast(count, tuple(substitute(part, named) for part in parts))
        case Atom():
            return condition


def _refuse_growth(condition: Node, selections: Mapping[str, Node]) -> None:
    """Refuse a condition that names large selections again and again."""
    sizes = {name: _size(node, {}) for name, node in selections.items()}
    if _size(condition, sizes) > MOST_ATOMS:
        raise LanguageError(
            msg("The rule makes more than %(most)s tests.", most=MOST_ATOMS),
            msg("A rule is far smaller."),
            msg("Split it into several rules."),
        )


def _size(node: Node, named: Mapping[str, int]) -> int:
    match node:
        case Named(name):
            return named[name]
        case Not(part):
            return _size(part, named)
        case AllOf(parts) | AnyOf(parts) | AtLeast(_, parts):
            return sum(_size(part, named) for part in parts)
        case Atom():
            return 1

"""Why a rule did or did not match one event: route by route, branch by branch, field by field.

Nothing is left out because the answer was already known: every branch is judged, so that a person
sees all that was missing. The words for it are the web's and the command line's.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from sekisho.detection.engine.reference import View, atom_holds, passes, view_of
from sekisho.detection.engine.routing import RoutingTable, fits
from sekisho.detection.engine.values import MISSING, all_leaves, leaves, text_of
from sekisho.detection.model import (
    AllOf,
    AnyOf,
    AtLeast,
    Atom,
    Event,
    Filter,
    Named,
    Node,
    Not,
    Route,
    Rule,
    SameAs,
)

MOST_VALUES = 50
LONGEST_VALUE = 2000


class Joint(StrEnum):
    """How the parts of a branch join."""

    ALL = "all"
    ANY = "any"
    NOT = "not"
    AT_LEAST = "at_least"
    NAMED = "named"
    TEST = "test"


class Tested(msgspec.Struct, frozen=True):
    """One test: what was expected of which field, and what stood there (texts, shortened).

    ``there`` is False where the event does not have the field. ``sources`` are the event's own
    fields of which the rule's field was made. ``other`` is what the field compared with holds.
    """

    atom: Atom
    there: bool
    got: tuple[str | None, ...]
    sources: tuple[str, ...] = ()
    other: tuple[str | None, ...] | None = None


class Branch(msgspec.Struct, frozen=True):
    """One branch of a condition and whether it held; ``name`` is that of a selection."""

    joint: Joint
    held: bool
    parts: tuple["Branch", ...] = ()
    name: str = ""
    count: int = 0
    tested: Tested | None = None


class RouteTold(msgspec.Struct, frozen=True):
    """How it went by one route: whether the event is of its kind, and each condition there.

    ``filters`` is by the filter's id; all must hold. Where the event is not of the kind, nothing
    else is judged.
    """

    route: Route
    fits: bool
    matched: bool
    also: Branch | None = None
    condition: Branch | None = None
    filters: tuple[tuple[str, Branch], ...] = ()


class Explanation(msgspec.Struct, frozen=True):
    """Why a rule did or did not match an event; by one route is enough."""

    rule_id: str
    matched: bool
    routes: tuple[RouteTold, ...]


def explain(
    rule: Rule, event: Event, table: RoutingTable, filters: Iterable[Filter] = ()
) -> Explanation:
    """Judge a rule on an event as the reference does, and tell every step.

    ``filters`` are those of the rule set; the ones that apply to the rule are told.
    """
    applied = [one for one in filters if one.id in rule.filters]
    told = tuple(
        _tell_route(rule, event, route, applied) for route in table.route(rule.logsource).routes
    )
    return Explanation(rule.id, any(one.matched for one in told), told)


def _tell_route(rule: Rule, event: Event, route: Route, filters: Iterable[Filter]) -> RouteTold:
    if not fits(route, event):
        return RouteTold(route, fits=False, matched=False)
    raw, view = view_of(event, Route()), view_of(event, route)
    return RouteTold(
        route,
        fits=True,
        matched=passes(route, rule.tree, event),
        also=None if route.also is None else _tell(route.also, raw, {}),
        condition=_tell(rule.condition, view, rule.selections),
        filters=tuple((one.id, _tell(one.condition, view, one.selections)) for one in filters),
    )


def _tell(node: Node, view: View, named: Mapping[str, Node]) -> Branch:
    match node:
        case Atom():
            held = atom_holds(node, view)
            return Branch(Joint.TEST, held, tested=_tell_test(node, view))
        case Named(name):
            part = _tell(named[name], view, named)
            return Branch(Joint.NAMED, part.held, (part,), name=name)
        case Not(part):
            inner = _tell(part, view, named)
            return Branch(Joint.NOT, not inner.held, (inner,))
        case AllOf(parts):
            told = _tell_all(parts, view, named)
            return Branch(Joint.ALL, all(one.held for one in told), told)
        case AnyOf(parts):
            told = _tell_all(parts, view, named)
            return Branch(Joint.ANY, any(one.held for one in told), told)
        case AtLeast(count, parts):
            told = _tell_all(parts, view, named)
            held = sum(one.held for one in told) >= count
            return Branch(Joint.AT_LEAST, held, told, count=count)


def _tell_all(parts: Iterable[Node], view: View, named: Mapping[str, Node]) -> tuple[Branch, ...]:
    return tuple(_tell(part, view, named) for part in parts)


def _tell_test(atom: Atom, view: View) -> Tested:
    if atom.field is None:
        return Tested(atom, there=True, got=_texts(all_leaves(view.fields)))
    value = view.value(atom.field)
    made = view.derived.get(atom.field)
    return Tested(
        atom,
        there=value is not MISSING,
        got=_said(value),
        sources=() if made is None else made.sources,
        other=_said(view.value(atom.test.other)) if isinstance(atom.test, SameAs) else None,
    )


def _said(value: object) -> tuple[str | None, ...]:
    return () if value is MISSING else _texts(leaves(value))


def _texts(values: Iterable[object]) -> tuple[str | None, ...]:
    """Return values as texts, so many and so long as a person can look at."""
    found: list[str | None] = []
    for value in values:
        if len(found) == MOST_VALUES:
            break
        text = text_of(value)
        found.append(text if text is None else text[:LONGEST_VALUE])
    return tuple(found)

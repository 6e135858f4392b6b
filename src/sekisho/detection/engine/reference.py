"""What a rule means for one event, by the specification: slow and obvious.

The compiled matcher is held equal to this one by property tests.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sekisho.detection.engine.derive import derive
from sekisho.detection.engine.globs import glob_matches
from sekisho.detection.engine.regexes import compile_regex
from sekisho.detection.engine.routing import RoutingTable, fits
from sekisho.detection.engine.values import (
    MISSING,
    addresses_in,
    all_leaves,
    find,
    leaves,
    network_of,
    number_of,
    text_of,
    time_part,
)
from sekisho.detection.model import (
    AllOf,
    AnyOf,
    AtLeast,
    Atom,
    Compare,
    Derived,
    Event,
    Exists,
    Glob,
    InNetwork,
    IsNull,
    Named,
    Node,
    Not,
    Operator,
    Place,
    Regex,
    Route,
    Rule,
    SameAs,
    Test,
)

_COMPARISONS: Mapping[Operator, Callable[[float, float], bool]] = {
    Operator.EQ: operator.eq,
    Operator.NEQ: operator.ne,
    Operator.LT: operator.lt,
    Operator.LTE: operator.le,
    Operator.GT: operator.gt,
    Operator.GTE: operator.ge,
}


@dataclass(frozen=True, slots=True)
class View:
    """An event as rules of one route see it; ``blank_is_null`` as in the logs of Windows."""

    fields: Mapping[str, object]
    derived: Mapping[str, Derived]
    blank_is_null: bool

    def value(self, name: str) -> object:
        """Return the value of a rule's field, MISSING if the event does not have it."""
        made = self.derived.get(name)
        if made is None:
            return find(self.fields, name)
        return derive(made, lambda source: find(self.fields, source))


def view_of(event: Event, route: Route) -> View:
    """See an event through a route."""
    return View(event.fields, route.fields, event.channel is not None)


def matches(rule: Rule, event: Event, table: RoutingTable) -> bool:
    """Say whether a rule matches an event, by any of its routes."""
    return any(passes(route, rule.tree, event) for route in table.route(rule.logsource).routes)


def passes(route: Route, tree: Node, event: Event) -> bool:
    """Say whether an event is of a route's kind and what a rule asks for holds there."""
    if not fits(route, event):
        return False
    raw = View(event.fields, {}, event.channel is not None)
    if route.also is not None and not holds(route.also, raw):
        return False
    return holds(tree, view_of(event, route))


def holds(node: Node, view: View) -> bool:
    """Say whether a condition without names holds."""
    match node:
        case Atom():
            return atom_holds(node, view)
        case AllOf(parts):
            return all(holds(part, view) for part in parts)
        case AnyOf(parts):
            return any(holds(part, view) for part in parts)
        case Not(part):
            return not holds(part, view)
        case AtLeast(count, parts):
            return sum(holds(part, view) for part in parts) >= count
        case Named(name):
            raise LookupError(name)


def atom_holds(atom: Atom, view: View) -> bool:
    """Say whether one test of one field (or of every value) holds."""
    test = atom.test
    if atom.field is None:
        return any(value_passes(test, value) for value in all_leaves(view.fields))
    value = view.value(atom.field)
    if isinstance(test, Exists):
        return value is not MISSING
    if isinstance(test, IsNull):
        return value is MISSING or any(_is_null(one, view) for one in leaves(value))
    if value is MISSING:
        return False
    if isinstance(test, SameAs):
        other = view.value(test.other)
        return other is not MISSING and any(
            _same(test, mine, its) for mine in leaves(value) for its in leaves(other)
        )
    return any(value_passes(test, one) for one in leaves(value))


def _is_null(value: object, view: View) -> bool:
    return value is None or (view.blank_is_null and value == "")


def value_passes(test: Test, value: object) -> bool:
    """Say whether one value passes a test that needs nothing else."""
    if isinstance(test, Compare):
        number = number_of(value) if test.part is None else time_part(value, test.part)
        return number is not None and _COMPARISONS[test.operator](number, test.number)
    text = text_of(value)
    if text is None:
        return False
    match test:
        case Glob(parts, cased):
            return glob_matches(parts, cased, text)
        case Regex(pattern, flags):
            return compile_regex(pattern, flags).found(text)
        case InNetwork(network):
            within = network_of(network)
            return any(one.version == within.version and one in within
                       for one in addresses_in(text))  # fmt: skip
        case _:
            return False


def _same(test: SameAs, value: object, other: object) -> bool:
    mine, its = text_of(value), text_of(other)
    if mine is None or its is None:
        return False
    if not test.cased:
        mine, its = mine.casefold(), its.casefold()
    match test.place:
        case Place.WHOLE:
            return mine == its
        case Place.START:
            return mine.startswith(its)
        case Place.END:
            return mine.endswith(its)
        case Place.WITHIN:
            return its in mine

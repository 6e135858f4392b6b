"""Which terms a rule cannot do without: it is tried only where one of them holds."""

from collections.abc import Callable
from typing import NamedTuple

from sekisho.detection.engine.compiled.terms import Kind
from sekisho.detection.engine.compiled.trees import Tree
from sekisho.detection.model import Exists, Glob, IsNull, Test, Wildcard

_COMMON = 50.0
_PLAIN = 0.2


class Need(NamedTuple):
    """At least one of ``terms`` holds whenever the tree does; ``cost`` guesses how often."""

    cost: float
    terms: frozenset[int]


def need(tree: Tree, cost: Callable[[int], float]) -> Need | None:
    """Return the rarest set of terms that ``tree`` needs one of, or None where it needs none."""
    if isinstance(tree, int):
        return Need(cost(tree), frozenset((tree,)))
    if tree.kind is Kind.NONE:
        return None
    found = [need(part, cost) for part in tree.parts]
    if tree.kind is Kind.ANY:
        return _any(found, len(found))
    known = sorted((one for one in found if one is not None), key=lambda one: one.cost)
    if tree.kind is Kind.ALL:
        return known[0] if known else None
    # So many hold that of any len - count + 1 parts at least one does.
    enough = len(found) - tree.count + 1
    return _any(list(known[:enough]), enough)


def _any(found: list[Need | None], enough: int) -> Need | None:
    known = [one for one in found if one is not None]
    if len(known) < enough or not known:
        return None
    return Need(sum(one.cost for one in known), frozenset().union(*(one.terms for one in known)))


def cost_of(test: Test, uses: int) -> float:
    """Guess how often ``test`` holds in vain: short texts and much used ones often."""
    if isinstance(test, (IsNull, Exists)):
        return _COMMON
    size = _PLAIN
    if isinstance(test, Glob):
        size = sum(len(part) for part in test.parts if not isinstance(part, Wildcard))
    return float((2 + uses) / (1 + size) ** 1.5)

"""Which terms a rule cannot do without: it is tried only where one of them may hold."""

from collections.abc import Callable
from typing import NamedTuple

from sekisho.detection.engine.compiled.terms import Kind
from sekisho.detection.engine.compiled.trees import Gate, Tree


class Need(NamedTuple):
    """At least one of ``terms`` holds whenever the tree does; ``cost`` guesses how often."""

    cost: float
    terms: frozenset[int]


def need(tree: Tree, cost: Callable[[int], float | None]) -> Need | None:
    """Return the rarest set of terms that ``tree`` needs one of, or None where it needs none.

    ``cost`` is None for terms that nobody can look for.
    """
    if isinstance(tree, int):
        alone = cost(tree)
        return None if alone is None else Need(alone, frozenset((tree,)))
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


def needs(tree: Tree, cost: Callable[[int], float | None]) -> list[Need]:
    """Return all that ``tree`` needs at once, the rarest first."""
    parts = tree.parts if isinstance(tree, Gate) and tree.kind is Kind.ALL else (tree,)
    found = [need(part, cost) for part in parts]
    return sorted((one for one in found if one is not None), key=lambda one: one.cost)


def _any(found: list[Need | None], enough: int) -> Need | None:
    known = [one for one in found if one is not None]
    if len(known) < enough or not known:
        return None
    return Need(sum(one.cost for one in known), frozenset().union(*(one.terms for one in known)))

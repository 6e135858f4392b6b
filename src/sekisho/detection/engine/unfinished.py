"""Which rules have expressions whose searches were given up: what those say is unknown (pure)."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from sekisho.detection.engine.compiled.terms import Plan, Uncut
from sekisho.detection.model import AllOf, AnyOf, AtLeast, Atom, Node, Not, Regex, Rule


def find_unsure(
    rules: Iterable[Rule], plan: Plan, unfinished: Mapping[str, int]
) -> Iterator[tuple[Rule, int]]:
    """Yield each rule with how many searches of its expressions are ``unfinished`` (by pattern).

    The rules are those of the ``plan``, in its order; they need not carry their trees.
    """
    if not unfinished:
        return
    trees = msgspec.msgpack.decode(plan.uncut, type=Uncut).trees
    for rule, tree in zip(rules, trees, strict=True):
        count = sum(unfinished.get(pattern, 0) for pattern in set(_patterns_in(tree)))
        if count:
            yield rule, count


def _patterns_in(node: Node) -> Iterator[str]:
    match node:
        case Atom(_, Regex(pattern)):
            yield pattern
        case Not(part):
            yield from _patterns_in(part)
        case AllOf(parts) | AnyOf(parts) | AtLeast(_, parts):
            for part in parts:
                yield from _patterns_in(part)

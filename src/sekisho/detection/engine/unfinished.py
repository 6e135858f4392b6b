"""Which rules have expressions whose searches were given up: what those say is unknown (pure)."""

from collections.abc import Iterable, Iterator, Mapping

from sekisho.detection.model import AllOf, AnyOf, AtLeast, Atom, Node, Not, Regex, Rule


def find_unsure(rules: Iterable[Rule], unfinished: Mapping[str, int]) -> Iterator[tuple[Rule, int]]:
    """Yield each rule with how many searches of its expressions are ``unfinished`` (by pattern)."""
    for rule in rules if unfinished else ():
        count = sum(unfinished.get(pattern, 0) for pattern in set(_patterns_in(rule.tree)))
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

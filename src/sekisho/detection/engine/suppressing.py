"""Whether a match is known and harmless: suppressions held against events.

A suppression's condition is a Sigma selection; it is read by the same loader as rules, as the
only selection of a rule that is made for it, and evaluated by the same evaluator. One that cannot
be read suppresses nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

import yaml

from sekisho.detection.library import Suppression
from sekisho.detection.model import Node, RuleFault

Holds = Callable[[Node], bool]
ReadNode = Callable[[bytes], tuple[Node | None, tuple[RuleFault, ...]]]


def write_rule(condition: str) -> bytes:
    """Write the rule whose only selection is this condition (YAML of a Sigma selection).

    The text is indented as a block, so that it can only ever be the selection. Raises
    yaml.YAMLError if it is no YAML.
    """
    selection = yaml.safe_load(condition)
    document = {
        "title": "suppression",
        "logsource": {"product": "any"},
        "detection": {"selection": selection, "condition": "selection"},
    }
    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False).encode()


class Suppressor:
    """Suppressions in force at one moment, ready to be asked about many matches."""

    def __init__(
        self, suppressions: Iterable[Suppression], now: datetime, read_node: ReadNode
    ) -> None:
        self._by_rule: dict[str, list[tuple[Suppression, Node | None]]] = {}
        for each in suppressions:
            if each.is_in_force(now):
                self._add(each, read_node)

    def _add(self, suppression: Suppression, read_node: ReadNode) -> None:
        node = None
        if suppression.condition.strip():
            node, _ = read_node(write_rule(suppression.condition))
            if node is None:
                return
        self._by_rule.setdefault(suppression.rule_id, []).append((suppression, node))

    @property
    def is_empty(self) -> bool:
        """Say whether nothing can be held back."""
        return not self._by_rule

    def find(self, rule_id: str, holds: Holds) -> Suppression | None:
        """Return the suppression that holds a match back; ``holds`` judges its event."""
        for suppression, node in self._of(rule_id):
            if node is None or holds(node):
                return suppression
        return None

    def _of(self, rule_id: str) -> Iterator[tuple[Suppression, Node | None]]:
        yield from self._by_rule.get(rule_id, ())
        yield from self._by_rule.get("", ())

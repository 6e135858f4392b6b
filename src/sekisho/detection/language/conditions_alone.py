"""A condition by itself, such as that of a suppression: read by the loader, as a rule's."""

from sekisho.detection.language.loading import RuleText, load_rules
from sekisho.detection.model import Node, RuleFault


def read_condition(rule_text: bytes) -> tuple[Node | None, tuple[RuleFault, ...]]:
    """Read the condition of the one rule in a text; None with the faults if there is none."""
    rule_set = load_rules([RuleText("condition", rule_text)])
    node = rule_set.rules[0].tree if rule_set.rules else None
    return node, rule_set.faults

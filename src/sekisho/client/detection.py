"""Detection rules: what is in force, where it comes from, how far it reaches in ATT&CK."""

from collections.abc import Sequence
from dataclasses import dataclass

from sekisho.client.http import Connection
from sekisho.detection.api import CoverageView, RuleFileView, RuleList, SourceView


@dataclass(frozen=True, slots=True)
class Detection:
    """What can be asked of a server about detection rules."""

    at: Connection

    def list_rules(
        self, *, search: str = "", level: str = "", technique: str = "", decided: str = "",
        page: int = 1,
    ) -> RuleList:  # fmt: skip
        """List rules; all that is given must hold (``decided``: tuned, off or suppressed)."""
        query = {"search": search, "level": level, "technique": technique, "decided": decided,
                 "page": page}  # fmt: skip
        return self.at.ask(RuleList, "GET", "/api/detection/rules", query=query)

    def get_rule(self, rule_id: str) -> RuleFileView:
        """Show one rule with its text."""
        path = "/api/detection/rules/{rule_id}"
        return self.at.ask(RuleFileView, "GET", path, rule_id=rule_id)

    def list_sources(self) -> Sequence[SourceView]:
        """List the sources of rules, the one that wins first."""
        return self.at.ask(tuple[SourceView, ...], "GET", "/api/detection/sources")

    def coverage(self) -> CoverageView:
        """Say how far the rules that are on reach in ATT&CK."""
        return self.at.ask(CoverageView, "GET", "/api/detection/coverage")

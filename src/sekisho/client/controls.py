"""Controls: those in force and how they stand."""

from dataclasses import dataclass

from sekisho.client.http import Connection
from sekisho.controls.api import ControlSummary, ControlView, LintReport, LintRequest


@dataclass(frozen=True, slots=True)
class Controls:
    """What can be asked of a server about controls."""

    at: Connection

    def list(self) -> tuple[ControlSummary, ...]:
        """List the controls in force, the worst first."""
        return self.at.ask(tuple[ControlSummary, ...], "GET", "/api/controls")

    def get(self, control_id: str) -> ControlView:
        """Show one control."""
        path = "/api/controls/{control_id}"
        return self.at.ask(ControlView, "GET", path, control_id=control_id)

    def lint(self, yaml: str) -> LintReport:
        """Hold the YAML of one control against every rule; nothing is stored."""
        return self.at.ask(LintReport, "POST", "/api/controls/lint", body=LintRequest(yaml))

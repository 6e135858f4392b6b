"""Findings: what is open, and whose it is."""

from dataclasses import dataclass

from sekisho.client.http import Connection
from sekisho.worklists.api import FindingList, FindingOwner, FindingView


@dataclass(frozen=True, slots=True)
class Findings:
    """What can be asked of a server about findings."""

    at: Connection

    def list(
        self, *, status: str = "open", severity: str = "", search: str = "", page: int = 1
    ) -> FindingList:
        """List findings, worst first."""
        query = {"status": status, "severity": severity, "search": search, "page": page}
        return self.at.ask(FindingList, "GET", "/api/findings", query=query)

    def assign(self, finding_id: str, owner: str | None) -> FindingView:
        """Give a finding to a person, or to nobody."""
        path = "/api/findings/{finding_id}/owner"
        return self.at.ask(
            FindingView, "PUT", path, body=FindingOwner(owner), finding_id=finding_id
        )

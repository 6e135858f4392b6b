"""Reports: what people told the CSIRT, and what was answered."""

from dataclasses import dataclass

from sekisho.cases.api import ReportFileView, ReportList
from sekisho.client.http import Connection


@dataclass(frozen=True, slots=True)
class Reports:
    """What can be asked of a server about reports."""

    at: Connection

    def list(
        self, *, search: str = "", kind: str = "", status: str = "", page: int = 1
    ) -> ReportList:
        """List reports, the newest first; all that is given must hold."""
        query = {"search": search, "kind": kind, "status": status, "page": page}
        return self.at.ask(ReportList, "GET", "/api/reports", query=query)

    def get(self, report_id: str) -> ReportFileView:
        """Show one report with its messages."""
        path = "/api/reports/{report_id}"
        return self.at.ask(ReportFileView, "GET", path, report_id=report_id)

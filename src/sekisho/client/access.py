"""Access: decisions for those who guard a way in of their own, the register, the log."""

from dataclasses import dataclass

from sekisho.access.api import (
    CutOrderView,
    CutView,
    DecisionView,
    LogList,
    NetworkList,
    NetworkView,
    Question,
    SessionList,
)
from sekisho.client.http import Connection


@dataclass(frozen=True, slots=True)
class Access:
    """What can be asked of a server about access."""

    at: Connection

    def decide(self, question: Question) -> DecisionView:
        """Ask whether a person may reach a resource; it needs the scope ``access.decide``."""
        return self.at.ask(DecisionView, "POST", "/api/access/decide", body=question)

    def list_sessions(self, *, search: str = "", page: int = 1) -> SessionList:
        """List who is connected to what since when."""
        query = {"search": search, "page": page}
        return self.at.ask(SessionList, "GET", "/api/access/sessions", query=query)

    def cut(self, session_id: str, reason: str, *, what: str = "one") -> CutView:
        """Cut one session, or all of its ``person`` or ``device``."""
        path, order = "/api/access/sessions/{session_id}/cut", CutOrderView(reason, what)
        return self.at.ask(CutView, "POST", path, body=order, session_id=session_id)

    def list_decisions(self, *, search: str = "", outcome: str = "", page: int = 1) -> LogList:
        """List decisions, the newest first."""
        query = {"search": search, "outcome": outcome, "page": page}
        return self.at.ask(LogList, "GET", "/api/access/decisions", query=query)

    def list_networks(self) -> NetworkList:
        """List the named networks with the policies that use each."""
        return self.at.ask(NetworkList, "GET", "/api/access/networks")

    def put_network(self, network: NetworkView, *, before: str = "") -> NetworkView:
        """Add a network, or change the one called ``before``."""
        path, name = "/api/access/networks/{name}", before or network.name
        return self.at.ask(NetworkView, "PUT", path, body=network, name=name)

    def remove_network(self, name: str) -> None:
        """Remove a network that no policy uses."""
        self.at.ask(bytes, "DELETE", "/api/access/networks/{name}", name=name)

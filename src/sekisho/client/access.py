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
from sekisho.access.published import (
    Proposal,
    ResourceList,
    ResourceView,
    StoredResourceView,
    VersionList,
    VersionView,
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

    def list_resources(self) -> ResourceList:
        """List what people reach through the gate."""
        return self.at.ask(ResourceList, "GET", "/api/access/resources")

    def get_resource(self, key: str) -> StoredResourceView:
        """Return a resource by its short name or id."""
        return self.at.ask(StoredResourceView, "GET", "/api/access/resources/{key}", key=key)

    def put_resource(
        self, key: str, resource: ResourceView, *, version: int = 0
    ) -> StoredResourceView:
        """Add the resource of this short name, or change it; ``version`` as it was read, 0 any."""
        return self.at.ask(
            StoredResourceView, "PUT", "/api/access/resources/{key}", body=resource,
            query={"version": version}, key=key,
        )  # fmt: skip

    def remove_resource(self, key: str) -> None:
        """Remove a resource; its connections are cut."""
        self.at.ask(bytes, "POST", "/api/access/resources/{key}/remove", key=key)

    def show_policies(self) -> VersionView:
        """Return the policies in force."""
        return self.at.ask(VersionView, "GET", "/api/access/policies")

    def list_versions(self, *, page: int = 1) -> VersionList:
        """List versions of the policies, the newest first."""
        query = {"page": page}
        return self.at.ask(VersionList, "GET", "/api/access/policies/versions", query=query)

    def propose_policies(self, proposal: Proposal) -> VersionView:
        """Propose all policies anew."""
        return self.at.ask(VersionView, "POST", "/api/access/policies", body=proposal)

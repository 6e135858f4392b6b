"""Acts on many rows, and saved views."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sekisho.client.http import Connection
from sekisho.worklists.api import ActList, ActOrder, ActRow, ActView, ViewShape


@dataclass(frozen=True, slots=True)
class Acts:
    """What can be asked of a server about acts on many."""

    at: Connection

    def plan(
        self, listing: str, kind: str, words: Mapping[str, str], *, ids: Sequence[str] = (),
        query: str = "",
    ) -> ActView:  # fmt: skip
        """Plan an act on these rows, or on all that match; nothing is done before ``start``."""
        order = ActOrder(listing, kind, dict(words), list(ids), query)
        return self.at.ask(ActView, "POST", "/api/acts", body=order)

    def list(self, *, offset: int = 0) -> ActList:
        """List the acts that were started, the latest first."""
        return self.at.ask(ActList, "GET", "/api/acts", query={"offset": offset})

    def show(self, act_id: str) -> ActView:
        """Show how far an act has come."""
        return self.at.ask(ActView, "GET", "/api/acts/{act_id}", act_id=act_id)

    def list_rows(self, act_id: str, *, outcome: str = "", offset: int = 0) -> Sequence[ActRow]:
        """List what became of each row."""
        query, path = {"outcome": outcome, "offset": offset}, "/api/acts/{act_id}/rows"
        return self.at.ask(tuple[ActRow, ...], "GET", path, query=query, act_id=act_id)

    def start(self, act_id: str) -> ActView:
        """Let a planned act be done."""
        return self.at.ask(ActView, "POST", "/api/acts/{act_id}/start", act_id=act_id)

    def stop(self, act_id: str) -> ActView:
        """Stop a running act."""
        return self.at.ask(ActView, "POST", "/api/acts/{act_id}/stop", act_id=act_id)

    def undo(self, act_id: str) -> ActView:
        """Plan what takes an act back."""
        return self.at.ask(ActView, "POST", "/api/acts/{act_id}/undo", act_id=act_id)

    def list_views(self, listing: str = "") -> Sequence[ViewShape]:
        """List saved views."""
        query = {"listing": listing}
        return self.at.ask(tuple[ViewShape, ...], "GET", "/api/views", query=query)

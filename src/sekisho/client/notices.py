"""Notices: one's own, and the queue of what leaves."""

from dataclasses import dataclass

from sekisho.client.http import Connection
from sekisho.notices.api import Again, DeliveryList, NoticeList


@dataclass(frozen=True, slots=True)
class Notices:
    """What can be asked of a server about notices."""

    at: Connection

    def list(self, page: int = 1) -> NoticeList:
        """List one's own notices, the newest first."""
        return self.at.ask(NoticeList, "GET", "/api/notices", query={"page": page})

    def queue(self, *, status: str = "", channel: str = "", page: int = 1) -> DeliveryList:
        """List what is on its way, was sent or could not leave."""
        query = {"status": status, "channel": channel, "page": page}
        return self.at.ask(DeliveryList, "GET", "/api/notices/queue", query=query)

    def send_again(self, wanted: Again) -> dict[str, int]:
        """Send again what could not leave; says how many."""
        return self.at.ask(dict[str, int], "POST", "/api/notices/again", body=wanted)

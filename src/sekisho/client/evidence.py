"""Evidence: records, where the chain stands, checkpoints, erasures."""

from dataclasses import dataclass

from sekisho.client.http import Connection
from sekisho.evidence.api import Erased, Erasure, RecordPage
from sekisho.evidence.model import Checkpoint, EvidenceState, Record, SigningKey


@dataclass(frozen=True, slots=True)
class Evidence:
    """What can be asked of a server about evidence."""

    at: Connection

    def records(
        self,
        *,
        search: str = "",
        kind: str = "",
        subject: str = "",
        before: int | None = None,
        limit: int = 50,
    ) -> RecordPage:
        """List records, the newest first; ``before`` is ``next`` of the page in front."""
        query = {
            "search": search,
            "kind": kind,
            "subject": subject,
            "before": before,
            "limit": limit,
        }
        return self.at.ask(RecordPage, "GET", "/api/evidence/records", query=query)

    def record(self, wanted: str) -> Record:
        """Show one evidence record, by its number or id."""
        return self.at.ask(Record, "GET", "/api/evidence/records/{wanted}", wanted=wanted)

    def state(self) -> EvidenceState:
        """Show where the chain stands."""
        return self.at.ask(EvidenceState, "GET", "/api/evidence/state")

    def signing_keys(self) -> tuple[SigningKey, ...]:
        """List the public keys that sign checkpoints."""
        return self.at.ask(tuple[SigningKey, ...], "GET", "/api/evidence/keys")

    def checkpoints(self) -> bytes:
        """Return the signed checkpoints, one JSON object a line."""
        return self.at.ask(bytes, "GET", "/api/evidence/checkpoints")

    def write_checkpoint(self) -> Checkpoint:
        """Sign where the chain stands now and queue it for every destination."""
        return self.at.ask(Checkpoint, "POST", "/api/evidence/checkpoints")

    def erase(self, wanted: Erasure) -> Erased:
        """Erase payloads; the chain stays whole and records tell of it."""
        return self.at.ask(Erased, "POST", "/api/evidence/erasures", body=wanted)

"""What can be asked of a Sekisho server, one method for each address of its API."""

from pathlib import Path
from types import TracebackType
from typing import Self

from sekisho.client.http import Connection
from sekisho.devices.api.shapes import (
    DeviceDetail,
    DevicePageShape,
    DeviceShape,
    KitMade,
    KitRequest,
    KitShape,
    LookShape,
    VerdictShape,
)
from sekisho.devices.service.inventory import DeviceCounts
from sekisho.evidence.model import EvidenceState, Record
from sekisho.findings.api import Assignment, FindingList, FindingView
from sekisho.kernel.secrets import Secret


class Client:
    """A server's API; use it in a ``with`` block."""

    def __init__(self, url: str, token: Secret, ca: Path | None = None) -> None:
        self._at = Connection(url, token, ca)

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self._at.__exit__(kind, error, trace)

    def list_devices(
        self, *, search: str = "", verdict: str = "", offset: int = 0, limit: int = 50
    ) -> DevicePageShape:
        """List devices that hold what is searched."""
        query = {"search": search, "verdict": verdict, "offset": offset, "limit": limit}
        return self._at.ask(DevicePageShape, "GET", "/api/devices", query=query)

    def count_devices(self) -> DeviceCounts:
        """Count devices by state, ownership and platform."""
        return self._at.ask(DeviceCounts, "GET", "/api/devices/counts")

    def get_device(self, device_id: str) -> DeviceDetail:
        """Show one device; the look is recorded."""
        return self._at.ask(DeviceDetail, "GET", f"/api/devices/{device_id}")

    def list_verdicts(self, device_id: str) -> list[VerdictShape]:
        """Show what is proven about one device; the look is recorded."""
        return self._at.ask(list[VerdictShape], "GET", f"/api/devices/{device_id}/verdicts")

    def list_looks(self, device_id: str) -> list[LookShape]:
        """Show who looked at a device."""
        return self._at.ask(list[LookShape], "GET", f"/api/devices/{device_id}/looks")

    def check_now(self, device_id: str) -> DeviceShape:
        """Ask the device everything again at its next word."""
        return self._at.ask(DeviceShape, "POST", f"/api/devices/{device_id}/check-now")

    def approve_device(self, device_id: str) -> DeviceShape:
        """Let in a device that was enrolled with a group secret."""
        return self._at.ask(DeviceShape, "POST", f"/api/devices/{device_id}/approve")

    def withdraw_device(self, device_id: str) -> DeviceShape:
        """End an enrolment and delete what was learned from the device."""
        return self._at.ask(DeviceShape, "POST", f"/api/devices/{device_id}/withdraw")

    def list_kits(self) -> list[KitShape]:
        """List enrolment kits."""
        return self._at.ask(list[KitShape], "GET", "/api/devices/kits")

    def create_kit(self, wanted: KitRequest) -> KitMade:
        """Make an enrolment kit; only this answer holds its secret."""
        return self._at.ask(KitMade, "POST", "/api/devices/kits", body=wanted)

    def revoke_kit(self, kit_id: str) -> None:
        """End a kit at once."""
        self._at.ask(bytes, "DELETE", f"/api/devices/kits/{kit_id}")

    def list_findings(
        self, *, status: str = "open", severity: str = "", search: str = "", page: int = 1
    ) -> FindingList:
        """List findings, worst first."""
        query = {"status": status, "severity": severity, "search": search, "page": page}
        return self._at.ask(FindingList, "GET", "/api/findings", query=query)

    def assign_finding(self, finding_id: str, owner: str | None) -> FindingView:
        """Give a finding to a person, or to nobody."""
        path = f"/api/findings/{finding_id}/owner"
        return self._at.ask(FindingView, "PUT", path, body=Assignment(owner))

    def get_evidence_state(self) -> EvidenceState:
        """Show where the chain stands."""
        return self._at.ask(EvidenceState, "GET", "/api/evidence/state")

    def get_record(self, wanted: str) -> Record:
        """Show one evidence record, by its number or id."""
        return self._at.ask(Record, "GET", f"/api/evidence/records/{wanted}")

    def export_checkpoints(self) -> bytes:
        """Return the signed checkpoints, one JSON object a line."""
        return self._at.ask(bytes, "GET", "/api/evidence/checkpoints")

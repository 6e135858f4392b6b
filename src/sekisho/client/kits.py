"""Enrolment kits, and orders for files of company devices."""

from dataclasses import dataclass

from sekisho.client.http import Connection
from sekisho.devices.api.shapes import CarveOrder, CarveShape, KitMade, KitRequest, KitShape


@dataclass(frozen=True, slots=True)
class Kits:
    """What can be asked of a server about enrolment kits."""

    at: Connection

    def list(self) -> tuple[KitShape, ...]:
        """List enrolment kits, the newest first."""
        return self.at.ask(tuple[KitShape, ...], "GET", "/api/devices/kits")

    def create(self, wanted: KitRequest) -> KitMade:
        """Make an enrolment kit; only this answer holds its secret."""
        return self.at.ask(KitMade, "POST", "/api/devices/kits", body=wanted)

    def revoke(self, kit_id: str) -> None:
        """End a kit at once; devices that are enrolled stay."""
        self.at.ask(bytes, "DELETE", "/api/devices/kits/{kit_id}", kit_id=kit_id)


@dataclass(frozen=True, slots=True)
class Files:
    """What can be asked of a server about files of company devices."""

    at: Connection

    def list(self, device_id: str) -> tuple[CarveShape, ...]:
        """List the orders for files of a device."""
        path = "/api/devices/{device_id}/carves"
        return self.at.ask(tuple[CarveShape, ...], "GET", path, device_id=device_id)

    def order(self, device_id: str, wanted: CarveOrder) -> CarveShape:
        """Order files of a company device; another person has to approve."""
        path = "/api/devices/{device_id}/carves"
        return self.at.ask(CarveShape, "POST", path, body=wanted, device_id=device_id)

    def approve(self, carve_id: str) -> CarveShape:
        """Approve somebody else's order."""
        path = "/api/devices/carves/{carve_id}/approve"
        return self.at.ask(CarveShape, "POST", path, carve_id=carve_id)

"""Devices: the list, one device, and what may be done with it."""

from dataclasses import dataclass

from sekisho.client.http import Connection
from sekisho.devices.api.access import AccessShape, PersonAccessShape
from sekisho.devices.api.shapes import (
    CertificateShape,
    ConsentGiven,
    DeviceChange,
    DeviceDetail,
    DevicePageShape,
    DeviceShape,
    LookShape,
    VerdictShape,
)
from sekisho.devices.service.inventory import DeviceCounts


@dataclass(frozen=True, slots=True)
class Devices:
    """What can be asked of a server about devices."""

    at: Connection

    def list(
        self, *, search: str = "", verdict: str = "", offset: int = 0, limit: int = 50
    ) -> DevicePageShape:
        """List devices that hold what is searched."""
        query = {"search": search, "verdict": verdict, "offset": offset, "limit": limit}
        return self.at.ask(DevicePageShape, "GET", "/api/devices", query=query)

    def count(self) -> DeviceCounts:
        """Count devices by state, ownership and platform."""
        return self.at.ask(DeviceCounts, "GET", "/api/devices/counts")

    def get(self, device_id: str) -> DeviceDetail:
        """Show one device; the look is recorded."""
        path = "/api/devices/{device_id}"
        return self.at.ask(DeviceDetail, "GET", path, device_id=device_id)

    def verdicts(self, device_id: str) -> tuple[VerdictShape, ...]:
        """Show what is proven about one device; the look is recorded."""
        path = "/api/devices/{device_id}/verdicts"
        return self.at.ask(tuple[VerdictShape, ...], "GET", path, device_id=device_id)

    def access(self, device_id: str) -> AccessShape:
        """Ask whether a device may come in, until when, and why; the look is recorded."""
        path = "/api/devices/{device_id}/access"
        return self.at.ask(AccessShape, "GET", path, device_id=device_id)

    def access_of_person(self, person_id: str) -> PersonAccessShape:
        """Ask with which devices a person may come in, the best first; the looks are recorded."""
        path = "/api/people/{person_id}/access"
        return self.at.ask(PersonAccessShape, "GET", path, person_id=person_id)

    def looks(self, device_id: str) -> tuple[LookShape, ...]:
        """Show who looked at a device."""
        path = "/api/devices/{device_id}/looks"
        return self.at.ask(tuple[LookShape, ...], "GET", path, device_id=device_id)

    def check_now(self, device_id: str) -> DeviceShape:
        """Ask the device everything again at its next word."""
        path = "/api/devices/{device_id}/check-now"
        return self.at.ask(DeviceShape, "POST", path, device_id=device_id)

    def approve(self, device_id: str) -> DeviceShape:
        """Let in a device that was enrolled with a group secret."""
        path = "/api/devices/{device_id}/approve"
        return self.at.ask(DeviceShape, "POST", path, device_id=device_id)

    def pause(self, device_id: str) -> DeviceShape:
        """Stop asking a device; its answers grow old."""
        path = "/api/devices/{device_id}/pause"
        return self.at.ask(DeviceShape, "POST", path, device_id=device_id)

    def resume(self, device_id: str) -> DeviceShape:
        """Go on after a pause."""
        path = "/api/devices/{device_id}/resume"
        return self.at.ask(DeviceShape, "POST", path, device_id=device_id)

    def withdraw(self, device_id: str) -> DeviceShape:
        """End an enrolment and delete what was learned from the device."""
        path = "/api/devices/{device_id}/withdraw"
        return self.at.ask(DeviceShape, "POST", path, device_id=device_id)

    def consent(self, device_id: str, text_version: str) -> DeviceShape:
        """Agree, as its owner, to the check of a private PC."""
        path = "/api/devices/{device_id}/consent"
        body = ConsentGiven(text_version)
        return self.at.ask(DeviceShape, "POST", path, body=body, device_id=device_id)

    def change(self, device_id: str, wanted: DeviceChange) -> DeviceShape:
        """Give a device a label and an owner."""
        path = "/api/devices/{device_id}/change"
        return self.at.ask(DeviceShape, "POST", path, body=wanted, device_id=device_id)

    def certificates(self, device_id: str) -> tuple[CertificateShape, ...]:
        """List the certificates that were issued to a device."""
        path = "/api/devices/{device_id}/certificates"
        return self.at.ask(tuple[CertificateShape, ...], "GET", path, device_id=device_id)

    def revoke_certificates(self, device_id: str) -> None:
        """Revoke all certificates of a device."""
        path = "/api/devices/{device_id}/certificates"
        self.at.ask(bytes, "DELETE", path, device_id=device_id)

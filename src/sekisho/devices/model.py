"""What this room talks about: devices, enrolment kits, consent, looks, carves. Frozen and pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sekisho.controls.model import Platform
from sekisho.kernel.ids import DeviceID, KitID, PersonID
from sekisho.wire.kit import Ownership

__all__ = [
    "Carve", "CarveState", "Certificate", "Device", "DeviceState", "HostFacts", "Kit", "KitKind",
    "Look", "Ownership", "Platform", "Standing",
]  # fmt: skip

AGENT_VERSION_PREFIX = "sekisho-agent/"
"""How our own agent's ``osquery_info.version`` begins; it has tables that osquery lacks."""


class DeviceState(StrEnum):
    """Where a device stands; only an active one is asked and counted."""

    PENDING = "pending"  # enrolled with a group secret, waits for approval
    CONSENT = "consent"  # private, waits for its owner's consent
    ACTIVE = "active"
    PAUSED = "paused"  # its owner paused it
    WITHDRAWN = "withdrawn"  # consent withdrawn or removed; nothing comes in any more


class KitKind(StrEnum):
    """How many devices a secret is for."""

    DEVICE = "device"  # binds to the first host identifier
    GROUP = "group"  # a number of devices, until an end, each approved by a person


class CarveState(StrEnum):
    """How far the collection of files from a company device has come."""

    REQUESTED = "requested"
    APPROVED = "approved"
    RECEIVING = "receiving"
    DONE = "done"
    REFUSED = "refused"


class Standing(StrEnum):
    """A device's verdicts in one word, for lists: the worst one decides."""

    FAIL = "fail"
    UNKNOWN = "unknown"
    PASS = "pass"  # noqa: S105 - a verdict, no secret


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What a host told at enrolment, after what must not be kept was dropped."""

    host_identifier: str
    platform: Platform
    os_name: str = ""
    os_version: str = ""
    agent_version: str = ""
    serial: str = ""
    hostname: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Kit:
    """An enrolment kit; its secret is stored as a digest and shown once."""

    id: KitID
    kind: KitKind
    ownership: Ownership
    label: str
    owner_id: PersonID | None
    needs_approval: bool
    max_devices: int
    used_devices: int
    bound_identifier: str | None
    bound_device: DeviceID | None
    consent_version: str | None
    consented_at: datetime | None
    created_by: str
    created_at: datetime
    ends_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """One enrolled device."""

    id: DeviceID
    ownership: Ownership
    platform: Platform
    state: DeviceState
    label: str
    owner_id: PersonID | None
    kit_id: KitID | None
    host_identifier: str
    serial: str
    hostname: str
    model: str
    os_name: str
    os_version: str
    agent_version: str
    address: str
    enrolled_at: datetime
    seen_at: datetime | None
    answered_at: datetime | None
    check_now_until: datetime | None
    flagged: str
    consent_version: str | None
    consented_at: datetime | None
    note: str = ""

    @property
    def is_agent(self) -> bool:
        """Tell whether our own agent speaks for it (else osqueryd)."""
        return self.agent_version.startswith(AGENT_VERSION_PREFIX)

    @property
    def title(self) -> str:
        """Return the name people know it by: label, else host name, else the end of its id."""
        return self.label or self.hostname or f"PC {self.id[-6:]}"


@dataclass(frozen=True, slots=True)
class Look:
    """Somebody looked at a person's device: who, when, at what."""

    at: datetime
    looker: str
    looker_name: str
    what: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """A short-lived certificate that was issued to a device.

    ``key_storage`` is where its key lies, as the device says: tpm, cng, keychain, file, or "" when
    it did not say.
    """

    serial: str
    not_after: datetime
    issued_at: datetime
    revoked_at: datetime | None
    thumbprint: str
    key_storage: str = ""


@dataclass(frozen=True, slots=True)
class Carve:
    """A two-person order to collect files from a company device, and what came of it."""

    id: str
    device_id: DeviceID
    path: str
    reason: str
    state: CarveState
    requested_by: str
    requested_at: datetime
    approved_by: str | None
    max_bytes: int
    carve_guid: str | None
    session_digest: str | None
    session_ends_at: datetime | None
    block_count: int
    block_size: int
    carve_size: int
    received_blocks: int
    artifact: str | None
    note: str


@dataclass(frozen=True, slots=True)
class CarveFilter:
    """What narrows the list of orders; nothing given does not narrow it.

    ``search`` looks in path and reason and in what the device is called.
    """

    search: str = ""
    device_id: str = ""
    states: frozenset[CarveState] = frozenset()


@dataclass(frozen=True, slots=True)
class CarvePage:
    """One page of orders; ``total`` counts all pages."""

    carves: list[Carve]
    total: int

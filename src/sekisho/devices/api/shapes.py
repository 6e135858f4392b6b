"""The shapes of the JSON API for people: typed, so that OpenAPI and clients know them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from sekisho.controls.model import Verdict
from sekisho.devices.model import Carve, Certificate, Device, Kit, Look
from sekisho.devices.service.inventory import DevicePage
from sekisho.devices.service.kits import NewKit, kit_state

_DAY = 86_400


class DeviceShape(Struct, frozen=True, kw_only=True):
    """One device. ``address`` is the network it was last seen in, never the whole address."""

    id: str
    title: str
    ownership: str
    platform: str
    state: str
    label: str
    owner_id: str | None
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


class CertificateShape(Struct, frozen=True):
    """A certificate that was issued to a device; ``serial`` and ``thumbprint`` (SHA-256) in hex."""

    serial: str
    issued_at: datetime
    not_after: datetime
    revoked_at: datetime | None
    thumbprint: str


class DeviceDetail(Struct, frozen=True):
    """One device and its certificates."""

    device: DeviceShape
    certificates: list[CertificateShape]


class DevicePageShape(Struct, frozen=True):
    """One page of devices; ``total`` counts all that match."""

    devices: list[DeviceShape]
    total: int
    offset: int
    limit: int


class VerdictShape(Struct, frozen=True, kw_only=True):
    """What is known about one control on one device."""

    control: str
    version: int
    verdict: str
    proven: str
    since: datetime
    checked_at: datetime | None
    received_at: datetime | None
    first_failed_at: datetime | None
    expires_at: datetime | None
    fix_by: datetime | None
    message: str
    rows: list[dict[str, str]]


class LookShape(Struct, frozen=True):
    """A look at a person's device."""

    at: datetime
    who: str
    what: str
    purpose: str


class KitShape(Struct, frozen=True, kw_only=True):
    """An enrolment kit without its secret; ``state`` is open, used, ended or revoked."""

    id: str
    state: str
    kind: str
    ownership: str
    label: str
    owner_id: str | None
    approval: bool
    max_devices: int
    used_devices: int
    bound_device: str | None
    created_by: str
    created_at: datetime
    ends_at: datetime
    revoked_at: datetime | None


class KitRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What a kit shall be for; ``approval`` null: a group secret asks for it, others do not."""

    kind: Annotated[str, Meta(pattern="^(device|group)$")] = "device"
    ownership: Annotated[str, Meta(pattern="^(company|private)$")] = "company"
    label: Annotated[str, Meta(max_length=100)] = ""
    owner_id: Annotated[str, Meta(max_length=64)] | None = None
    max_devices: Annotated[int, Meta(ge=1, le=50_000)] = 1
    life_seconds: Annotated[int, Meta(ge=300, le=90 * _DAY)] = 7 * _DAY
    approval: bool | None = None
    consent_version: Annotated[str, Meta(max_length=32)] | None = None


class KitMade(Struct, frozen=True):
    """A kit that was just made: its secret, its files by name, and the line that installs it."""

    kit: KitShape
    secret: str
    files: dict[str, str]
    commands: dict[str, str]


class ConsentGiven(Struct, frozen=True, forbid_unknown_fields=True):
    """Which text the owner agreed to."""

    version: Annotated[str, Meta(max_length=32)]


class DeviceChange(Struct, frozen=True, forbid_unknown_fields=True):
    """A label and an owner for a device."""

    label: Annotated[str, Meta(max_length=100)] = ""
    owner_id: Annotated[str, Meta(max_length=64)] | None = None


class CarveOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """An order for files: osquery's LIKE pattern, why, and how many bytes at most."""

    path: Annotated[str, Meta(max_length=1000)]
    reason: Annotated[str, Meta(max_length=2000)]
    max_bytes: Annotated[int, Meta(ge=1)] = 64 << 20


class CarveShape(Struct, frozen=True, kw_only=True):
    """An order for files and how far it has come."""

    id: str
    device_id: str
    path: str
    reason: str
    state: str
    requested_by: str
    requested_at: datetime
    approved_by: str | None
    max_bytes: int
    carve_size: int
    received_blocks: int
    block_count: int
    artifact: str | None
    note: str


def shape_device(device: Device) -> DeviceShape:
    """Shape a device."""
    return DeviceShape(title=device.title, **_taken(device, DeviceShape, "title"))


def shape_page(page: DevicePage) -> DevicePageShape:
    """Shape a page of devices."""
    return DevicePageShape(
        [shape_device(device) for device in page.devices], page.total, page.offset, page.limit
    )


def shape_detail(device: Device, certificates: Sequence[Certificate]) -> DeviceDetail:
    """Shape a device with its certificates."""
    return DeviceDetail(shape_device(device), [shape_certificate(each) for each in certificates])


def shape_certificate(certificate: Certificate) -> CertificateShape:
    """Shape a certificate."""
    return CertificateShape(**_taken(certificate, CertificateShape))


def shape_verdict(verdict: Verdict) -> VerdictShape:
    """Shape a verdict."""
    return VerdictShape(
        control=verdict.control_id,
        version=verdict.control_version,
        verdict=verdict.kind.value,
        proven=verdict.proof.value,
        since=verdict.since,
        checked_at=verdict.checked_at,
        received_at=verdict.received_at,
        first_failed_at=verdict.first_failed_at,
        expires_at=verdict.expires_at,
        fix_by=verdict.fix_by,
        message=str(verdict.message or ""),
        rows=[dict(row) for row in verdict.rows],
    )


def shape_look(look: Look) -> LookShape:
    """Shape a look."""
    return LookShape(look.at, look.looker_name, look.what, look.purpose)


def shape_kit(kit: Kit, now: datetime) -> KitShape:
    """Shape a kit."""
    taken = _taken(kit, KitShape, "state", "approval")
    return KitShape(state=kit_state(kit, now), approval=kit.needs_approval, **taken)


def shape_made(
    made: NewKit, contents: tuple[Mapping[str, str], Mapping[str, str]], now: datetime
) -> KitMade:
    """Shape a kit that was just made, with its files and commands."""
    files, commands = contents
    return KitMade(shape_kit(made.kit, now), made.secret.reveal(), dict(files), dict(commands))


def shape_carve(carve: Carve) -> CarveShape:
    """Shape an order for files."""
    return CarveShape(**_taken(carve, CarveShape))


def _taken(source: object, shape: type[Struct], *but: str) -> dict[str, Any]:
    """Take the fields of ``shape`` from an object that has them by the same names."""
    return {name: getattr(source, name) for name in shape.__struct_fields__ if name not in but}

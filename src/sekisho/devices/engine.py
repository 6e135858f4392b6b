"""Pure judgement about devices: who may enrol, who is a clone, what must be dropped at the door.

No clock and no I/O: every function is told what it needs. A doubt refuses.
"""

import hashlib
import ipaddress
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sekisho.devices.model import (
    Device,
    DeviceState,
    HostFacts,
    Kit,
    KitKind,
    Ownership,
)
from sekisho.devices.protocol import EnrollRequest, clean_text, read_platform
from sekisho.devices.words import OWNERSHIP_WORDS
from sekisho.kernel.i18n import Text, msg

IDENTITY_DECORATIONS = ("host_uuid", "hardware_serial", "instance_id")
SILENT_AFTER_INTERVALS = 10  # missed polls until a device counts as silent
LONGEST_TAG = 40
LONGEST_DEVICE_NOTE = 500
_OCTETS = frozenset(map(str, range(256)))
# Serial numbers that makers left in place of one, and that therefore name nobody (lower case).
_JUNK_SERIALS = frozenset({
    "", "-1", "0", "none", "n/a", "na", "null", "unknown", "default string", "default",
    "not specified", "not available", "invalid", "system serial number", "to be filled by o.e.m.",
    "to be filled by oem", "123456789", "0123456789", "00000000", "xxxxxxxx", "o.e.m.",
})  # fmt: skip

Mark = tuple[int, int, int, str]
"""(unixTime, epoch, counter, digest) of a log line."""


class RefusalCode(StrEnum):
    """Why an enrolment was refused, one word each so that a client can tell them apart."""

    UNKNOWN_SECRET = "unknown_secret"  # noqa: S105 - a reason, no secret
    EXPIRED = "expired"
    REVOKED = "revoked"
    REUSED = "reused"
    EXHAUSTED = "exhausted"
    WRONG_OWNERSHIP = "wrong_ownership"
    NO_IDENTIFIER = "no_identifier"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An enrolment that is refused, and why, in words for the one who installs."""

    code: RefusalCode
    reason: Text


@dataclass(frozen=True, slots=True)
class Admission:
    """An enrolment that is admitted: of a known device (``device``) or of a new one (None).

    ``duplicate`` names a device that claims the same identifier and is another machine.
    """

    state: DeviceState
    device: Device | None
    duplicate: Device | None = None


def read_host(request: EnrollRequest, ownership: Ownership) -> HostFacts:
    """Read what an enrolment tells; for a private PC keep neither names nor serial numbers.

    Raises InvalidInputError for a platform nobody knows.
    """
    details = {name: _texts(table) for name, table in request.host_details.items()}
    system, version = details.get("system_info", {}), details.get("os_version", {})
    platform = read_platform(request.platform_type, version)
    base = HostFacts(
        host_identifier=clean_text(request.host_identifier).strip(),
        platform=platform,
        os_name=version.get("name", ""),
        os_version=version.get("version", ""),
        agent_version=details.get("osquery_info", {}).get("version", ""),
    )
    if ownership is Ownership.PRIVATE:
        return base
    return HostFacts(
        host_identifier=base.host_identifier,
        platform=platform,
        os_name=base.os_name,
        os_version=base.os_version,
        agent_version=base.agent_version,
        serial=known_serial(system.get("hardware_serial", "")),
        hostname=system.get("computer_name", "") or system.get("hostname", ""),
        model=f"{system.get('hardware_vendor', '')} {system.get('hardware_model', '')}".strip(),
    )


def known_serial(serial: str) -> str:
    """Return ``serial`` trimmed, or "" if it is one of the values that name no machine."""
    trimmed = serial.strip()
    junk = trimmed.lower() in _JUNK_SERIALS or len(set(trimmed)) == 1
    return "" if junk else trimmed


def judge_enrolment(
    kit: Kit,
    host: HostFacts,
    declared: str | None,
    same_host: Sequence[Device],
    now: datetime,
) -> Admission | Refusal:
    """Decide one enrolment.

    ``declared`` is the ownership the client says it was started for (None for osqueryd);
    ``same_host`` are the devices, withdrawn ones left out, that have the same host identifier.
    """
    refusal = _refuse_kit(kit, now) or _refuse_host(kit, host, declared, same_host)
    if refusal is not None:
        return refusal
    if kit.kind is KitKind.DEVICE:
        return _judge_device_kit(kit, host, same_host)
    return _judge_group_kit(kit, host, same_host)


def refuse_unknown() -> Refusal:
    """Refuse a secret that no kit has."""
    return Refusal(
        RefusalCode.UNKNOWN_SECRET,
        msg("The enrolment secret is not known here; ask for a new kit."),
    )


def _refuse_kit(kit: Kit, now: datetime) -> Refusal | None:
    if kit.revoked_at is not None:
        return Refusal(RefusalCode.REVOKED, msg(
            "The enrolment secret was revoked; ask for a new kit."))  # fmt: skip
    if now >= kit.ends_at:
        return Refusal(RefusalCode.EXPIRED, msg(
            "The enrolment secret ended on %(end)s; ask for a new kit.",
            end=kit.ends_at))  # fmt: skip
    return None


def _refuse_host(
    kit: Kit, host: HostFacts, declared: str | None, same_host: Sequence[Device]
) -> Refusal | None:
    if not host.host_identifier:
        return Refusal(RefusalCode.NO_IDENTIFIER, msg(
            "The host identifier is empty; set --host_identifier as the kit's flag file does."
        ))  # fmt: skip
    other = [device for device in same_host if device.ownership is not kit.ownership]
    wrong = declared is not None and declared != kit.ownership.value
    if wrong or other:
        got = clean_text(declared) if wrong else other[0].ownership.value
        return Refusal(RefusalCode.WRONG_OWNERSHIP, msg(
            "This kit is for %(kit)s and this one is %(got)s; use the other kit.",
            kit=OWNERSHIP_WORDS[kit.ownership], got=OWNERSHIP_WORDS.get(got, got)))  # fmt: skip
    return None


def _judge_device_kit(
    kit: Kit, host: HostFacts, same_host: Sequence[Device]
) -> Admission | Refusal:
    if kit.bound_identifier is None:
        known, other = _same_machine(host, same_host)
        if known is not None and known.owner_id not in {None, kit.owner_id}:
            return Admission(_first_state(kit, None), None, known)
        return Admission(_first_state(kit, known), known, other)
    bound = next((device for device in same_host if device.id == kit.bound_device), None)
    if host.host_identifier != kit.bound_identifier or bound is None or _differ(bound, host):
        return Refusal(RefusalCode.REUSED, msg(
            "The enrolment secret was used by another device already; ask for a kit of its own."
        ))  # fmt: skip
    return Admission(bound.state, bound)


def _judge_group_kit(kit: Kit, host: HostFacts, same_host: Sequence[Device]) -> Admission | Refusal:
    known, other = _same_machine(host, same_host)
    if known is not None and known.kit_id == kit.id:
        return Admission(_again(kit, known), known, other)
    if kit.used_devices >= kit.max_devices:
        return Refusal(RefusalCode.EXHAUSTED, msg(
            "All %(count)s devices of this enrolment secret are enrolled; ask for a new kit.",
            count=kit.max_devices))  # fmt: skip
    state = _first_state(kit, None) if known is None else _again(kit, known)
    return Admission(state, known, other)


def _first_state(kit: Kit, known: Device | None) -> DeviceState:
    """Return the state of a device enrolled anew: approval first, then consent, then active."""
    if kit.needs_approval:
        return DeviceState.PENDING
    consented = kit.consented_at is not None or (known is not None and known.consented_at)
    if kit.ownership is Ownership.PRIVATE and not consented:
        return DeviceState.CONSENT
    return DeviceState.ACTIVE


def _again(kit: Kit, known: Device) -> DeviceState:
    """Return the state after a re-enrolment: whoever holds a group secret may be anybody, so a
    device that was approved has to be approved again; a paused one stays paused.
    """  # noqa: D205 - one sentence
    if kit.needs_approval:
        return DeviceState.PENDING
    return known.state


def _same_machine(
    host: HostFacts, same_host: Sequence[Device]
) -> tuple[Device | None, Device | None]:
    """Split devices of one identifier into the same machine and another one that claims it."""
    same = next((device for device in same_host if not _differ(device, host)), None)
    other = next((device for device in same_host if _differ(device, host)), None)
    return same, other


def _differ(device: Device, host: HostFacts) -> bool:
    serials = bool(device.serial and host.serial) and device.serial != host.serial
    return serials or device.platform is not host.platform


def find_clone(pinned: Sequence[str], seen: Sequence[str]) -> bool:
    """Tell whether a node key that belongs to identity ``pinned`` is used by another machine.

    An identity is what ``identity_of`` makes of a log line; parts that are not told are "" and
    say nothing.
    """
    return any(old and new and old != new for old, new in zip(pinned, seen, strict=False))


def merge_identity(pinned: Sequence[str], seen: Sequence[str]) -> tuple[str, ...]:
    """Return ``pinned`` with the parts it lacks taken from ``seen``; what is pinned stays."""
    if not pinned:
        return tuple(seen)
    return tuple(old or new for old, new in zip(pinned, seen, strict=True))


def identity_of(host_identifier: str, decorations: Mapping[str, object]) -> tuple[str, ...]:
    """Return what tells two machines apart in a log line, as digests of 64 bits.

    Identifier, hardware UUID, serial and instance; digests, because nothing more is needed.
    """
    parts = [host_identifier, *(decorations.get(name) for name in IDENTITY_DECORATIONS)]
    texts = [clean_text(part) for part in parts]
    return tuple(
        hashlib.blake2b(text.encode(), digest_size=8).hexdigest() if text else "" for text in texts
    )


def counters_overlap(seen: Mark | None, now: Mark) -> bool:
    """Tell whether two lines of one query can only come from two machines.

    A line is (unixTime, epoch, counter, digest). One machine counts differential results up
    within an epoch; the same counter with another content at another time is a second machine.
    Snapshots all carry the counter 0 and say nothing.
    """
    if seen is None or not now[2] or seen[1] != now[1]:
        return False
    return seen[2] == now[2] and seen[0] != now[0] and seen[3] != now[3]


def is_newer(seen: Mark | None, now: Mark) -> bool:
    """Tell whether a line is news: later than the last one of its query, or its first."""
    return seen is None or now[:3] > seen[:3]


def truncate_address(address: str) -> str:
    """Return the network an address is in: /24 of IPv4, /48 of IPv6; "" for what is no address."""
    parts = address.split(".")
    if len(parts) == 4 and all(part in _OCTETS for part in parts):  # noqa: PLR2004 - IPv4's own
        return f"{parts[0]}.{parts[1]}.{parts[2]}.0/24"  # the usual case, on every request
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if ip.version == 6 and ip.ipv4_mapped is not None:  # noqa: PLR2004 - the protocol's number
        ip = ip.ipv4_mapped
    prefix = 24 if ip.version == 4 else 48  # noqa: PLR2004 - the protocol's number
    return str(ipaddress.ip_network((ip, prefix), strict=False))


def is_silent(device: Device, now: datetime, interval_seconds: int) -> bool:
    """Tell whether an active device has said nothing for ten polls in a row."""
    if device.state is not DeviceState.ACTIVE:
        return False
    return silent_before(now, interval_seconds) > (device.seen_at or device.enrolled_at)


def silent_before(now: datetime, interval_seconds: int) -> datetime:
    """Return the instant before which the last word of a silent device lies."""
    return now - timedelta(seconds=interval_seconds * SILENT_AFTER_INTERVALS)


def _texts(table: object) -> dict[str, str]:
    """Return one table of host_details as clean text, whatever was sent in its place."""
    if not isinstance(table, Mapping):
        return {}
    return {str(name): clean_text(value) for name, value in table.items()}


def clean_tag(words: str) -> str:
    """Return a tag as it is stored: one line, at most 40 characters; "" for what cannot be one."""
    tag = " ".join(unicodedata.normalize("NFKC", words).split())
    fine = tag.isprintable() and len(tag) <= LONGEST_TAG and not set(tag) & set(",;、；")
    return tag if fine else ""


def clean_note(words: str) -> str:
    """Return a note about a device as it is stored: one line, at most 500 characters."""
    return " ".join(words.replace("\0", "").split())[:LONGEST_DEVICE_NOTE]


def stamp_device(device: Device, tags: Sequence[str]) -> str:
    """Return what changes when somebody changes person, tags or note of a device."""
    said = "\0".join([device.owner_id or "", device.note, *sorted(tags)])
    return hashlib.sha256(said.encode()).hexdigest()[:12]

"""Enrolment: a secret becomes a device with a node key, once, and again after a lost reply."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sekisho.devices import engine
from sekisho.devices.engine import Admission, Refusal
from sekisho.devices.model import Device, DeviceState, HostFacts, Kit, KitKind
from sekisho.devices.protocol import EnrollRequest
from sekisho.devices.service import flags, lifecycle
from sekisho.devices.store import devices as store
from sekisho.devices.store import kits as kit_store
from sekisho.devices.store.devices import RosterEntry
from sekisho.evidence import service as evidence
from sekisho.kernel.db import Transaction
from sekisho.kernel.ids import DeviceID, digest_token, new_id, new_token

UNUSED_KEYS = 5  # node keys of lost replies that stay good until one of them is used


@dataclass(frozen=True, slots=True)
class Enrolled:
    """An enrolment that worked: the node key is told once and stored as a digest."""

    device_id: DeviceID
    state: DeviceState
    node_key: str


def enrol(tx: Transaction, request: EnrollRequest, address: str) -> Enrolled | Refusal:
    """Enrol the host that ``request`` describes, or say why not.

    The same host may come again with the same secret until it ends: it stays the same device and
    gets one more node key; the older ones end when the new one is first used, so that a lost
    reply locks nobody out. Raises InvalidInputError for a platform that is not known.
    """
    kit = kit_store.find_kit(tx, digest=digest_token(request.enroll_secret))
    if kit is None:
        return engine.refuse_unknown()
    host = engine.read_host(request, kit.ownership)
    same_host = store.find_same_host(tx, host.host_identifier)
    judged = engine.judge_enrolment(kit, host, request.ownership, same_host, tx.now)
    if isinstance(judged, Refusal):
        return _refuse(tx, kit, judged)
    device = _admit(tx, kit, host, judged, engine.truncate_address(address))
    if device.state is DeviceState.ACTIVE:
        lifecycle.begin_verdicts(tx, device)
    node_key = _issue_key(tx, device.id)
    evidence.record(
        tx,
        kind="device.enrolled",
        subject=f"device:{device.id}",
        detail={
            "kit": kit.id,
            "again": judged.device is not None,
            "state": device.state.value,
            "ownership": device.ownership.value,
            "platform": device.platform.value,
            "serial": device.serial,
            "hostname": device.hostname,
        },
        person=device.owner_id,
    )
    if judged.duplicate is not None:
        flags.raise_duplicate(tx, device, judged.duplicate)
    return Enrolled(device.id, device.state, node_key)


def confirm_key(tx: Transaction, digest: str) -> tuple[RosterEntry, list[str]] | None:
    """Note the first use of a node key: the device's older ones are worth nothing from now on.

    Returns the device and the digests that ended; None if the key is not known any more.
    """
    found = store.find_key(tx, digest)
    if found is None or found[0].state is DeviceState.WITHDRAWN:
        return None
    entry, used = found
    if used:
        return entry, []
    keys = store.list_keys(tx, entry.id)
    number = next(key.number for key in keys if key.digest == digest)
    older = [key.digest for key in keys if key.number < number]
    store.delete_keys(tx, older)
    store.mark_key_used(tx, digest)
    return entry, older


def _refuse(tx: Transaction, kit: Kit, refusal: Refusal) -> Refusal:
    detail = {"code": refusal.code.value, "reason": str(refusal.reason)}
    evidence.record(tx, kind="device.enrolment_refused", subject=f"kit:{kit.id}", detail=detail)
    return refusal


def _admit(tx: Transaction, kit: Kit, host: HostFacts, judged: Admission, network: str) -> Device:
    known = judged.device
    device = _new_device(tx, kit, host) if known is None else _known_device(kit, known, host)
    device = replace(device, state=judged.state, address=network)
    if known is None:
        store.insert_device(tx, device)
        kit_store.count_use(tx, kit.id)
    else:
        store.update_device(tx, device.id, **_told_again(device), identity=None)
        if known.kit_id != kit.id:
            kit_store.count_use(tx, kit.id)
    if kit.kind is KitKind.DEVICE and kit.bound_identifier is None:
        bound = {"bound_identifier": host.host_identifier, "bound_device": device.id}
        kit_store.update_kit(tx, kit.id, **bound)
    return device


def _new_device(tx: Transaction, kit: Kit, host: HostFacts) -> Device:
    return Device(
        id=DeviceID(new_id("dev")),
        ownership=kit.ownership,
        platform=host.platform,
        state=DeviceState.PENDING,
        label=kit.label if kit.kind is KitKind.DEVICE else "",
        owner_id=kit.owner_id,
        kit_id=kit.id,
        host_identifier=host.host_identifier,
        serial=host.serial,
        hostname=host.hostname,
        model=host.model,
        os_name=host.os_name,
        os_version=host.os_version,
        agent_version=host.agent_version,
        address="",
        enrolled_at=tx.now,
        seen_at=None,
        answered_at=None,
        check_now_until=None,
        flagged="",
        consent_version=kit.consent_version,
        consented_at=kit.consented_at,
    )


def _known_device(kit: Kit, known: Device, host: HostFacts) -> Device:
    return replace(
        known,
        kit_id=kit.id,
        owner_id=known.owner_id or kit.owner_id,
        serial=host.serial or known.serial,
        hostname=host.hostname,
        model=host.model,
        os_name=host.os_name,
        os_version=host.os_version,
        agent_version=host.agent_version,
        consent_version=kit.consent_version or known.consent_version,
        consented_at=kit.consented_at or known.consented_at,
    )


def _told_again(device: Device) -> dict[str, object]:
    names: Iterable[str] = (
        "state", "kit_id", "owner_id", "serial", "hostname", "model", "os_name", "os_version",
        "agent_version", "consent_version", "consented_at", "address",
    )  # fmt: skip
    return {name: getattr(device, name) for name in names}


def _issue_key(tx: Transaction, device_id: str) -> str:
    """Make a node key; of those never used only the newest few stay good."""
    node_key = new_token()
    keys = store.list_keys(tx, device_id)
    unused = [key.digest for key in keys if key.used_at is None]
    store.delete_keys(tx, unused[: max(0, len(unused) - UNUSED_KEYS + 1)])
    number = max((key.number for key in keys), default=0) + 1
    store.insert_key(tx, digest_token(node_key), device_id, number)
    return node_key

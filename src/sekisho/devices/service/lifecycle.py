"""The life of a device after its enrolment: approval, consent, pause, withdrawal, re-check."""

from dataclasses import replace
from datetime import timedelta

from sekisho.controls import service as controls
from sekisho.controls.access import Bar
from sekisho.controls.model import Subject
from sekisho.devices.consent import CONSENT_VERSION
from sekisho.devices.model import Device, DeviceState, KitKind, Ownership
from sekisho.devices.store import devices as store
from sekisho.devices.store import kits as kit_store
from sekisho.devices.store import many
from sekisho.devices.store import privacy as privacy_store
from sekisho.devices.words import STATE_WORDS
from sekisho.evidence import service as evidence
from sekisho.findings import service as findings
from sekisho.identity import service as identity
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    NotPermittedError,
)
from sekisho.kernel.i18n import msg
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind

CHECK_NOW = timedelta(minutes=5)
_PAGE = 500  # records of evidence that are read at once


def require_device(tx: Transaction, device_id: str, right: str) -> Device:
    """Return a device that the caller may act on: with ``right``, as its owner, or as itself.

    Raises NotFoundError for a device that is not there or not theirs to know of.
    """
    device = store.find_device(tx, device_id)
    if device is None or not (
        is_owner(tx.principal, device)
        or is_itself(tx, device)
        or tx.principal.allows(right, identity.unit_of(tx, device.owner_id))
    ):
        raise NotFoundError(
            msg("There is no device %(id)s.", id=device_id),
            hint=msg("It may have been removed. Look for it in the list of devices."),
        )
    return device


def require_right(tx: Transaction, device_id: str, right: str) -> Device:
    """Return a device over which the caller has ``right`` as an office, not as its owner.

    The right must reach the unit of the device's owner. Raises NotFoundError for a device that is
    not there or not theirs to know of, NotPermittedError for one that they only own.
    """
    tx.principal.require_reach(right)
    device = require_device(tx, device_id, right)
    tx.principal.require(right, identity.unit_of(tx, device.owner_id))
    return device


def has_right(tx: Transaction, device: Device, right: str) -> bool:
    """Tell whether the caller has ``right`` over a device as an office."""
    return tx.principal.allows(right, identity.unit_of(tx, device.owner_id))


def is_owner(principal: Principal, device: Device) -> bool:
    """Tell whether ``principal`` is the person whose device this is."""
    return (
        principal.kind is PrincipalKind.PERSON
        and device.owner_id is not None
        and principal.id == device.owner_id
    )


def is_itself(tx: Transaction, device: Device) -> bool:
    """Tell whether the caller is the device."""
    return tx.principal.kind is PrincipalKind.DEVICE and tx.principal.id == device.id


def approve_device(tx: Transaction, device_id: str) -> Device:
    """Let a pending device in; raise ConflictError if it waits not.

    Needs ``devices.approve`` and a fresh proof of who does it.
    """
    device = require_right(tx, device_id, "devices.approve")
    tx.principal.require_fresh(tx.now)
    if device.state is not DeviceState.PENDING:
        raise ConflictError(
            msg("%(device)s does not wait for approval (it is %(state)s).",
                device=device.title, state=STATE_WORDS[device.state])
        )  # fmt: skip
    waits = device.ownership is Ownership.PRIVATE and device.consented_at is None
    state = DeviceState.CONSENT if waits else DeviceState.ACTIVE
    return _move(tx, device, state, "device.approved")


def give_consent(tx: Transaction, device_id: str, version: str) -> Device:
    """Take the owner's consent for a private PC: the text's version, and now.

    By the owner signed in, or by the device itself, whose owner agreed at its screen. Raises
    InvalidInputError for a text that is not in force and ConflictError for a company device.
    """
    device = require_device(tx, device_id, "self.consent")
    if device.ownership is not Ownership.PRIVATE:
        raise ConflictError(msg("A company device needs no consent."))
    _refuse_withdrawn(device)
    if version != CONSENT_VERSION:
        raise InvalidInputError(
            msg("The consent text %(got)s is not the one in force (%(now)s).",
                got=version[:32], now=CONSENT_VERSION),
            hint=msg("Show the present text and ask again."),
        )  # fmt: skip
    store.update_device(tx, device.id, consent_version=version, consented_at=tx.now)
    waits = device.state is DeviceState.CONSENT
    return _move(
        tx, device, DeviceState.ACTIVE if waits else device.state, "device.consented",
        {"consent": version},
    )  # fmt: skip


def pause_device(tx: Transaction, device_id: str) -> Device:
    """Stop asking a device; its answers grow old. By its owner, itself, or ``devices.write``."""
    device = require_device(tx, device_id, "devices.write")
    if device.state is DeviceState.PAUSED:
        return device
    if device.state is not DeviceState.ACTIVE:
        raise ConflictError(
            msg("%(device)s is %(state)s; only an active device can be paused.",
                device=device.title, state=STATE_WORDS[device.state])
        )  # fmt: skip
    return _move(tx, device, DeviceState.PAUSED, "device.paused")


def resume_device(tx: Transaction, device_id: str) -> Device:
    """Go on after a pause. A private PC goes on only by its owner or itself."""
    device = require_device(tx, device_id, "devices.write")
    own = is_owner(tx.principal, device) or is_itself(tx, device)
    if device.ownership is Ownership.PRIVATE and not own:
        raise NotPermittedError(
            msg("Only the owner of a private PC can end its pause."),
            hint=msg("Ask the owner to press “resume” on their own page."),
        )
    if device.state is DeviceState.ACTIVE:
        return device
    if device.state is not DeviceState.PAUSED:
        raise ConflictError(
            msg("%(device)s is %(state)s; only a paused device can go on.",
                device=device.title, state=STATE_WORDS[device.state])
        )  # fmt: skip
    return _move(tx, device, DeviceState.ACTIVE, "device.resumed")


def withdraw_device(tx: Transaction, device_id: str) -> Device:
    """End an enrolment at once and delete what was learned from it.

    Answers, verdicts, findings, node keys and looks go, and certificates are revoked. Of a
    private PC the certificates go too (one that is not known here is worth nothing), and
    evidence payloads about it are erased, with an erasure record: what stays is that a device
    was enrolled and withdrawn, and when. By the owner, the device itself, or ``devices.write``
    with a fresh proof of who does it.
    """
    device = require_device(tx, device_id, "devices.write")
    if not is_owner(tx.principal, device) and not is_itself(tx, device):
        tx.principal.require_fresh(tx.now)
    if device.state is DeviceState.WITHDRAWN:
        return device
    store.forget_answers(tx, device.id)
    many.forget_tags(tx, device.id)
    privacy_store.revoke_certificates(tx, device.id)
    privacy_store.forget_privacy(tx, device.id)
    exceptions = controls.forget_device(tx, device.id)
    controls.set_device_bar(tx, device.id, Bar.WITHDRAWN)
    findings.close_subject(tx, f"device:{device.id}", "withdrawn")
    if device.ownership is Ownership.PRIVATE:
        for exception_id in exceptions:
            _erase_evidence(tx, f"exception:{exception_id}")
        privacy_store.delete_certificates(tx, device.id)
        _erase_evidence(tx, f"device:{device.id}")
        _let_go_of_kit(tx, device)
    store.update_device(tx, device.id, **_BLANK, state=DeviceState.WITHDRAWN)
    evidence.record(
        tx,
        kind="device.withdrawn",
        subject=f"device:{device.id}",
        detail={"ownership": device.ownership.value},
    )
    return _found(tx, device.id)


def check_now(tx: Transaction, device_id: str) -> Device:
    """Ask a device everything again at its next word and let it come often for five minutes."""
    device = require_device(tx, device_id, "devices.write")
    if device.state is not DeviceState.ACTIVE:
        raise ConflictError(
            msg("%(device)s is %(state)s; only an active device can be checked now.",
                device=device.title, state=STATE_WORDS[device.state])
        )  # fmt: skip
    store.update_device(tx, device.id, check_now_until=tx.now + CHECK_NOW)
    evidence.record(
        tx, kind="device.check_asked", subject=f"device:{device.id}", detail={},
        person=device.owner_id,
    )  # fmt: skip
    return _found(tx, device.id)


def rename_device(tx: Transaction, device_id: str, label: str, owner_id: str | None) -> Device:
    """Give a device a label and an owner. Needs ``devices.write``.

    The owner of a private PC cannot be changed: its consent is the owner's own.
    """
    device = require_right(tx, device_id, "devices.write")
    _refuse_withdrawn(device)
    if device.ownership is Ownership.PRIVATE and owner_id != device.owner_id:
        raise ConflictError(msg("The owner of a private PC cannot be changed; enrol it anew."))
    cleaned = label.replace("\0", "").strip()[:100]
    store.update_device(tx, device.id, label=cleaned, owner_id=owner_id)
    if owner_id != device.owner_id:
        controls.move_devices(tx, [device.id], owner_id)
    evidence.record(
        tx, kind="device.changed", subject=f"device:{device.id}",
        detail={"label": cleaned, "owner": owner_id}, person=owner_id,
    )  # fmt: skip
    return _found(tx, device.id)


_BLANK: dict[str, object] = {
    "label": "", "owner_id": None, "host_identifier": "", "serial": "", "hostname": "",
    "model": "", "os_name": "", "os_version": "", "address": "", "identity": None,
    "flagged": "", "check_now_until": None, "seen_at": None, "answered_at": None, "note": "",
}  # fmt: skip


def _let_go_of_kit(tx: Transaction, device: Device) -> None:
    """Let a private PC's own kit forget whose it was; it stays used.

    An owner who never agreed may think again: that kit is free once more.
    """
    kit = kit_store.find_kit(tx, kit_id=device.kit_id) if device.kit_id else None
    if kit is None or kit.kind is not KitKind.DEVICE or kit.bound_device != device.id:
        return
    if device.consented_at is None:
        kit_store.update_kit(tx, kit.id, bound_identifier=None, bound_device=None, used_devices=0)
        return
    blank = {"bound_identifier": "", "bound_device": None, "label": "", "owner_id": None}
    kit_store.update_kit(tx, kit.id, **blank)
    _erase_evidence(tx, f"kit:{kit.id}")


def _erase_evidence(tx: Transaction, subject: str) -> None:
    """Erase what the records about a device or a kit say; their place in the chain stays.

    This is owed to the owner and not a matter of the caller's rights, so Sekisho does it itself.
    """
    own = replace(tx, principal=SYSTEM)
    before = None
    while True:
        page = evidence.list_records(own, subject=subject, before=before, limit=_PAGE)
        names = [record.id for record in page if record.detail is not None]
        if names:
            reason = f"withdrawn by {tx.principal.reference}"
            evidence.erase_payload(own, records=names, reason=reason)
        sealed = [record.seq for record in page if record.seq is not None]
        if len(page) < _PAGE or not sealed:
            return
        before = min(sealed)


def begin_verdicts(tx: Transaction, device: Device) -> None:
    """Give a device that is asked from now on its first verdicts: everything is unknown."""
    subject = Subject(device.id, device.ownership, device.platform, device.owner_id)
    controls.start_device(tx, subject)


def _move(
    tx: Transaction,
    device: Device,
    state: DeviceState,
    kind: str,
    detail: dict[str, object] | None = None,
) -> Device:
    store.update_device(tx, device.id, state=state)
    bar = Bar.PAUSED if state is DeviceState.PAUSED else None
    controls.set_device_bar(tx, device.id, bar)
    evidence.record(
        tx,
        kind=kind,
        subject=f"device:{device.id}",
        detail={"before": device.state.value, "after": state.value, **(detail or {})},
        person=device.owner_id,
    )
    if state is DeviceState.ACTIVE:
        begin_verdicts(tx, device)
    return _found(tx, device.id)


def _refuse_withdrawn(device: Device) -> None:
    if device.state is DeviceState.WITHDRAWN:
        raise ConflictError(msg("This device was withdrawn; enrol it anew with a new kit."))


def _found(tx: Transaction, device_id: str) -> Device:
    device = store.find_device(tx, device_id)
    if device is None:
        raise NotFoundError(
            msg("There is no device %(id)s.", id=device_id),
            hint=msg("It may have been removed. Look for it in the list of devices."),
        )
    return device

"""Short-lived certificates of devices: the key is the device's own, we sign that it is theirs."""

import hashlib
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from sekisho.devices.model import Certificate, DeviceState
from sekisho.devices.service.lifecycle import require_device, require_right
from sekisho.devices.store import privacy as store
from sekisho.devices.words import KEY_STORAGE_WORDS, STATE_WORDS
from sekisho.evidence import service as evidence
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import ConflictError, InvalidInputError, RateLimitedError
from sekisho.kernel.i18n import msg
from sekisho.kernel.pki import CertificateAuthority, Issued

LONGEST_REQUEST = 16_384  # characters of PEM; a P-256 request has about 500
KEEP_ENDED = timedelta(days=90)  # so long the page of a device can still say what it had
_MOST_A_DAY = 24


def issue_certificate(
    tx: Transaction,
    authority: CertificateAuthority,
    device_id: str,
    request_pem: str,
    key_storage: str = "",
) -> Issued:
    """Sign a device's certificate request for seven days; the key belongs to this device alone.

    The request must be signed by its own key. ``key_storage`` is where that lies, as the device
    says; a place that is not known counts as not said. Raises ConflictError for a device that is
    not active or a key that another device has, InvalidInputError for an unusable request and
    RateLimitedError after 24 in a day.
    """
    device = require_device(tx, device_id, "devices.write")
    if device.state not in {DeviceState.ACTIVE, DeviceState.PAUSED}:
        raise ConflictError(
            msg("%(device)s is %(state)s; it gets a certificate once it is active.",
                device=device.title, state=STATE_WORDS[device.state])
        )  # fmt: skip
    if len(request_pem) > LONGEST_REQUEST or "\0" in request_pem:
        raise InvalidInputError(msg("The certificate request is too long to be one."))
    _brake(tx, device_id)
    issued = authority.sign_device(request_pem, device_id, tx.now)
    certificate = x509.load_pem_x509_certificate(issued.certificate_pem.encode())
    digest = _key_digest(certificate)
    holder = store.device_of_key(tx, digest)
    if holder not in {None, device_id}:
        raise ConflictError(
            msg("The key of this request belongs to another device."),
            hint=msg("Let the agent make a key of its own: sekisho agent enroll."),
        )
    kept = Certificate(
        serial=issued.serial,
        not_after=issued.not_after,
        issued_at=tx.now,
        revoked_at=None,
        thumbprint=certificate.fingerprint(hashes.SHA256()).hex(),
        key_storage=key_storage if key_storage in KEY_STORAGE_WORDS else "",
    )
    store.insert_certificate(tx, device_id, kept, digest)
    evidence.record(
        tx, kind="device.certificate_issued", subject=f"device:{device_id}",
        detail={
            "serial": issued.serial, "not_after": issued.not_after.isoformat(), "key": digest,
            "key_storage": kept.key_storage,
        },
    )  # fmt: skip
    return issued


def list_certificates(tx: Transaction, device_id: str) -> list[Certificate]:
    """Return a device's certificates, latest first: to its owner, itself, or ``devices.read``."""
    require_device(tx, device_id, "devices.read")
    return store.list_certificates(tx, device_id)


def revoke_certificates(tx: Transaction, device_id: str, reason: str) -> int:
    """Revoke all certificates of a device. Needs ``devices.write``; returns how many."""
    require_right(tx, device_id, "devices.write")
    count = store.revoke_certificates(tx, device_id)
    if count:
        evidence.record(
            tx, kind="device.certificates_revoked", subject=f"device:{device_id}",
            detail={"count": count, "reason": reason[:500]},
        )  # fmt: skip
    return count


def forget_ended_certificates(tx: Transaction) -> int:
    """Delete certificates that ended 90 days ago (worker, once a day); return how many.

    They prove nothing any more; that each was issued, and for which key, stays in the evidence.
    """
    return store.delete_certificates_before(tx, tx.now - KEEP_ENDED)


def find_certificate_holder(tx: Transaction, serial: str, now: datetime) -> str | None:
    """Return the device that a certificate names while it is good, else None (doubt denies)."""
    found = store.find_certificate(tx, serial)
    if found is None or found[1].revoked_at is not None or now >= found[1].not_after:
        return None
    return found[0]


def _key_digest(certificate: x509.Certificate) -> str:
    raw = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(raw).hexdigest()


def _brake(tx: Transaction, device_id: str) -> None:
    day = tx.now - timedelta(days=1)
    lately = [each for each in store.list_certificates(tx, device_id) if each.issued_at > day]
    if len(lately) >= _MOST_A_DAY:
        raise RateLimitedError(
            msg("This device got %(count)s certificates within a day.", count=len(lately)),
            retry_after_seconds=3600,
        )

"""SQL about who looked at devices, and about devices' certificates."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select, update

from sekisho.devices.model import Certificate, Look
from sekisho.devices.store.tables import CERTIFICATES, LOOKS
from sekisho.kernel.db import Transaction, chunked
from sekisho.kernel.ids import new_id
from sekisho.kernel.prepared import Prepared, among_given

_LOOK = [LOOKS.c[item.name] for item in fields(Look)]
_GOOD_OF_MANY = Prepared(
    select(CERTIFICATES.c.serial, CERTIFICATES.c.device_id).where(
        among_given(CERTIFICATES.c.serial, "serials"),
        CERTIFICATES.c.revoked_at.is_(None),
        CERTIFICATES.c.not_after > bindparam("now"),
    )
)
_CERTIFICATE = [CERTIFICATES.c[item.name] for item in fields(Certificate)]


def insert_look(tx: Transaction, device_id: str, look: Look) -> None:
    """Remember a look."""
    values = {item.name: getattr(look, item.name) for item in fields(Look)}
    tx.execute(LOOKS.insert(), {"id": new_id("look"), "device_id": device_id, **values})


def has_look(tx: Transaction, device_id: str, looker: str, what: str, since: datetime) -> bool:
    """Tell whether this person looked at this since ``since`` (so that reloads count once)."""
    where = (
        LOOKS.c.device_id == device_id,
        LOOKS.c.looker == looker,
        LOOKS.c.what == what,
        LOOKS.c.at >= since,
    )
    return bool(tx.rows(select(LOOKS.c.id).where(*where).limit(1)))


def list_looks(tx: Transaction, device_id: str, limit: int) -> list[Look]:
    """Return who looked at a device, latest first."""
    query = select(*_LOOK).where(LOOKS.c.device_id == device_id).order_by(LOOKS.c.id.desc())
    return [Look(*_values(row)) for row in tx.rows(query.limit(limit))]


def delete_looks_before(tx: Transaction, before: datetime) -> int:
    """Delete looks older than their keeping time; return how many."""
    return int(tx.execute(delete(LOOKS).where(LOOKS.c.at < before)).rowcount)


def insert_certificate(
    tx: Transaction, device_id: str, certificate: Certificate, key_digest: str
) -> None:
    """Remember an issued certificate and the digest of the key it is for."""
    values = {item.name: getattr(certificate, item.name) for item in fields(Certificate)}
    tx.execute(CERTIFICATES.insert(), {"device_id": device_id, "key_digest": key_digest, **values})


def list_certificates(tx: Transaction, device_id: str) -> list[Certificate]:
    """Return a device's certificates, latest first."""
    query = select(*_CERTIFICATE).where(CERTIFICATES.c.device_id == device_id)
    rows = tx.rows(query.order_by(CERTIFICATES.c.issued_at.desc(), CERTIFICATES.c.serial))
    return [Certificate(*_values(row)) for row in rows]


def find_certificate(tx: Transaction, serial: str) -> tuple[str, Certificate] | None:
    """Return the device and the certificate of this serial number, or None."""
    query = select(CERTIFICATES.c.device_id, *_CERTIFICATE).where(CERTIFICATES.c.serial == serial)
    rows = tx.rows(query)
    if not rows:
        return None
    device_id, *values = _values(rows[0])
    return device_id, Certificate(*values)


def list_good_certificates(
    tx: Transaction, serials: Sequence[str], now: datetime
) -> dict[str, str]:
    """Return serial → device for those that are neither revoked nor past their end."""
    found: dict[str, str] = {}
    for part in chunked(serials):
        rows = _GOOD_OF_MANY.rows(tx, {"serials": part, "now": now})
        found |= {row.serial: row.device_id for row in rows}
    return found


def list_newest_good(tx: Transaction, device_ids: Sequence[str], now: datetime) -> dict[str, str]:
    """Return device → the serial of its newest certificate that is good now."""
    found: dict[str, str] = {}
    table = CERTIFICATES.c
    for part in chunked(device_ids):
        query = select(table.device_id, table.serial).where(table.device_id.in_(part))
        good = query.where(table.revoked_at.is_(None), table.not_after > now)
        rows = tx.rows(good.order_by(table.issued_at, table.serial))
        found |= {row.device_id: row.serial for row in rows}
    return found


def device_of_key(tx: Transaction, key_digest: str) -> str | None:
    """Return the device that already has a certificate for this key, or None."""
    found: Any = tx.scalar(
        select(CERTIFICATES.c.device_id).where(CERTIFICATES.c.key_digest == key_digest).limit(1)
    )
    return found if found is None else str(found)


def delete_certificates_before(tx: Transaction, end: datetime) -> int:
    """Delete certificates that ended before ``end``; return how many."""
    return int(tx.execute(delete(CERTIFICATES).where(CERTIFICATES.c.not_after < end)).rowcount)


def revoke_certificates(tx: Transaction, device_id: str) -> int:
    """Revoke what is not revoked yet; return how many certificates that were."""
    where = (CERTIFICATES.c.device_id == device_id, CERTIFICATES.c.revoked_at.is_(None))
    return int(tx.execute(update(CERTIFICATES).where(*where).values(revoked_at=tx.now)).rowcount)


def delete_certificates(tx: Transaction, device_id: str) -> None:
    """Forget a device's certificates: one that is not known here is worth nothing."""
    tx.execute(delete(CERTIFICATES).where(CERTIFICATES.c.device_id == device_id))


def forget_privacy(tx: Transaction, device_id: str) -> None:
    """Delete the looks at a device (its owner has been shown them; nothing of them is owed)."""
    tx.execute(delete(LOOKS).where(LOOKS.c.device_id == device_id))


def _values(row: Any) -> tuple[Any, ...]:
    return tuple(row)

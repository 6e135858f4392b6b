"""Reads and writes what people prove themselves with: passkeys, TOTP, recovery codes."""

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, and_, delete, func, insert, select, update

from sekisho.identity.model import Passkey
from sekisho.identity.store.tables import passkeys, people, recovery_codes, totp
from sekisho.kernel.db import Transaction, upsert
from sekisho.kernel.ids import PersonID


def insert_passkey(tx: Transaction, passkey: Passkey) -> None:
    """Add a passkey; a credential id that exists already is an integrity error."""
    names = ("id", "person_id", "rp_id", "credential_id", "public_key", "sign_count", "aaguid",
             "label", "backed_up", "created_at", "used_at")  # fmt: skip
    row = {name: getattr(passkey, name) for name in names}
    tx.execute(insert(passkeys), row | {"credential_digest": _digest(passkey.credential_id)})


def _digest(credential_id: bytes) -> str:
    return hashlib.sha256(credential_id).hexdigest()


def find_passkey(tx: Transaction, credential_id: bytes) -> Passkey | None:
    """Return the passkey with this credential id, or None."""
    wanted = passkeys.c.credential_digest == _digest(credential_id)
    found = tx.rows(select(passkeys).where(wanted, passkeys.c.ended_at.is_(None)))
    return _passkey(found[0]) if found else None


def list_passkeys(tx: Transaction, person_id: PersonID) -> list[Passkey]:
    """List a person's passkeys, oldest first."""
    mine = (passkeys.c.person_id == person_id, passkeys.c.ended_at.is_(None))
    query = select(passkeys).where(*mine)
    return [_passkey(row) for row in tx.rows(query.order_by(passkeys.c.created_at))]


def advance_counter(tx: Transaction, passkey_id: str, count: int) -> bool:
    """Note a use; False if the counter did not grow meanwhile (0 means it never counts)."""
    # Authenticators that do not count always say 0 (WebAuthn level 3 section 6.1.1).
    grown = passkeys.c.sign_count < count if count else passkeys.c.sign_count == 0
    result = tx.execute(
        update(passkeys)
        .where(passkeys.c.id == passkey_id, grown)
        .values(sign_count=count, used_at=tx.now)
    )
    return bool(result.rowcount == 1)


def delete_passkey(tx: Transaction, person_id: PersonID, passkey_id: str) -> bool:
    """Delete one passkey of a person; False if they have no such passkey."""
    mine = and_(
        passkeys.c.person_id == person_id,
        passkeys.c.id == passkey_id,
        passkeys.c.ended_at.is_(None),
    )
    return bool(tx.execute(delete(passkeys).where(mine)).rowcount)


def rename_passkey(tx: Transaction, person_id: PersonID, passkey_id: str, label: str) -> bool:
    """Give a passkey of a person another name; False if they have no such passkey."""
    mine = and_(passkeys.c.person_id == person_id, passkeys.c.id == passkey_id)
    return bool(tx.execute(update(passkeys).where(mine).values(label=label)).rowcount)


def count_passkey_names(tx: Transaction) -> dict[str, int]:
    """Return rp_id → number of people with a passkey for that name."""
    people_count = func.count(passkeys.c.person_id.distinct()).label("people")
    query = select(passkeys.c.rp_id, people_count).where(passkeys.c.ended_at.is_(None))
    return {row.rp_id: row.people for row in tx.rows(query.group_by(passkeys.c.rp_id))}


def list_people_without_passkey(tx: Transaction, rp_id: str, limit: int) -> Sequence[str]:
    """List ids of active people who have no passkey for ``rp_id``."""
    having = select(passkeys.c.person_id).where(
        passkeys.c.rp_id == rp_id, passkeys.c.ended_at.is_(None)
    )
    query = (
        select(people.c.id)
        .where(people.c.state == "active", people.c.id.not_in(having))
        .order_by(people.c.name)
        .limit(limit)
    )
    return [row.id for row in tx.rows(query)]


def _passkey(row: Row[Any]) -> Passkey:
    return Passkey(
        id=row.id,
        person_id=PersonID(row.person_id),
        rp_id=row.rp_id,
        credential_id=bytes(row.credential_id),
        public_key=bytes(row.public_key),
        sign_count=row.sign_count,
        aaguid=row.aaguid,
        label=row.label,
        backed_up=row.backed_up,
        created_at=row.created_at,
        used_at=row.used_at,
    )


def set_totp(tx: Transaction, person_id: PersonID, sealed: bytes, step: int) -> None:
    """Keep a person's sealed TOTP secret; ``step`` is the last step used."""
    row = {"person_id": person_id, "sealed": sealed, "last_step": step, "created_at": tx.now}
    upsert(tx, totp, [row], index=["person_id"], update=["sealed", "last_step", "created_at"])


def get_totp(tx: Transaction, person_id: PersonID) -> tuple[bytes, int] | None:
    """Return a person's sealed secret and last used step, or None."""
    found = tx.rows(select(totp.c.sealed, totp.c.last_step).where(totp.c.person_id == person_id))
    return (bytes(found[0].sealed), found[0].last_step) if found else None


def use_step(tx: Transaction, person_id: PersonID, step: int) -> bool:
    """Mark a time step as used; False if it or a later one was used before."""
    later = and_(totp.c.person_id == person_id, totp.c.last_step < step)
    return bool(tx.execute(update(totp).where(later).values(last_step=step)).rowcount == 1)


def delete_totp(tx: Transaction, person_id: PersonID) -> bool:
    """Forget a person's TOTP secret; False if there was none."""
    return bool(tx.execute(delete(totp).where(totp.c.person_id == person_id)).rowcount)


def replace_recovery_codes(tx: Transaction, person_id: PersonID, digests: Sequence[str]) -> None:
    """Make these digests the person's only recovery codes."""
    tx.execute(delete(recovery_codes).where(recovery_codes.c.person_id == person_id))
    rows = [{"digest": d, "person_id": person_id, "created_at": tx.now} for d in digests]
    tx.execute(insert(recovery_codes), rows)


def delete_recovery_codes(tx: Transaction, person_id: PersonID) -> None:
    """Forget a person's recovery codes."""
    tx.execute(delete(recovery_codes).where(recovery_codes.c.person_id == person_id))


def use_recovery_code(tx: Transaction, person_id: PersonID, digest: str) -> bool:
    """Use up a recovery code; False if it is not an unused one of this person."""
    unused = and_(
        recovery_codes.c.digest == digest,
        recovery_codes.c.person_id == person_id,
        recovery_codes.c.used_at.is_(None),
    )
    result = tx.execute(update(recovery_codes).where(unused).values(used_at=tx.now))
    return bool(result.rowcount == 1)


def count_recovery_codes(tx: Transaction, person_id: PersonID) -> int:
    """Count a person's unused recovery codes."""
    mine = and_(recovery_codes.c.person_id == person_id, recovery_codes.c.used_at.is_(None))
    return int(tx.scalar(select(func.count()).select_from(recovery_codes).where(mine)))

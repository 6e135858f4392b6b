"""Reads and writes what happens before somebody is in: links, ceremonies, failed attempts."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, delete, insert, select, update

from sekisho.identity.model import Attempts, Ceremony, Link, Purpose
from sekisho.identity.store.tables import attempts, ceremonies, links
from sekisho.kernel.db import Transaction, upsert
from sekisho.kernel.ids import PersonID


def insert_link(tx: Transaction, link: Link) -> None:
    """Add a one-time link."""
    tx.execute(
        insert(links),
        {
            "digest": link.digest,
            "purpose": link.purpose.value,
            "person_id": link.person_id,
            "created_by": tx.principal.reference,
            "created_at": tx.now,
            "ends_at": link.ends_at,
            "invitation_id": link.invitation_id or None,
        },
    )


def delete_unused_links(tx: Transaction, purpose: Purpose, person_id: PersonID | None) -> None:
    """Delete the unused links of one purpose for one person (or for nobody yet)."""
    tx.execute(
        delete(links).where(
            links.c.purpose == purpose.value,
            links.c.person_id.is_(None) if person_id is None else links.c.person_id == person_id,
            links.c.used_at.is_(None),
        )
    )


def find_link(tx: Transaction, digest: str) -> Link | None:
    """Return the link with this digest if it is unused and has not ended."""
    open_link = and_(links.c.digest == digest, links.c.used_at.is_(None), links.c.ends_at > tx.now)
    found = tx.rows(select(links).where(open_link))
    if not found:
        return None
    return _link(found[0])


def _link(row: Row[Any]) -> Link:
    return Link(
        row.digest, Purpose(row.purpose), row.person_id, row.ends_at, row.invitation_id or ""
    )


def find_open_link(tx: Transaction, purpose: Purpose, person_id: PersonID) -> Link | None:
    """Return a person's link of one purpose that still works, or None."""
    mine = and_(links.c.purpose == purpose.value, links.c.person_id == person_id)
    still = and_(links.c.used_at.is_(None), links.c.ends_at > tx.now)
    found = tx.rows(select(links).where(mine, still).limit(1))
    if not found:
        return None
    return _link(found[0])


def use_link(tx: Transaction, digest: str) -> bool:
    """Use up a link; False if it was used, has ended or never was."""
    open_link = and_(links.c.digest == digest, links.c.used_at.is_(None), links.c.ends_at > tx.now)
    return bool(tx.execute(update(links).where(open_link).values(used_at=tx.now)).rowcount == 1)


def use_first_admin_links(tx: Transaction) -> None:
    """Use up every first-admin link at once; a second taker of any of them waits, then fails."""
    unused = and_(links.c.purpose == Purpose.FIRST_ADMIN.value, links.c.used_at.is_(None))
    tx.execute(update(links).where(unused).values(used_at=tx.now))


def insert_ceremony(tx: Transaction, digest: str, ceremony: Ceremony, life: timedelta) -> None:
    """Add a ceremony under the digest of its handle."""
    row = {name: getattr(ceremony, name) for name in Ceremony.__slots__}
    row |= {"digest": digest, "ends_at": tx.now + life, "pending": dict(ceremony.pending)}
    tx.execute(insert(ceremonies), row)


def take_ceremony(tx: Transaction, digest: str, purpose: str) -> Ceremony | None:
    """Take a ceremony out for good; None if there is none that still runs."""
    wanted = and_(
        ceremonies.c.digest == digest,
        ceremonies.c.purpose == purpose,
        ceremonies.c.ends_at > tx.now,
    )
    found = tx.rows(delete(ceremonies).where(wanted).returning(ceremonies))
    return _ceremony(found[0]) if found else None


def _ceremony(row: Row[Any]) -> Ceremony:
    return Ceremony(
        purpose=row.purpose,
        challenge=bytes(row.challenge),
        rp_id=row.rp_id,
        origin=row.origin,
        person_id=row.person_id,
        bound_to=row.bound_to,
        pending=row.pending,
        sealed=bytes(row.sealed) if row.sealed is not None else None,
    )


def lock_attempts(tx: Transaction, key: str) -> Attempts:
    """Return the failures under ``key``, keeping other tries waiting until this one is over."""
    empty = {"key": key, "failures": 0, "last_at": None, "blocked_until": None}
    upsert(tx, attempts, [empty], index=["key"], update=[])
    row = tx.rows(select(attempts).where(attempts.c.key == key).with_for_update())[0]
    return Attempts(row.failures, row.last_at, row.blocked_until)


def set_attempts(tx: Transaction, key: str, state: Attempts) -> None:
    """Keep the failures under ``key``."""
    values = {name: getattr(state, name) for name in Attempts.__slots__}
    tx.execute(update(attempts).where(attempts.c.key == key).values(**values))


def list_blocked(tx: Transaction, prefix: str) -> Sequence[tuple[str, datetime]]:
    """List the keys with this prefix that are blocked now, and until when."""
    query = select(attempts.c.key, attempts.c.blocked_until).where(
        attempts.c.blocked_until > tx.now, attempts.c.key.startswith(prefix, autoescape=True)
    )
    return [(row.key, row.blocked_until) for row in tx.rows(query)]


def list_blocks(tx: Transaction, limit: int) -> Sequence[tuple[str, int, datetime]]:
    """List keys that are blocked now with their failures, the longest wait first."""
    query = select(attempts).where(attempts.c.blocked_until > tx.now)
    rows = tx.rows(query.order_by(attempts.c.blocked_until.desc()).limit(limit))
    return [(row.key, row.failures, row.blocked_until) for row in rows]


def find_ceremony(tx: Transaction, digest: str, purpose: str) -> Ceremony | None:
    """Return a ceremony that still runs and leave it where it is."""
    wanted = and_(
        ceremonies.c.digest == digest,
        ceremonies.c.purpose == purpose,
        ceremonies.c.ends_at > tx.now,
    )
    found = tx.rows(select(ceremonies).where(wanted))
    return _ceremony(found[0]) if found else None


def delete_leftovers(tx: Transaction, quiet_since: datetime) -> None:
    """Delete ceremonies and links that have ended and attempts that have faded."""
    tx.execute(delete(ceremonies).where(ceremonies.c.ends_at <= tx.now))
    tx.execute(delete(links).where(links.c.ends_at <= quiet_since))
    faded = (attempts.c.last_at.is_(None)) | (attempts.c.last_at <= quiet_since)
    calm = (attempts.c.blocked_until.is_(None)) | (attempts.c.blocked_until <= tx.now)
    tx.execute(delete(attempts).where(faded, calm))

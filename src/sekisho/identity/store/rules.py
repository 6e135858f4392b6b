"""Reads and writes what is asked of sign-ins: required strength, and addresses shut out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, select

from sekisho.identity.model import Strength
from sekisho.identity.store.door_tables import bans, requirements
from sekisho.kernel.db import Transaction, upsert
from sekisho.kernel.prepared import Prepared

_HOLDING = Prepared(select(bans).where(bans.c.ends_at > bindparam("now")).order_by(bans.c.ends_at))


@dataclass(frozen=True, slots=True)
class Ban:
    """An address (or /64 of IPv6) that somebody shut out, why and until when."""

    unit: str
    reason: str
    created_by: str
    created_at: datetime
    ends_at: datetime


def read_requirements(tx: Transaction) -> Mapping[str, Strength]:
    """Return what was set: ``role:…`` → strength."""
    return {row.key: Strength(row.strength) for row in tx.rows(select(requirements))}


def set_requirement(tx: Transaction, key: str, strength: Strength) -> None:
    """Keep what a role or resource asks for."""
    row = {
        "key": key,
        "strength": int(strength),
        "changed_by": tx.principal.reference,
        "changed_at": tx.now,
    }
    upsert(tx, requirements, [row], index=["key"], update=["strength", "changed_by", "changed_at"])


def set_ban(tx: Transaction, ban: Ban) -> None:
    """Shut an address out until its end; a former ban of it is replaced."""
    row = {name: getattr(ban, name) for name in Ban.__slots__}
    upsert(
        tx, bans, [row], index=["unit"], update=["reason", "created_by", "created_at", "ends_at"]
    )


def delete_ban(tx: Transaction, unit: str) -> bool:
    """Let an address in again; False if it was not shut out."""
    return bool(tx.execute(delete(bans).where(bans.c.unit == unit)).rowcount)


def list_bans(tx: Transaction) -> Sequence[Ban]:
    """List the bans that hold now, the first to end first."""
    rows = _HOLDING.rows(tx, {"now": tx.now})
    return [Ban(*(getattr(row, name) for name in Ban.__slots__)) for row in rows]


def delete_ended_bans(tx: Transaction, before: datetime) -> None:
    """Forget bans that ended before ``before``."""
    tx.execute(delete(bans).where(bans.c.ends_at <= before))

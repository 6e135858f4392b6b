"""SQL about enrolment kits."""

from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import select, update

from sekisho.devices.model import Kit, KitKind, Ownership
from sekisho.devices.store.tables import KITS
from sekisho.kernel.db import Transaction

_COLUMNS = [KITS.c[item.name] for item in fields(Kit)]


def insert_kit(tx: Transaction, kit: Kit, digest: str) -> None:
    """Store a kit with the digest of its secret."""
    row = asdict(kit) | {"digest": digest, "needs_approval": int(kit.needs_approval)}
    tx.execute(KITS.insert(), row)


def find_kit(tx: Transaction, *, digest: str = "", kit_id: str = "") -> Kit | None:
    """Return the kit with this secret digest, or with this id; None if there is none."""
    where = KITS.c.digest == digest if digest else KITS.c.id == kit_id
    found = tx.rows(select(*_COLUMNS).where(where))
    return _kit(found[0]) if found else None


def list_kits(tx: Transaction, limit: int) -> list[Kit]:
    """Return the newest kits."""
    return [_kit(row) for row in tx.rows(select(*_COLUMNS).order_by(KITS.c.id.desc()).limit(limit))]


def list_open_kits_of(tx: Transaction, owner_id: str) -> list[Kit]:
    """Return the kits made for a person's devices that could still be used."""
    mine = (KITS.c.owner_id == owner_id, KITS.c.revoked_at.is_(None), KITS.c.ends_at > tx.now)
    return [_kit(row) for row in tx.rows(select(*_COLUMNS).where(*mine))]


def update_kit(tx: Transaction, kit_id: str, **values: object) -> None:
    """Set some columns of one kit."""
    tx.execute(update(KITS).where(KITS.c.id == kit_id).values(**values))


def count_use(tx: Transaction, kit_id: str) -> None:
    """Count one more device of a kit, in the database so that no count is lost."""
    more = {"used_devices": KITS.c.used_devices + 1}
    tx.execute(update(KITS).where(KITS.c.id == kit_id).values(more))


def _kit(row: Any) -> Kit:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name of a row's mapping
    values["kind"] = KitKind(row.kind)
    values["ownership"] = Ownership(row.ownership)
    values["needs_approval"] = bool(row.needs_approval)
    return Kit(**values)

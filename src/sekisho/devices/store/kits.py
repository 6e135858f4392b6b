"""SQL about enrolment kits."""

from collections.abc import Collection
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select, update

from sekisho.devices.model import Kit, KitKind, Ownership
from sekisho.devices.store.tables import KITS
from sekisho.kernel.db import Transaction, chunked

_COLUMNS = [KITS.c[item.name] for item in fields(Kit)]
SORTS = {
    "made": KITS.c.id, "label": func.lower(KITS.c.label), "kind": KITS.c.ownership,
    "used": KITS.c.used_devices, "ends": KITS.c.ends_at,
}  # fmt: skip


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


def page_kits(
    tx: Transaction, search: str, state: str, limit: int, offset: int, sort: str = "-made"
) -> tuple[list[Kit], int]:
    """Return one page of kits by a key of SORTS ("-" downwards), and how many match.

    ``search`` is found in the label; ``state`` is a word of ``service.kits.kit_state`` or empty.
    """
    column = SORTS[sort.removeprefix("-")]
    order = column.desc() if sort.startswith("-") else column.asc()
    wanted = [KITS.c.label.icontains(search, autoescape=True)] if search else []
    wanted += _states(tx.now).get(state, [])
    total = int(tx.scalar(select(func.count()).select_from(KITS).where(*wanted)) or 0)
    page = select(*_COLUMNS).where(*wanted).order_by(order, KITS.c.id.desc())
    return [_kit(row) for row in tx.rows(page.limit(limit).offset(offset))], total


def count_kits(tx: Transaction) -> dict[str, int]:
    """Return how many kits are in each state."""
    return {
        state: int(tx.scalar(select(func.count()).select_from(KITS).where(*wanted)) or 0)
        for state, wanted in _states(tx.now).items()
    }


def label_kits(tx: Transaction, ids: Collection[str]) -> dict[str, str]:
    """Return id → label of these kits."""
    found: dict[str, str] = {}
    for some in chunked(sorted(ids)):
        rows = tx.rows(select(KITS.c.id, KITS.c.label).where(KITS.c.id.in_(some)))
        found |= {row.id: row.label for row in rows}
    return found


def _states(now: datetime) -> dict[str, list[ColumnElement[bool]]]:
    lives = [KITS.c.revoked_at.is_(None), KITS.c.ends_at > now]
    return {
        "open": [*lives, KITS.c.used_devices < KITS.c.max_devices],
        "used": [*lives, KITS.c.used_devices >= KITS.c.max_devices],
        "ended": [KITS.c.revoked_at.is_(None), KITS.c.ends_at <= now],
        "revoked": [KITS.c.revoked_at.is_not(None)],
    }


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

"""Reads and writes what owners of devices were told last."""

from collections.abc import Mapping

from sqlalchemy import Column, ForeignKey, String, Table, select

from sekisho.devices.model import DeviceState
from sekisho.devices.store.tables import DEVICES
from sekisho.devices.told import Owned, Stage, Told
from sekisho.kernel.db import JSONText, Transaction, UTCDateTime, metadata, upsert
from sekisho.kernel.ids import DeviceID

TOLD = Table(
    "device_told",
    metadata,
    Column("device_id", String(64), ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    Column("stage", String(16), nullable=False),
    Column("fix_by", UTCDateTime),
    Column("rules", JSONText, nullable=False),
    Column("told_at", UTCDateTime, nullable=False),
)


def list_owned(tx: Transaction, after: str, limit: int) -> list[tuple[Owned, Told]]:
    """Return active devices with an owner, by id, behind ``after``, and what was told last."""
    columns = (DEVICES.c.id, DEVICES.c.owner_id, DEVICES.c.label, DEVICES.c.hostname)
    query = (
        select(*columns, TOLD.c.stage, TOLD.c.fix_by, TOLD.c.rules)
        .join(TOLD, TOLD.c.device_id == DEVICES.c.id, isouter=True)
        .where(
            DEVICES.c.id > after,
            DEVICES.c.state == DeviceState.ACTIVE.value,
            DEVICES.c.owner_id.is_not(None),
        )
        .order_by(DEVICES.c.id)
        .limit(limit)
    )
    return [
        (
            Owned(DeviceID(row.id), row.owner_id, row.label or row.hostname or f"PC {row.id[-6:]}"),
            Told(Stage(row.stage), row.fix_by, frozenset(row.rules)) if row.stage else Told(),
        )
        for row in tx.rows(query)
    ]


def note_told(tx: Transaction, told: Mapping[DeviceID, Told]) -> None:
    """Note what was told now."""
    rows = [
        {"device_id": device_id, "stage": one.stage.value, "fix_by": one.fix_by,
         "rules": sorted(one.rules), "told_at": tx.now}
        for device_id, one in told.items()
    ]  # fmt: skip
    upsert(tx, TOLD, rows, index=["device_id"], update=["stage", "fix_by", "rules", "told_at"])

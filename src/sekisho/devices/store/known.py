"""Enrolled devices as lists from elsewhere may name them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select

from sekisho.devices.model import DeviceState
from sekisho.devices.store.tables import DEVICES
from sekisho.kernel.db import Transaction


def list_known(tx: Transaction) -> Sequence[Row[Any]]:
    """Return (id, ownership, platform, serial, host_identifier, hostname, owner_id) of all."""
    columns = (
        DEVICES.c.id, DEVICES.c.ownership, DEVICES.c.platform, DEVICES.c.serial,
        DEVICES.c.host_identifier, DEVICES.c.hostname, DEVICES.c.owner_id,
    )  # fmt: skip
    return tx.rows(select(*columns).where(DEVICES.c.state != DeviceState.WITHDRAWN.value))

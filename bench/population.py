"""A population loaded straight into the database, as if it had enrolled and answered before.

Enrolling 25,000 devices takes minutes and is measured apart; what a server must hold all day is
devices that are known. Their answer times are spread over the hour, so that results fall due
evenly, and their verdicts are what they answered the time before.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.made_devices import Device
from sqlalchemy import Table

from sekisho.controls.model import Catalogue, Platform
from sekisho.devices.model import KitKind, Ownership
from sekisho.devices.offers import Plan
from sekisho.devices.plans import make_plan
from sekisho.devices.service import kits
from sekisho.devices.service.kits import KitOrder
from sekisho.devices.store import tables
from sekisho.kernel.db import Database
from sekisho.kernel.ids import digest_token
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.settings import load_settings
from sekisho.server.bootstrap import open_house

_CHUNK = 5_000


def device_id(number: int) -> str:
    """Return the id of a loaded device."""
    return f"dev_BENCH{number:021}"


def node_key(number: int) -> str:
    """Return the node key of a loaded device; of the length of a real one."""
    return f"bench-node-key-{number:028}"


def plans_of(catalogue: Catalogue) -> dict[tuple[Platform, Ownership], Plan]:
    """Return what each kind of device is asked when osqueryd speaks for it."""
    return {
        (platform, ownership): make_plan(catalogue, platform, ownership, agent=False)
        for platform in Platform
        for ownership in Ownership
    }


def load_devices(database: Database, catalogue: Catalogue, devices: Sequence[Device]) -> None:
    """Store devices with a used node key and the answer times of the past hour."""
    plans = plans_of(catalogue)
    now = database.clock.now()
    rows: dict[Table, Iterable[dict[str, Any]]] = {
        tables.DEVICES: (_device_row(device, now) for device in devices),
        tables.NODE_KEYS: (_key_row(device, now) for device in devices),
        tables.SCHEDULES: (_schedule_row(device, plans, now) for device in devices),
    }
    for table, found in rows.items():
        insert(database, table, found)


def insert(database: Database, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    """Insert many rows, some thousand a transaction."""
    for part in batches(rows):
        with database.write(SYSTEM) as tx:
            tx.execute(table.insert(), part)


def batches(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Cut rows into parts."""
    part: list[dict[str, Any]] = []
    for row in rows:
        part.append(row)
        if len(part) == _CHUNK:
            yield part
            part = []
    if part:
        yield part


def ownership_of(device: Device) -> Ownership:
    """Return whose a device is."""
    return Ownership.PRIVATE if device.private else Ownership.COMPANY


def _device_row(device: Device, now: dt.datetime) -> dict[str, Any]:
    known = {} if device.private else {"serial": f"BENCH{device.number:07}"}
    return {
        "id": device_id(device.number),
        "ownership": ownership_of(device).value,
        "platform": device.platform,
        "state": "active",
        "label": "" if device.private else f"pc-{device.number:05}",
        "owner_id": None,
        "kit_id": None,
        "host_identifier": device.identifier,
        "hostname": "" if device.private else f"pc-{device.number:05}",
        "model": "",
        "os_name": device.platform,
        "os_version": "1",
        "agent_version": device.version,
        "address": "127.0.0.0/24",
        "enrolled_at": now - dt.timedelta(days=30),
        "seen_at": now,
        "answered_at": now,
        "check_now_until": None,
        "flagged": "",
        "identity": None,
        "consent_version": None,
        "consented_at": now if device.private else None,
        "changed_at": now - dt.timedelta(days=1),
        "serial": "",
        **known,
    }


def _key_row(device: Device, now: dt.datetime) -> dict[str, Any]:
    return {
        "digest": digest_token(node_key(device.number)),
        "device_id": device_id(device.number),
        "number": 1,
        "issued_at": now,
        "used_at": now,
    }


def _schedule_row(
    device: Device, plans: dict[tuple[Platform, Ownership], Plan], now: dt.datetime
) -> dict[str, Any]:
    plan = plans[Platform(device.platform), ownership_of(device)]
    return {
        "device_id": device_id(device.number),
        "plan": plan.digest,
        "times": b"".join(
            (int(now.timestamp()) - age_of(device, wait)).to_bytes(4, "little")
            for wait in plan.intervals
        ),
    }


def age_of(device: Device, interval: int) -> int:
    """Return how many seconds ago a device answered a query that is asked every ``interval``."""
    return (device.number * 7919) % 3600 % interval


def with_keys(devices: Sequence[Device]) -> list[Device]:
    """Return the devices with the node keys under which they are loaded."""
    for device in devices:
        device.node_key = node_key(device.number)
    return list(devices)


def prepare_house(data: Path, devices: Sequence[Device], newcomers: int) -> str:
    """Make a data folder with this population; return a group secret for ``newcomers`` more."""
    with open_house(load_settings(data, {})) as house:
        load_devices(house.database, house.catalogue, devices)
        order = KitOrder(
            KitKind.GROUP, Ownership.COMPANY, "bench", max_devices=max(1, newcomers),
            approval=False,
        )  # fmt: skip
        with house.database.write(SYSTEM) as tx:
            return kits.create_kit(tx, order).secret.reveal()

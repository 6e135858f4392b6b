"""A population loaded straight into the database, as if it had enrolled and answered before.

Enrolling 25,000 devices takes minutes and is measured apart; what a server must hold all day is
devices that are known. Their answer times are spread over the hour, so that results fall due
evenly, and their verdicts are what they answered the time before: those of the first 600 judged by
the real service, those of the others copied.
"""

import datetime as dt
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.made_devices import PERIOD, Device, make_answers
from sqlalchemy import Table, text

from sekisho.controls import service as controls
from sekisho.controls.model import Answer, Catalogue, Platform, Subject
from sekisho.controls.store.tables import SUBJECTS, VERDICTS
from sekisho.devices import engine
from sekisho.devices.model import KitKind, Ownership
from sekisho.devices.offers import Plan
from sekisho.devices.plans import make_plan
from sekisho.devices.service import kits
from sekisho.devices.service.kits import KitOrder
from sekisho.devices.store import tables
from sekisho.devices.store.words import save_words
from sekisho.findings.store import findings
from sekisho.kernel.db import Database
from sekisho.kernel.ids import DeviceID, digest_token
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
    with database.write(SYSTEM) as tx:
        save_words(tx, [device_id(device.number) for device in devices])


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
        "identity": list(engine.identity_of(device.identifier, {"instance_id": device.identifier})),
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
    return (device.number * 77 % PERIOD) * (3600 // PERIOD) % interval


def with_keys(devices: Sequence[Device]) -> list[Device]:
    """Return the devices with the node keys under which they are loaded."""
    for device in devices:
        device.node_key = node_key(device.number)
    return list(devices)


def prepare_house(data: Path, devices: Sequence[Device], newcomers: int) -> str:
    """Make a data folder with this population; return a group secret for ``newcomers`` more."""
    with open_house(load_settings(data, {})) as house:
        catalogue = controls.catalogue_in_force()
        note_controls(house.database)
        load_devices(house.database, catalogue, devices)
        judge_first(house.database, catalogue, devices[:PERIOD])
        copy_verdicts(house.database, len(devices))
        order = KitOrder(
            KitKind.GROUP, Ownership.COMPANY, "bench", max_devices=max(1, newcomers),
            approval=False,
        )  # fmt: skip
        with house.database.write(SYSTEM) as tx:
            return kits.create_kit(tx, order).secret.reveal()


def note_controls(database: Database) -> None:
    """Note which controls are in force while there are no devices: nothing changes at the start."""
    with database.write(SYSTEM) as tx:
        takeover = controls.find_takeover(tx)
        if takeover is not None:
            takeover.step(tx)


def judge_first(database: Database, catalogue: Catalogue, devices: Sequence[Device]) -> None:
    """Let the real service judge what the first devices answered the time before."""
    plans = plans_of(catalogue)
    chance = random.Random(1)  # noqa: S311 - a scenario, no secret
    for device in devices:
        plan = plans[Platform(device.platform), ownership_of(device)]
        told = make_answers(device, plan.names, chance, before=True)
        answers = [
            Answer(
                name, tuple(told["queries"][name]), told["statuses"][name], told["messages"][name]
            )
            for name in plan.names
        ]
        subject = Subject(
            DeviceID(device_id(device.number)), ownership_of(device), Platform(device.platform)
        )
        with database.write(SYSTEM) as tx:
            received_at = tx.now - dt.timedelta(seconds=age_of(device, 3600))
            controls.judge_answers(tx, subject, answers, received_at)


def copy_verdicts(database: Database, count: int) -> None:
    """Give all other devices what the first ``PERIOD`` have; count it all (SQLite only)."""
    for offset in range(PERIOD, count, PERIOD):
        with database.write(SYSTEM) as tx:
            for statement in _COPIES:
                tx.execute(text(statement), {"offset": offset, "count": count, "period": PERIOD})
    with database.write(SYSTEM) as tx:
        tx.execute(text("DELETE FROM control_counts"))
        tx.execute(text(_COUNTS))


def _copying(table: Table, own: dict[str, str], device: str) -> str:
    """Return SQL that copies rows of the first devices to the devices ``offset`` further on."""
    number = f"CAST(substr({device}, 10) AS INTEGER)"
    moved = f"printf('dev_BENCH%021d', {number} + :offset)"
    columns = ", ".join(column.name for column in table.c)
    values = ", ".join(
        own.get(column.name, column.name).replace("{moved}", moved) for column in table.c
    )
    return (
        f"INSERT INTO {table.name} ({columns}) SELECT {values} FROM {table.name} "  # noqa: S608 - names of our own tables
        f"WHERE {device} LIKE 'dev_BENCH%' AND {number} < :period AND {number} + :offset < :count"
    )


_COPIES = (
    _copying(VERDICTS, {"device_id": "{moved}"}, "device_id"),
    _copying(SUBJECTS, {"device_id": "{moved}"}, "device_id"),
    _copying(
        findings,
        {
            "id": "'fnd_' || hex(randomblob(13))",
            "subject": "'device:' || {moved}",
            "key": "replace(key, substr(subject, 8), {moved})",
        },
        "substr(subject, 8)",
    ),
)
_COUNTS = (
    "INSERT INTO control_counts (control_id, kind, proof, number) "
    "SELECT control_id, kind, proof, count(*) FROM control_verdicts GROUP BY 1, 2, 3"
)

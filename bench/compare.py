"""Nothing acknowledged is lost: what devices were told is taken, held against what is there."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.calls import Report
from bench.made_devices import CHECK, Device, device_of
from sqlalchemy import select

from sekisho.controls import service as controls
from sekisho.controls.model import Catalogue, Platform, Verdict, VerdictKind
from sekisho.devices.store.tables import DEVICES
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.ids import DeviceID
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.settings import load_settings

_EXAMPLES = 5


@dataclass(slots=True)
class Lost:
    """What was found: verdicts compared, those that are missing or too old, those that differ."""

    devices: int = 0
    compared: int = 0
    missing: int = 0
    wrong: int = 0
    examples: list[str] = field(default_factory=list)

    def note(self, device: Device, query: str, expected: VerdictKind, got: Verdict | None) -> None:
        """Keep a few examples."""
        if len(self.examples) < _EXAMPLES:
            told = "nothing" if got is None else f"{got.kind} of {got.received_at} ({got.message})"
            self.examples.append(f"{device.identifier} {query}: {expected} expected, {told} found")


def compare(data: Path, reports: Sequence[Report]) -> Lost:
    """Compare every answer whose write was acknowledged with the verdict in the database."""
    catalogue = controls.catalogue_in_force()
    lost = Lost()
    database = Database(load_settings(data, {}).database, SystemClock())
    try:
        with database.read(SYSTEM) as tx:
            ids = _ids(tx)
            for report in reports:
                for identifier, answers in report.answers.items():
                    found = _verdicts(tx, ids.get(identifier, ""))
                    sent = dt.datetime.fromtimestamp(report.sent[identifier] - 1, dt.UTC)
                    _compare_device(lost, catalogue, device_of(identifier), answers, found, sent)
    finally:
        database.close()
    return lost


def _ids(tx: Transaction) -> dict[str, DeviceID]:
    rows = tx.rows(select(DEVICES.c.host_identifier, DEVICES.c.id))
    return {row.host_identifier: DeviceID(row.id) for row in rows}


def _verdicts(tx: Transaction, device_id: str) -> dict[str, Verdict]:
    found = controls.list_verdicts(tx, DeviceID(device_id))
    return {f"{CHECK}{each.control_id}@{each.control_version}": each for each in found}


def _compare_device(
    lost: Lost,
    catalogue: Catalogue,
    device: Device,
    answers: dict[str, bool],
    found: dict[str, Verdict],
    sent: dt.datetime,
) -> None:
    lost.devices += 1
    for query, passed in answers.items():
        lost.compared += 1
        got = found.get(query)
        expected = _expected(catalogue, device, query, sent, passed=passed)
        if got is None or got.received_at is None:
            lost.missing += 1
            lost.note(device, query, expected, got)
        elif got.kind is not expected:
            lost.wrong += 1
            lost.note(device, query, expected, got)
    newest = max((each.received_at for each in found.values() if each.received_at), default=None)
    if newest is None or newest < sent:
        lost.missing += 1
        if len(lost.examples) < _EXAMPLES:
            lost.examples.append(f"{device.identifier}: nothing since {sent}, newest {newest}")


def _expected(
    catalogue: Catalogue, device: Device, query: str, now: dt.datetime, *, passed: bool
) -> VerdictKind:
    control = catalogue.by_name[query]
    check = control.find_check(Platform(device.platform))
    probe = None if check is None else check.choose_probe(sekisho_agent=False)
    if probe is None or not device.is_ready(probe.ready_name):
        return VerdictKind.UNKNOWN
    if passed and any(data.stale_after <= now for data in probe.data):
        return VerdictKind.UNKNOWN  # a list that is too old proves nothing
    return VerdictKind.PASS if passed else VerdictKind.FAIL

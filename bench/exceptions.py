"""How long it takes to lay an exception over many devices, and whether check-ins notice.

``python bench/exceptions.py [--devices 10000]``: a group with one failing device a person gets an
exception, is looked at, loses it again. Each figure stands beside a floor taken in the same run on
the same disk: plain sqlite3 updating as many rows and inserting two rows for each (the change and
its record).
"""

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from sekisho.controls import engine, service
from sekisho.controls.exceptions import Scope, ScopeKind, Wish
from sekisho.controls.model import Catalogue, Platform, Subject, Verdict, VerdictKind
from sekisho.controls.store import figures, verdicts
from sekisho.identity import service as identity
from sekisho.identity.model import PersonState, Role
from sekisho.identity.service import groups
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.ids import ControlID, DeviceID, PersonID
from sekisho.kernel.migrations import migrate
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind
from sekisho.wire.kit import Ownership

RULE = ControlID("uac-on")
AT_ONCE = 500


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=10_000)
    devices = parser.parse_args().devices
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/bench.db", SystemClock())
        migrate(database)
        group = _fill(database, devices)
        measure(database, group, devices, Path(folder) / "floor.db")
        database.close()


def measure(database: Database, group: str, devices: int, floor_at: Path) -> None:
    """Grant, read, lay again, revoke."""
    floor = _floor(floor_at, devices)
    print(f"{devices} devices; floor {floor * 1e3:.0f} ms")
    asker, chief = _person("asker"), _person("chief")
    with database.write(asker) as tx:
        scope = Scope(ScopeKind.GROUP, group)
        wish = Wish(RULE, scope, "legacy software", "kept off the network", tx.now + _days(20))
        asked = service.request_exception(tx, wish, None)
    steps: dict[str, tuple[Principal, Callable[[Transaction], object]]] = {
        "approve": (chief, lambda tx: service.approve_exception(tx, asked.id)),
        "list": (chief, service.list_exceptions),
        "devices that are fine": (SYSTEM, lambda tx: service.list_devices_with(tx, "exempt")),
        "lay again, nobody moved": (SYSTEM, service.relay_exceptions),
        "revoke": (chief, lambda tx: service.revoke_exception(tx, asked.id, "no longer needed")),
    }
    for name, (who, step) in steps.items():
        spent = _run(database, who, step)
        print(f"{name:24} {spent * 1e3:8.0f} ms  {spent / floor:6.1f} x floor")


def _days(number: int) -> timedelta:
    return timedelta(days=number)


def _run(database: Database, who: Principal, step: Callable[[Transaction], object]) -> float:
    start = time.perf_counter()
    with database.write(who) as tx:
        step(tx)
    return time.perf_counter() - start


def _person(name: str) -> Principal:
    now = SystemClock().now()
    return Principal(PrincipalKind.PERSON, f"per_{name}", name, frozenset({"*"}), None, now)


def _fill(database: Database, devices: int) -> str:
    """Add people with a device each, all failing one rule, and a group of all of them."""
    catalogue = service.catalogue_in_force()
    with database.write(SYSTEM) as tx:
        for name in ("asker", "chief"):
            _add_person(tx, name, Role.ADMIN)
        group = groups.create_group(tx, "everybody")
        for number in range(devices):
            _add_person(tx, str(number), Role.TELEWORKER)
        groups.change_members(tx, group.id, add=[f"per_{n}" for n in range(devices)])
    for start in range(0, devices, AT_ONCE):
        with database.write(SYSTEM) as tx:
            _fill_some(tx, catalogue, range(start, min(devices, start + AT_ONCE)))
    return group.id


def _add_person(tx: Transaction, name: str, role: Role) -> None:
    identity.add_person(
        tx, name=name, email=f"{name}@example.jp", language="en", roles=[role],
        state=PersonState.ACTIVE, person_id=PersonID(f"per_{name}"),
    )  # fmt: skip


def _fill_some(tx: Transaction, catalogue: Catalogue, numbers: range) -> None:
    counts: dict[figures.Figure, int] = {}
    saved: list[tuple[DeviceID, Verdict]] = []
    subjects = []
    for number in numbers:
        subject = Subject(
            DeviceID(f"dev_{number}"), Ownership.COMPANY, Platform.WINDOWS, f"per_{number}"
        )
        made = [_verdict(c.id, catalogue, tx) for c in catalogue.applying("windows", "company")]
        kinds = [verdict.kind for verdict in made]
        saved += [(subject.device_id, verdict) for verdict in made]
        tally = {kind: kinds.count(kind) for kind in VerdictKind}
        subjects.append((subject, tally, "fix_by", engine.next_deadline(made)))
        for verdict in made:
            figure = (verdict.control_id, verdict.kind.value, verdict.proof.value)
            counts[figure] = counts.get(figure, 0) + 1
    verdicts.save_verdicts(tx, saved)
    verdicts.save_subjects(tx, subjects)
    figures.add_counts(tx, counts)


def _verdict(name: ControlID, catalogue: Catalogue, tx: Transaction) -> Verdict:
    control = catalogue.controls[name]
    kind = VerdictKind.FAIL if name == RULE else VerdictKind.PASS
    return replace(
        engine.start_verdict(control, tx.now), kind=kind, judged=kind, checked_at=tx.now,
        received_at=tx.now, expires_at=tx.now + control.max_age,
        first_failed_at=tx.now if kind is VerdictKind.FAIL else None,
    )  # fmt: skip


def _floor(path: Path, rows: int) -> float:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE v (d TEXT, c TEXT, k TEXT, PRIMARY KEY (d, c))")
    connection.execute("CREATE TABLE r (d TEXT, t TEXT)")
    ids = [(f"dev_{n}", "rule") for n in range(rows)]
    connection.executemany("INSERT INTO v VALUES (?, ?, 'fail')", ids)
    start = time.perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("UPDATE v SET k = 'exempt' WHERE d = ? AND c = ?", ids)
    connection.executemany("INSERT INTO r VALUES (?, ?)", ids)
    connection.executemany("INSERT INTO r VALUES (?, ?)", ids)
    connection.execute("COMMIT")
    spent = time.perf_counter() - start
    connection.close()
    return spent


if __name__ == "__main__":
    main()

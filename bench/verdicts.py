"""How fast verdicts are judged and stored, and how fast the overview reads them.

``python bench/verdicts.py [--devices 25000]`` prints each figure and its ratio to a floor taken in
the same run on the same disk: plain sqlite3 ``executemany`` of as many rows.
"""

import argparse
import platform
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from sekisho.controls import engine, service
from sekisho.controls.model import Answer, Catalogue, Platform, Subject, Verdict, VerdictKind
from sekisho.controls.store import figures, verdicts
from sekisho.controls.store.tables import COUNTS
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.ids import ControlID, DeviceID
from sekisho.kernel.migrations import migrate
from sekisho.kernel.principal import SYSTEM
from sekisho.wire.kit import Ownership

ROW = ({"1": "1"},)
SAMPLE = 400
AT_ONCE = 500


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=25_000)
    devices = parser.parse_args().devices
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/bench.db", SystemClock())
        migrate(database)
        print(f"# {platform.machine()}, Python {platform.python_version()}, SQLite "
              f"{sqlite3.sqlite_version}")  # fmt: skip
        measure_judging(database, Path(folder))
        measure_overview(database, devices)
        database.close()


def measure_judging(database: Database, folder: Path) -> None:
    """Judge ``SAMPLE`` devices three times: new, unchanged, all turned."""
    catalogue = service.catalogue_in_force()
    subjects = [_subject(number, "judged") for number in range(SAMPLE)]
    passing, failing = (_answers(catalogue, subjects[0], passed=p) for p in (True, False))
    checks = sum(1 for answer in passing if answer.name.startswith("fleet_policy"))
    pure = _time(lambda: [_judge_pure(catalogue, s, passing) for s in subjects]) / SAMPLE
    floor = _floor(folder / "floor.db", SAMPLE, checks) / SAMPLE
    print(f"{checks} checks a device")
    print(f"judge alone               {pure * 1e3:8.2f} ms a device")
    print(f"floor: rows alone         {floor * 1e3:8.2f} ms a device")
    for name, answers in (("first", passing), ("unchanged", passing), ("all turned", failing)):
        spent = _check_in(database, subjects, answers) / SAMPLE
        print(f"check-in, {name:14}  {spent * 1e3:8.2f} ms a device  {1 / spent:7.0f} devices/s"
              f"  {spent / floor:5.1f} x floor")  # fmt: skip


def measure_overview(database: Database, devices: int) -> None:
    """Fill the tables and read what the overview reads."""
    catalogue = service.catalogue_in_force()
    spent = _time(lambda: _fill(database, catalogue, devices))
    with database.read(SYSTEM) as tx:
        rows = service.count_verdicts(tx).total
    print(f"{rows} verdicts of {devices} devices, filled in {spent:.0f} s")
    plain = _median(database, lambda tx: tx.rows(select(COUNTS).limit(1)))
    readers: dict[str, Callable[[Transaction], object]] = {
        "counts by verdict": service.count_verdicts,
        "worst controls": service.list_controls_status,
        "trend of 30 days": lambda tx: service.list_trend(tx, 30),
        "devices by standing": service.count_standings,
        "one device's verdicts": lambda tx: service.list_verdicts(tx, DeviceID("dev_filled_7")),
        "devices of a control": lambda tx: service.list_control_devices(
            tx, ControlID("os-supported"), VerdictKind.FAIL, limit=50
        ),
    }
    for name, read in readers.items():
        spent = _median(database, read)
        print(f"{name:24} {spent * 1e3:8.2f} ms  {spent / plain:7.1f} x one row")


def _check_in(database: Database, subjects: Sequence[Subject], answers: list[Answer]) -> float:
    def run() -> None:
        for start in range(0, len(subjects), 50):
            with database.write(SYSTEM) as tx:
                for subject in subjects[start : start + 50]:
                    service.judge_answers(tx, subject, answers, tx.now)

    return _time(run)


def _judge_pure(catalogue: Catalogue, subject: Subject, answers: list[Answer]) -> list[Verdict]:
    by_name = {answer.name: answer for answer in answers}
    now = datetime(2026, 11, 24, tzinfo=UTC)
    found = []
    for control in catalogue.applying(subject.platform, subject.ownership):
        check = control.find_check(subject.platform)
        if check is not None:
            proof = engine.gather_evidence(control, check, by_name, subject.ownership)
            judged = engine.judge(control, proof, None, now)
            found.append(engine.conclude(judged, None, None, now))
    return found


def _fill(database: Database, catalogue: Catalogue, devices: int) -> None:
    for start in range(0, devices, AT_ONCE):
        with database.write(SYSTEM) as tx:
            counts: dict[figures.Figure, int] = {}
            saved, subjects = [], []
            for number in range(start, min(devices, start + AT_ONCE)):
                subject = _subject(number, "filled")
                made = _verdicts(catalogue, number, tx.now)
                saved += [(subject.device_id, verdict) for verdict in made]
                kinds = [verdict.kind for verdict in made]
                subjects.append(
                    (
                        subject,
                        {k: kinds.count(k) for k in VerdictKind},
                        "unknown",
                        engine.next_deadline(made),
                    )
                )
                for verdict in made:
                    figure = (verdict.control_id, verdict.kind.value, verdict.proof.value)
                    counts[figure] = counts.get(figure, 0) + 1
            verdicts.save_verdicts(tx, saved)
            verdicts.save_subjects(tx, subjects)
            figures.add_counts(tx, counts)
    with database.write(SYSTEM) as tx:
        for day in range(30):
            label = (tx.now - timedelta(days=day)).date().isoformat()
            figures.write_day(tx, label, figures.read_counts(tx, tx.now))


def _verdicts(catalogue: Catalogue, number: int, now: datetime) -> list[Verdict]:
    """Make one verdict a control: 5 % fail, 5 % unknown."""
    found = []
    for place, control in enumerate(catalogue.controls.values()):
        lot = (number * 31 + place * 7) % 20
        kind = {0: VerdictKind.FAIL, 1: VerdictKind.UNKNOWN}.get(lot, VerdictKind.PASS)
        ends = now + control.max_age
        found.append(
            Verdict(
                control.id, control.version, kind, kind, control.proof, now, now, now, None, ends
            )
        )
    return found


def _subject(number: int, kind: str) -> Subject:
    return Subject(DeviceID(f"dev_{kind}_{number}"), Ownership.COMPANY, Platform.WINDOWS, "per_1")


def _answers(catalogue: Catalogue, subject: Subject, *, passed: bool) -> list[Answer]:
    found: list[Answer] = []
    for control in catalogue.applying(subject.platform, subject.ownership):
        check = control.find_check(subject.platform)
        if check is not None:
            found.append(Answer(control.policy_name, ROW if passed else ()))
            found.append(Answer(check.probe.ready_name, ROW))
    return found


def _floor(path: Path, devices: int, checks: int) -> float:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(
        "CREATE TABLE v (d TEXT, c TEXT, k TEXT, a TEXT, b TEXT, PRIMARY KEY (d, c))"
    )

    def run() -> None:
        for start in range(0, devices, 50):
            connection.execute("BEGIN IMMEDIATE")
            rows = [
                (f"dev_{n}", f"control-{c}", "pass", "2026-11-24 09:00:00", "2026-11-26 09:00:00")
                for n in range(start, start + 50)
                for c in range(checks)
            ]
            connection.executemany("INSERT INTO v VALUES (?,?,?,?,?)", rows)
            connection.execute("COMMIT")

    spent = _time(run)
    connection.close()
    return spent


def _median(database: Database, read: Callable[[Transaction], object]) -> float:
    times = []
    for _ in range(15):
        with database.read(SYSTEM) as tx:
            times.append(_time(lambda: read(tx)))
    return statistics.median(times)


def _time(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()

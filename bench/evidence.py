"""How fast evidence is appended, sealed and verified, beside the floor of the same work.

Run: python bench/evidence.py [RECORDS]   (default 1,000,000; SQLite in a temporary folder)

The floor of appending is the same rows put into the same tables by bare sqlite3; the floor of
sealing and verifying is bare SHA-256 over the same bytes.
"""

import hashlib
import os
import platform
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sekisho.evidence import service
from sekisho.evidence.model import NewRecord
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database
from sekisho.kernel.migrations import migrate
from sekisho.kernel.principal import SYSTEM

AT_ONCE = 100  # a check-in of one device gives about as many records as it has controls


def measure(work: Callable[[], object]) -> float:
    """Return the seconds that ``work`` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def make(number: int) -> list[NewRecord]:
    """Return the records of one check-in."""
    return [
        NewRecord(
            "control.verdict_changed", f"device:dev_{number:026}",
            {"control": "disk-encrypted", "from": "unknown", "to": "pass", "row": row},
        )
        for row in range(AT_ONCE)
    ]  # fmt: skip


def append(database: Database, count: int) -> None:
    """Append ``count`` records, 100 to a transaction."""
    for number in range(count // AT_ONCE):
        with database.write(SYSTEM) as tx:
            service.record_many(tx, make(number))


def seal(database: Database) -> None:
    """Seal everything."""
    while True:
        with database.write(SYSTEM) as tx:
            if not service.seal_records(tx):
                return


def verify(database: Database) -> None:
    """Verify everything; a finding would be a fault of the benchmark."""
    with database.read(SYSTEM) as tx:
        found = service.verify(tx)
    if not found.sound:
        raise SystemExit(str(found.problems[0].message))


def append_barely(path: Path, rows: list[tuple[object, ...]]) -> None:
    """Insert the same rows with nothing but the driver, 100 to a transaction."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    for start in range(0, len(rows), AT_ONCE):
        part = rows[start : start + AT_ONCE]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT INTO evidence_records (id, at, kind, actor, subject, digest) "
            "VALUES (?, ?, ?, ?, ?, ?)", [row[:6] for row in part],
        )  # fmt: skip
        connection.executemany(
            "INSERT INTO evidence_payloads (record_id, salt, payload) VALUES (?, ?, ?)",
            [(row[0], row[6], row[7]) for row in part],
        )
        connection.execute("COMMIT")
    connection.close()


def hash_barely(rows: list[tuple[object, ...]]) -> None:
    """Hash the same bytes twice, as sealing (once) and verifying (payload and chain) do."""
    for row in rows:
        hashlib.sha256(bytes(row[6]) + str(row[7]).encode())  # type: ignore[call-overload]  # a BLOB
        hashlib.sha256(b"".join(str(part).encode() for part in row[:6]))


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        database = Database(f"sqlite:///{folder}/a.db", SystemClock())
        bare = Database(f"sqlite:///{folder}/b.db", SystemClock())
        for item in (database, bare):
            migrate(item)
        bare.close()
        seconds = {
            "append": measure(lambda: append(database, count)),
            "seal": measure(lambda: seal(database)),
            "verify": measure(lambda: verify(database)),
        }
        rows = read(folder / "a.db")
        floor_append = measure(lambda: append_barely(folder / "b.db", rows))
        floor_hash = measure(lambda: hash_barely(rows))
        size = (folder / "a.db").stat().st_size
    floors = {"append": floor_append, "seal": floor_hash / 2, "verify": floor_hash}
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{count:,} records, {size / count:.0f} bytes each in SQLite")
    for step, spent in seconds.items():
        floor = floors[step]
        print(f"{step:8}{count / spent:>12,.0f} records/s{spent:>9.1f} s"
              f"  floor {count / floor:>11,.0f}/s  {spent / floor:.1f} x")  # fmt: skip


def read(path: Path) -> list[tuple[object, ...]]:
    """Return every record and payload as it was stored."""
    connection = sqlite3.connect(path)
    rows = connection.execute(
        "SELECT r.id, r.at, r.kind, r.actor, r.subject, r.digest, p.salt, p.payload "
        "FROM evidence_records r JOIN evidence_payloads p ON p.record_id = r.id ORDER BY r.seq"
    ).fetchall()
    connection.close()
    return rows


if __name__ == "__main__":
    main()

"""How fast an export of a device manager is read, matched, looked at and brought in.

``python bench/exports.py [--rows 25000]`` prints each figure. Half of the rows are enrolled,
half are known by the export alone. The floor is Python's own csv module over the same file.
"""

import argparse
import csv
import io
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sekisho.controls import service as controls
from sekisho.controls.exports.grid import read_grid
from sekisho.controls.exports.mapping import own_mappings
from sekisho.controls.exports.matching import KnownDevice, read_export
from sekisho.controls.model import Platform, Subject
from sekisho.controls.service import applying, imports
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.db import Database
from sekisho.kernel.ids import DeviceID
from sekisho.kernel.migrations import migrate
from sekisho.kernel.principal import SYSTEM
from sekisho.wire.kit import Ownership

AT_ONCE = 500
HEAD = "Device name,Serial number,Primary user UPN,OS,Ownership,Last check-in,Encrypted\n"


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=25_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = Database(f"sqlite:///{folder}/bench.db", SystemClock())
        migrate(database)
        print(f"# {platform.machine()}, Python {platform.python_version()}, {rows} rows")
        measure(database, folder / "imports", rows)
        database.close()


def measure(database: Database, folder: Path, rows: int) -> None:
    """Bring one export in, from the bytes to the verdicts."""
    content = make_export(rows)
    known = [
        KnownDevice(f"dev_{n}", "company", "windows", serial=f"SN{n:08}", name=f"PC-{n:06}")
        for n in range(rows // 2)
    ]
    start_devices(database, known)
    mapping = own_mappings()["intune-devices"]
    say("floor: csv alone", clock(lambda: list(csv.reader(io.StringIO(content.decode())))), rows)
    say("read", clock(lambda: read_grid(content)), rows)
    grid, now = read_grid(content), SystemClock().now()
    say("map and match", clock(lambda: read_export(grid, mapping, known, now, now)), rows)
    made = []

    def look() -> None:
        with database.write(SYSTEM) as tx:
            made.append(imports.upload_export(tx, folder=folder, file_name="x", content=content))
            imports.preview_import(tx, made[0].id, folder=folder, yaml=mapping.yaml, known=known)
            imports.start_import(tx, made[0].id)

    say("upload, preview, start", clock(look), rows)
    say("worker: statements and verdicts", clock(lambda: bring_in(database, folder)), rows)
    with database.read(SYSTEM) as tx:
        print(f"third party verdicts: {controls.count_verdicts(tx).by_proof['third_party']}")


def make_export(rows: int) -> bytes:
    """Write the export of ``rows`` computers."""
    day = SystemClock().now().date().isoformat()
    lines = [
        f"PC-{n:06},SN{n:08},p{n}@example.jp,Windows,Corporate,{day} 00:00,{n % 7 > 0}"
        for n in range(rows)
    ]
    return (HEAD + "\n".join(lines)).encode()


def start_devices(database: Database, known: list[KnownDevice]) -> None:
    """Give the enrolled devices their unknown verdicts."""
    for start in range(0, len(known), AT_ONCE):
        with database.write(SYSTEM) as tx:
            for device in known[start : start + AT_ONCE]:
                controls.start_device(
                    tx, Subject(DeviceID(device.id), Ownership.COMPANY, Platform.WINDOWS)
                )


def bring_in(database: Database, folder: Path) -> None:
    """Do the worker's part until nothing is left."""
    while True:
        with database.write(SYSTEM) as tx:
            if not applying.apply_imports(tx, folder):
                return


def clock(work: Callable[[], object]) -> float:
    """Return how many seconds ``work`` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def say(what: str, seconds: float, rows: int) -> None:
    """Print one figure."""
    print(f"{what:34}{seconds:8.2f} s {seconds / rows * 1e6:10.1f} µs a row")


if __name__ == "__main__":
    main()

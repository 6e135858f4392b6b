"""What the command costs its user: `sekisho hunt` as a whole, on one core and on all of them.

    .venv/bin/python -m bench.hunt_command --rules RULES... --evtx FOLDER... [--copies 24]

The EVTX files below ``--evtx`` are copied with fresh digits (see ``bench.hunt``), once as a folder
of many small files and once as one large file of all their undamaged chunks. Both are hunted
through with a warm rule cache and the whole timeline written. CPU seconds and seconds that pass
are printed, the floor of merely reading beside them. Exits 1 where the matches of one core and of
all differ.
"""

import argparse
import os
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.hunt import FLOOR, copy_fresh, measure

_HEAD, _CHUNK, _BODY = 4096, 65536, 512
_MAGIC = b"ElfChnk\x00"
_FAULTS = 1
"""How the command ends where some rules are faulty, as in SigmaHQ a few with placeholders are."""


class Cost(NamedTuple):
    """Seconds that passed, CPU seconds of all processes, and lines of the timeline."""

    wall: float
    cpu: float
    matches: int


def write_large(folder: Path, target: Path) -> None:
    """Write one EVTX file of the chunks in ``folder`` that say rightly what they hold."""
    files = sorted(folder.glob("*.evtx"))
    chunks = [chunk for file in files for chunk in _whole_chunks(file)]
    head = bytearray(files[0].read_bytes()[:_HEAD])
    struct.pack_into("<QQ", head, 8, 0, len(chunks) - 1)
    struct.pack_into("<H", head, 42, min(len(chunks), 0xFFFF))
    struct.pack_into("<I", head, 124, zlib.crc32(bytes(head[:120])))
    with target.open("wb") as file:
        file.write(head)
        file.writelines(chunks)


def _whole_chunks(file: Path) -> Iterator[bytes]:
    """Yield chunks whose records number what their head tells, with checksums made anew."""
    content = file.read_bytes()
    for at in range(_HEAD, len(content) - _CHUNK + 1, _CHUNK):
        chunk = bytearray(content[at : at + _CHUNK])
        first, last = struct.unpack_from("<QQ", chunk, 8)
        (end,) = struct.unpack_from("<I", chunk, 48)
        if not chunk.startswith(_MAGIC) or _count(chunk, end) != last - first + 1:
            continue
        struct.pack_into("<I", chunk, 52, zlib.crc32(bytes(chunk[_BODY:end])))
        of_head = zlib.crc32(bytes(chunk[128:_BODY]), zlib.crc32(bytes(chunk[:120])))
        struct.pack_into("<I", chunk, 124, of_head)
        yield bytes(chunk)


def _count(chunk: bytes | bytearray, end: int) -> int:
    """Return how many records stand one behind the other up to ``end``."""
    count, at = 0, _BODY
    while at + 24 <= end <= _CHUNK and chunk[at : at + 4] == b"**\x00\x00":
        count, at = count + 1, at + max(struct.unpack_from("<I", chunk, at + 4)[0], 24)
    return count


def hunt(log: Path, rules: Sequence[str], jobs: int, folder: Path) -> Cost:
    """Run the command and return what it cost."""
    out = folder / "timeline.jsonl"
    asked = [part for name in rules for part in ("--rules", name)]
    command = [
        sys.executable, "-m", "sekisho", "hunt", str(log), *asked, "--jobs", str(jobs), "--quiet",
        "--format", "json", "--output", str(out),
    ]  # fmt: skip
    cached = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    before = os.times()
    begun = time.perf_counter()
    ended = subprocess.run(command, check=False, env=cached, capture_output=True)
    wall, after = time.perf_counter() - begun, os.times()
    if ended.returncode > _FAULTS:
        raise SystemExit(f"the command failed with exit code {ended.returncode}")
    cpu = sum(after[2:4]) - sum(before[2:4])
    return Cost(wall, cpu, out.read_bytes().count(b"\n"))


def report(name: str, log: Path, rules: Sequence[str], folder: Path) -> None:
    """Measure one log on one core and on all, and print it."""
    floor = measure(FLOOR, str(log if log.is_dir() else log.parent))
    print(f"\n{name}: {floor.events:,} records, reading alone {floor.cpu:.2f} CPU s")
    costs = {jobs: hunt(log, rules, jobs, folder) for jobs in (1, os.cpu_count() or 1)}
    for jobs, cost in costs.items():
        print(
            f"  {jobs} processes  {cost.wall:6.2f} s pass  {cost.cpu:6.2f} CPU s"
            f"  {floor.events / cost.wall:9,.0f} records/s  {cost.matches:,} matches"
        )
    if len({cost.matches for cost in costs.values()}) != 1:
        raise SystemExit(f"{name}: not the same matches")


def main() -> None:
    """Make the logs, measure, print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rules", nargs="+", required=True)
    asked.add_argument("--evtx", nargs="+", required=True)
    asked.add_argument("--copies", type=int, default=24)
    said = asked.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small, large = folder / "small", folder / "large"
        for one in (small, large):
            one.mkdir()
        copy_fresh([Path(one) for one in said.evtx], small, said.copies)
        write_large(small, large / "large.evtx")
        hunt(min(small.iterdir()), said.rules, 1, folder)  # the cache of rules
        report("Many small files", small, said.rules, folder)
        report("One large file", large / "large.evtx", said.rules, folder)


if __name__ == "__main__":
    main()

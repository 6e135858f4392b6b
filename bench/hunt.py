"""What a hunt costs against merely reading: CPU of whole processes, floor and hunt in one run.

    .venv/bin/python -m bench.hunt --rules RULES... [--evtx FOLDER...] [--events 1000000]

JSON lines are made here (``made_events.py``: fresh values, ordinary ones and ones dense with
matches, of which there are a tenth). EVTX files are copies of
those below ``--evtx``; in each copy the digits of hexadecimal texts are drawn anew, so that
values are fresh and not only repeated. The floor turns the same input into dictionaries and drops
them: the ``evtx`` package with one thread, then msgspec. Ratios count, not milliseconds.
Exits 1 if any measured process fails: a crash must not look like speed.
"""

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench.made_events import write_lines

_DIGITS = re.compile(rb"(?:[0-9A-Fa-f]\x00){12,}")

FLOOR = """
import sys, gc
from pathlib import Path
import msgspec
from evtx import PyEvtxParser
gc.disable()
loads, count = msgspec.json.Decoder().decode, 0
for name in sys.argv[1:]:
    if name.endswith(".jsonl"):
        with open(name, "rb") as file:
            for line in file:
                loads(line)
                count += 1
        continue
    for path in sorted(Path(name).rglob("*.evtx")):
        for record in PyEvtxParser(str(path), 1).records_json():
            loads(record["data"])
            count += 1
print(count, 0)
"""

HUNT = """
import sys, gc
gc.disable()
from pathlib import Path
from sekisho.detection.engine.compiled.matcher import Matcher
from sekisho.detection.language.loading import load_folder
from sekisho.detection.sources.bulk import Hunter
from sekisho.detection.sources.rulecache import load_ready
cache, rules, logs = Path(sys.argv[1]), sys.argv[2].split("|"), sys.argv[3:]
half, rules = rules[0] == "half", [Path(name) for name in rules[1:]]
def build():
    from dataclasses import replace
    whole = load_folder(rules)
    return replace(whole, rules=whole.rules[::2]) if half else whole
ready = load_ready(rules, cache, build, asked=half)
hits = 0
def found(event, ids):
    global hits
    hits += len(ids)
troubles = []
hunter = Hunter(Matcher(ready.plan), found, troubles.append)
for name in logs:
    if name.endswith(".jsonl"):
        with open(name, "rb") as file:
            hunter.jsonl(file, name)
        continue
    for path in sorted(Path(name).rglob("*.evtx")):
        hunter.evtx(path, str(path))
hunter.finish()
print(sum(hunter.tally.by.values()), hits)
gc.freeze()  # as the command does before it ends
"""


class Measured(NamedTuple):
    """One whole process: CPU seconds, MiB at most, events and hits that it counted."""

    cpu: float
    mebi: float
    events: int
    hits: int


def measure(program: str, *arguments: str) -> Measured:
    """Run a program in a process of its own; the least CPU a process can need is in it."""
    command = [sys.executable, "-c", program, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 # asked for just now
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"a measured process failed with exit code {process.returncode}")
    events, hits = map(int, said.split())
    return Measured(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, events, hits)


def least(times: int, program: str, *arguments: str) -> Measured:
    """Return the cheapest of several runs: what disturbs a run only makes it dearer."""
    return min(measure(program, *arguments) for _ in range(times))


def copy_fresh(sources: Sequence[Path], target: Path, copies: int) -> None:
    """Copy EVTX files; in copies but the first, long runs of hexadecimal digits are redrawn."""
    draw = random.Random(7)  # noqa: S311 # made data, no secret

    def redraw(found: re.Match[bytes]) -> bytes:
        size = len(found.group()) // 2
        return f"{draw.getrandbits(size * 4):0{size}X}"[-size:].encode("utf-16-le")

    files = [path for source in sources for path in sorted(source.rglob("*.evtx"))]
    for copy in range(copies):
        for number, path in enumerate(files):
            content = path.read_bytes()
            fresh = _DIGITS.sub(redraw, content) if copy else content
            (target / f"{copy:03}-{number:04}.evtx").write_bytes(fresh)


def report(name: str, floor: Measured, hunts: dict[str, Measured], start: float) -> None:
    """Print what one input cost."""
    if any(hunt.events != floor.events for hunt in hunts.values()):
        raise SystemExit(f"{name}: the hunt did not see every event")
    print(f"\n{name}: {floor.events:,} events, floor {floor.cpu:.2f} CPU s")
    for what, hunt in hunts.items():
        net = max(hunt.cpu - start, 0.001)
        print(
            f"  {what:10} {hunt.cpu:7.2f} CPU s  ratio {hunt.cpu / floor.cpu:5.2f}"
            f" (start-up apart {net / floor.cpu:5.2f})  {floor.events / net:10,.0f} events/s a core"
            f"  {hunt.mebi:4.0f} MiB  {hunt.hits:,} hits"
        )


def main() -> None:
    """Make the inputs, measure, print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rules", nargs="+", required=True)
    asked.add_argument("--evtx", nargs="*", default=[])
    asked.add_argument("--events", type=int, default=1_000_000)
    asked.add_argument("--copies", type=int, default=116)
    asked.add_argument("--times", type=int, default=2)
    said = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(said, Path(folder))


def run(said: argparse.Namespace, folder: Path) -> None:
    """Measure start-up, JSON lines and EVTX below ``folder``."""
    cache, lines, small = str(folder / "cache"), folder / "made.jsonl", folder / "small.jsonl"
    rules = {half: "|".join([half, *said.rules]) for half in ("all", "half")}
    write_lines(small, 100)
    cold = measure(HUNT, cache, rules["all"], str(small))
    measure(HUNT, cache, rules["half"], str(small))
    warm = least(3, HUNT, cache, rules["all"], str(small))
    (folder / "empty.jsonl").touch()
    start = least(3, HUNT, cache, rules["all"], str(folder / "empty.jsonl"))
    print(f"rules cold {cold.cpu:.2f} CPU s; one small file warm {warm.cpu:.2f} CPU s, "
          f"of which start-up {start.cpu:.2f}")  # fmt: skip
    write_lines(lines, said.events)
    write_lines(folder / "dense.jsonl", said.events // 10, dense=True)
    inputs = {
        "JSON lines, ordinary, all values fresh": lines,
        "JSON lines, dense with matches": folder / "dense.jsonl",
    }
    if said.evtx:
        (folder / "evtx").mkdir()
        copy_fresh([Path(name) for name in said.evtx], folder / "evtx", said.copies)
        inputs[f"EVTX, {said.copies} copies with fresh values"] = folder / "evtx"
    for name, path in inputs.items():
        floor = least(said.times, FLOOR, str(path))
        hunts = {
            f"{which} rules": least(said.times, HUNT, cache, rules[which], str(path))
            for which in ("all", "half")
        }
        report(name, floor, hunts, start.cpu)


if __name__ == "__main__":
    main()

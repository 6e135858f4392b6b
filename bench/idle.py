"""What the server costs while nothing happens: memory of all its processes, and CPU.

Runs ``sekisho up`` on a temporary folder (no device), waits, and reads the memory of supervisor,
web and worker; beside it bare Python processes in the same number, as the floor. Resident memory
(RSS) counts shared pages in each process; unique memory (USS) does not.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from bench.house import describe_machine, end_process, measure

AIM_MIB = 300
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of one process in MiB."""

    name: str
    rss: float
    uss: float


def weigh(processes: Sequence[psutil.Process]) -> list[Memory]:
    """Return the memory of each process."""
    found = []
    for process in processes:
        full = process.memory_full_info()
        found.append(Memory(name_of(process), full.rss / _MIB, full.uss / _MIB))
    return found


def name_of(process: psutil.Process) -> str:
    """Return what a process is for: the words after ``-m sekisho`` or of the script."""
    words = process.cmdline()[1:4]
    return " ".join(word for word in words if not word.startswith(("-", "/")))


@contextlib.contextmanager
def running_up(folder: Path) -> Iterator[psutil.Process]:
    """Run ``sekisho up`` until it says that it is ready."""
    command = [sys.executable, "-m", "sekisho", "up", "--data", str(folder / "data"), "--format",
               "json", "--listen", "127.0.0.1:0", "--no-device"]  # fmt: skip
    with (folder / "up.log").open("wb") as log:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        try:
            line = child.stdout.readline() if child.stdout is not None else b""
            if not line or not json.loads(line).get("ready"):
                raise SystemExit((folder / "up.log").read_text(encoding="utf-8")[-3000:])
            yield psutil.Process(child.pid)
        finally:
            end_process(child)


@contextlib.contextmanager
def bare_pythons(count: int) -> Iterator[list[psutil.Process]]:
    """Run Python processes that import nothing and sleep."""
    children = [
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
        for _ in range(count)
    ]
    try:
        time.sleep(1)
        yield [psutil.Process(child.pid) for child in children]
    finally:
        for child in children:
            end_process(child)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Memory and CPU of the idle server.")
    parser.add_argument("--seconds", type=float, default=20)
    seconds = parser.parse_args().seconds
    print(describe_machine())
    with tempfile.TemporaryDirectory(prefix="sekisho-bench-") as folder:
        with running_up(Path(folder)) as up:
            time.sleep(5)
            processes = [up, *up.children(recursive=True)]
            before = measure(processes)
            time.sleep(seconds)
            spent = measure(processes).since(before)
            found = weigh(processes)
        with bare_pythons(len(found)) as bare:
            floor = weigh(bare)
    show(found, floor, spent.cores)


def show(found: Sequence[Memory], floor: Sequence[Memory], cores: float) -> None:
    """Print the table and the ratio."""
    print("\n## Idle server\n\n| process | RSS MiB | USS MiB |\n|---|---|---|")
    for memory in found:
        print(f"| {memory.name} | {memory.rss:.0f} | {memory.uss:.0f} |")
    total, least = (sum(each.rss for each in group) for group in (found, floor))
    unique = sum(each.uss for each in found)
    print(f"| together | {total:.0f} | {unique:.0f} |")
    print(f"| {len(floor)} bare Python processes | {least:.0f} "
          f"| {sum(each.uss for each in floor):.0f} |\n")  # fmt: skip
    print(f"- aim: at most {AIM_MIB} MiB together; {'kept' if total <= AIM_MIB else 'MISSED'}")
    print(f"- ratio against bare Python: {total / least:.1f}")
    print(f"- CPU while idle: {cores * 60:.2f} s a minute")


if __name__ == "__main__":
    main()

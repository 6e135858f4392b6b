"""What the server costs while nothing happens: memory of all its processes, and CPU.

Runs ``sekisho up`` on a temporary folder (no device), waits, and reads the memory of supervisor,
web, worker, gate and Envoy; beside it bare Python processes in the same number, as the floor.
Resident memory (RSS) counts a page in every process that has it, and unique memory (USS) in none
that shares it; the processes are forked from one and share a lot (ADR 0016). So the sum that is
held against the aim counts each page once: what only memory holds by its share (PSS), and of each
program file the most that one process has of it, whatever else on this machine uses it too.
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


def weigh_together(processes: Sequence[psutil.Process]) -> float:
    """Return the MiB that the processes take together, every page counted once."""
    alone, files = 0.0, dict[str, int]()
    for process in processes:
        rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
        alone += int(rollup.partition("Pss_Anon:")[2].split()[0]) / 1024
        ours = dict[str, int]()
        for part in process.memory_maps(grouped=False):
            ours[part.path] = ours.get(part.path, 0) + part.rss - part.anonymous
        for path, size in ours.items():
            files[path] = max(files.get(path, 0), size)
    return alone + sum(files.values()) / _MIB


def name_of(process: psutil.Process) -> str:
    """Return what a process is for: its command without options and folders."""
    words = " ".join(process.cmdline()).split()[:5]
    return " ".join(word for word in words if not word.startswith(("-", "/")))


def is_of_gate(process: psutil.Process) -> bool:
    """Tell whether a process is the gate's: Envoy, or the one that decides."""
    return name_of(process).endswith(("gate", "envoy.json"))


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
            found, total = weigh(processes), weigh_together(processes)
            core = weigh_together([each for each in processes if not is_of_gate(each)])
        with bare_pythons(len(found)) as bare:
            least = weigh_together(bare)
    show(found, total, core, least)
    print(f"- CPU while idle: {spent.cores * 60:.2f} s a minute")


def show(found: Sequence[Memory], total: float, core: float, least: float) -> None:
    """Print the table and the ratio."""
    print("\n## Idle server\n\n| process | RSS MiB | USS MiB |\n|---|---|---|")
    for memory in found:
        print(f"| {memory.name} | {memory.rss:.0f} | {memory.uss:.0f} |")
    print(
        f"| sum | {sum(each.rss for each in found):.0f} | {sum(each.uss for each in found):.0f} |"
    )
    print(f"\n- together, each page once: {total:.0f} MiB; aim: at most {AIM_MIB}; "
          f"{'kept' if total <= AIM_MIB else 'MISSED'}")  # fmt: skip
    print(f"- supervisor, web and worker alone: {core:.0f} MiB")
    print(f"- ratio against {len(found)} bare Python processes ({least:.0f} MiB): "
          f"{total / least:.1f}")  # fmt: skip


if __name__ == "__main__":
    main()

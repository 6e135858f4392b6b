"""What the benchmarks share: the machine, a server of its own on a temporary folder, its costs."""

import contextlib
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What processes used up to an instant: CPU seconds, and resident memory in MiB."""

    cpu: float
    rss: float
    at: float
    machine: float

    def since(self, before: "Cost") -> "Spent":
        """Return what was used since ``before``."""
        return Spent(
            self.cpu - before.cpu, self.at - before.at, self.machine - before.machine, self.rss
        )


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds of our processes, wall seconds, CPU seconds of the whole machine, MiB."""

    cpu: float
    wall: float
    machine: float
    rss: float

    @property
    def cores(self) -> float:
        """Return how many cores our processes kept busy."""
        return self.cpu / self.wall


def describe_machine() -> str:
    """Return one line that names this machine."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.platform()}, "
        f"Python {platform.python_version()}"
    )


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def measure(processes: Sequence[psutil.Process]) -> Cost:
    """Return what these processes used so far; of the machine, all that was not idle."""
    cpu = rss = 0.0
    for process in processes:
        times = process.cpu_times()
        cpu += times.user + times.system
        rss += process.memory_info().rss / 2**20
    whole = psutil.cpu_times()
    busy = sum(whole) - whole.idle - whole.iowait - whole.guest - whole.guest_nice
    return Cost(cpu, rss, time.monotonic(), busy)


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs: its processes by name, its data folder and its ports."""

    processes: Mapping[str, psutil.Process]
    data: Path
    public: int
    admin: int

    @property
    def ca(self) -> Path:
        """Return the PEM file of its own certificate authority."""
        return self.data / "ca" / "ca.pem"


@contextlib.contextmanager
def running_server(data: Path, *, worker: bool = True) -> Iterator[Running]:
    """Run ``serve web`` and ``serve worker`` on ``data`` until the block ends."""
    ports = {name: free_port() for name in ("public", "intake", "admin")}
    settings = {f"SEKISHO_{name.upper()}": f"127.0.0.1:{port}" for name, port in ports.items()}
    names = ("web", "worker") if worker else ("web",)
    children: dict[str, subprocess.Popen[bytes]] = {}
    with (data / "bench.log").open("ab") as log:
        try:
            for name in names:
                command = [sys.executable, "-m", "sekisho", "serve", name, "--data", str(data)]
                environment = {**os.environ, **settings}
                children[name] = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
                if name == "web":
                    wait_for_port(ports["admin"], children[name], data / "bench.log")
            yield Running(
                {name: psutil.Process(child.pid) for name, child in children.items()},
                data,
                ports["public"],
                ports["admin"],
            )
        finally:
            for child in children.values():
                end_process(child)


def end_process(child: subprocess.Popen[bytes]) -> None:
    """End a process that we started: first a request, then by force."""
    child.terminate()
    try:
        child.wait(20)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def wait_for_port(port: int, child: subprocess.Popen[bytes], log: Path | None = None) -> None:
    """Wait until somebody listens on ``port``; say why if the process ends instead."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if child.poll() is not None:
            tail = log.read_text(encoding="utf-8", errors="replace")[-3000:] if log else ""
            raise SystemExit(f"the server ended with {child.returncode} before it listened\n{tail}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise SystemExit(f"nobody listens on port {port} after {START_SECONDS:.0f} s")


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` of the sorted ``values`` lie; 0.0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0

"""How many devices one machine holds: a real server, simulated osquery clients, a floor.

Starts ``serve web`` and ``serve worker`` on a temporary folder with a population, lets clients in
processes of their own play osquery's remote API over TLS, counts the server's CPU and memory,
and compares the last answers of every device with what the server holds at the end.

    python -m bench.checkins --devices 25000 --seconds 60 --cadence kit
"""

import argparse
import contextlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil
from bench.calls import Cadence, Job, Report
from bench.compare import Lost, compare
from bench.house import (
    ROOT,
    Running,
    Spent,
    describe_machine,
    end_process,
    free_port,
    measure,
    percentile,
    running_server,
    wait_for_port,
)
from bench.made_devices import Device, Population, make_devices
from bench.population import prepare_house, with_keys

CADENCES = {
    "kit": Cadence(read=60, config=300, log=120),
    "fleet": Cadence(read=10, config=60, log=60),
}
CONNECTIONS_PER_SECOND = 450  # both ends of a TLS handshake run on this machine
KEPT_SHARE = 0.75  # of the files a process may open; see server/listeners.py
FLOOR_PART = 5  # the floor is measured with a fifth of the devices at five times the cadence


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is played."""

    devices: int
    newcomers: int
    seconds: float
    cadence: Cadence
    kept: int
    generators: int
    lost: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one play: the clients' reports and what the server's processes used."""

    reports: list[Report]
    spent: dict[str, Spent]

    @property
    def calls(self) -> int:
        """Return how many calls were answered while it was measured."""
        return sum(len(values) for report in self.reports for values in report.latencies.values())

    @property
    def cpu(self) -> float:
        """Return the server's CPU seconds in all its processes."""
        return sum(spent.cpu for spent in self.spent.values())

    @property
    def wall(self) -> float:
        """Return how long it was measured."""
        return max(spent.wall for spent in self.spent.values())

    def latencies(self, kind: str) -> list[float]:
        """Return all latencies of one kind of call, in seconds."""
        return [value for report in self.reports for value in report.latencies.get(kind, [])]

    def total(self, name: str) -> dict[str, int]:
        """Add up ``counts`` or ``errors`` of all clients."""
        found: dict[str, int] = {}
        for report in self.reports:
            for what, number in getattr(report, name).items():
                found[what] = found.get(what, 0) + number
        return found


class Generators:
    """Client processes that play at the same time."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = jobs
        self.children = [
            subprocess.Popen(
                [sys.executable, "-m", "bench.clients"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=ROOT,
            )
            for _ in jobs
        ]
        for child, job in zip(self.children, jobs, strict=True):
            if child.stdin is not None:
                child.stdin.write(msgspec.json.encode(job))
                child.stdin.close()

    def wait_for(self, word: str) -> None:
        """Wait until every process has printed ``word``."""
        for child in self.children:
            line = child.stdout.readline() if child.stdout is not None else b""
            if line.strip() != word.encode():
                raise SystemExit(f"a client process said {line!r}; {word!r} was expected")

    def finish(self) -> list[Report]:
        """Wait for the end and read the reports."""
        for child in self.children:
            child.wait()
        paths = [Path(job.report) for job in self.jobs]
        return [msgspec.json.decode(path.read_bytes(), type=Report) for path in paths]

    def stop(self) -> None:
        """End what still runs."""
        for child in self.children:
            if child.poll() is None:
                end_process(child)


def make_jobs(
    scale: Scale, devices: Sequence[Device], port: int, ca: Path, secret: str, folder: Path
) -> list[Job]:
    """Share the devices out among the client processes."""
    ramp = max(scale.cadence.read, scale.devices / CONNECTIONS_PER_SECOND)
    return [
        Job(
            host="localhost",
            port=port,
            ca=str(ca),
            secret=secret,
            population=Population(list(devices[at :: scale.generators]), at + 1),
            cadence=scale.cadence,
            lines=max(1, scale.kept // scale.generators),
            ramp=ramp,
            warm=5.0,
            seconds=scale.seconds,
            lost=scale.lost,
            report=str(folder / f"report-{port}-{at}.json"),
        )
        for at in range(scale.generators)
    ]


def play(jobs: Sequence[Job], processes: dict[str, psutil.Process]) -> Outcome:
    """Let the clients play and count what the server's processes use meanwhile."""
    generators = Generators(jobs)
    try:
        generators.wait_for("measuring")
        before = {name: measure([process]) for name, process in processes.items()}
        generators.wait_for("measured")
        after = {name: measure([process]) for name, process in processes.items()}
        reports = generators.finish()
    finally:
        generators.stop()
    return Outcome(reports, {name: after[name].since(before[name]) for name in processes})


@contextlib.contextmanager
def running_floor(
    folder: Path, tls: Path, config_bytes: int
) -> Iterator[tuple[psutil.Process, int]]:
    """Run the floor with the certificate of the real server."""
    port = free_port()
    config = json.dumps({"packs": {}, "fill": "x" * max(0, config_bytes - 24)})
    (folder / "config.json").write_text(config, encoding="ascii")
    arguments = [str(port), str(tls / "server.pem"), str(tls / "server.key"),
                 str(folder / "config.json")]  # fmt: skip
    child = subprocess.Popen([sys.executable, "-m", "bench.floor", *arguments], cwd=ROOT)
    try:
        wait_for_port(port, child)
        yield psutil.Process(child.pid), port
    finally:
        end_process(child)


def measure_floor(scale: Scale, folder: Path, running: Running, real: Outcome) -> Outcome:
    """Measure the floor with the same requests a second on fewer connections."""
    cadence = Cadence(
        scale.cadence.read / FLOOR_PART,
        scale.cadence.config / FLOOR_PART,
        scale.cadence.log / FLOOR_PART,
    )
    count = max(1, scale.devices // FLOOR_PART)
    small = Scale(
        count, 0, min(scale.seconds, 30), cadence, scale.kept // FLOOR_PART, scale.generators, 0
    )
    devices = with_keys(make_devices(0, count))
    size = max(report.config_bytes for report in real.reports)
    with running_floor(folder, running.data / "tls", size) as (process, port):
        return play(make_jobs(small, devices, port, running.ca, "", folder), {"floor": process})


def run(scale: Scale, folder: Path) -> tuple[Outcome, Outcome, Lost, dict[str, float]]:
    """Play one cadence; return the real outcome, the floor's, what was lost, and set-up times."""
    data = folder / "data"
    devices = with_keys(make_devices(0, scale.devices, private_in_10=2))
    began = time.monotonic()
    secret = prepare_house(data, devices, scale.newcomers)
    times = {"loading the population": time.monotonic() - began}
    newcomers = make_devices(scale.devices, scale.newcomers)
    everybody = spread(devices, newcomers)
    with running_server(data) as running:
        times["start until it listens"] = time.monotonic() - began - times["loading the population"]
        jobs = make_jobs(scale, everybody, running.public, running.ca, secret, folder)
        outcome = play(jobs, dict(running.processes))
        time.sleep(2)
        lost = compare(data, outcome.reports)
        log_tail(data)
        floor = measure_floor(scale, folder, running, outcome)
    return outcome, floor, lost, times


def spread(known: Sequence[Device], new: Sequence[Device]) -> list[Device]:
    """Put newcomers evenly among the known devices; they keep their connections."""
    if not new:
        return list(known)
    return [*new, *known]


def log_tail(data: Path) -> None:
    """Show what the server complained about."""
    lines = (data / "bench.log").read_text(encoding="utf-8", errors="replace").splitlines()
    bad = [line for line in lines if "error" in line.lower() or "Traceback" in line]
    for line in bad[:5]:
        print(f"  server log: {line[:300]}")


def show(scale: Scale, name: str, outcome: Outcome, floor: Outcome, lost: Lost) -> None:
    """Print what came of one cadence."""
    kept = sum(report.connected for report in outcome.reports)
    print(f"\n## {name} cadence: {scale.devices:,} devices, {scale.newcomers} more enrolling")
    print(f"Measured for {outcome.wall:.0f} s with {kept:,} connections kept open.\n")
    print("| call | number | p50 ms | p99 ms | max ms | floor p99 ms |\n|---|---|---|---|---|---|")
    for kind in ("read", "write", "config", "log", "enroll"):
        show_call(kind, outcome.latencies(kind), floor.latencies(kind))
    print("\n| process | cores | RSS MiB |\n|---|---|---|")
    for process, spent in {**outcome.spent, **floor.spent}.items():
        print(f"| {process} | {spent.cores:.3f} | {spent.rss:.0f} |")
    clients = sum(report.cpu for report in outcome.reports) / outcome.wall
    print(f"| clients | {clients:.3f} | |")
    print(f"| other work on this machine | {machine_share(outcome):.2f} | |\n")
    show_ratios(scale, outcome, floor)
    print(f"- results lost: {lost.missing}, wrong: {lost.wrong}, of {lost.compared:,} verdicts of "
          f"{lost.devices:,} devices {lost.examples or ''}")  # fmt: skip
    print(f"- counted: {outcome.total('counts')}\n- errors: {outcome.total('errors') or 'none'}")


def show_call(kind: str, values: list[float], floor: list[float]) -> None:
    """Print one line of latencies, in milliseconds."""
    if values:
        told = [percentile(values, share) * 1000 for share in (0.5, 0.99, 1.0)]
        least = percentile(floor, 0.99) * 1000
        figures = f"{told[0]:.1f} | {told[1]:.1f} | {told[2]:.0f} | {least:.1f}"
        print(f"| {kind} | {len(values):,} | {figures} |")


def show_ratios(scale: Scale, outcome: Outcome, floor: Outcome) -> None:
    """Print what a request and a device cost, and how that compares with the floor."""
    each, least = outcome.cpu / outcome.calls, floor.cpu / floor.calls
    late = max(report.lag for report in outcome.reports)
    print(f"- requests/s: {outcome.calls / outcome.wall:.0f} "
          f"(floor run {floor.calls / floor.wall:.0f})")  # fmt: skip
    print(f"- server CPU a request: {each * 1e6:.0f} µs; floor {least * 1e6:.0f} µs; "
          f"ratio {each / least:.1f}")  # fmt: skip
    print(f"- server CPU a device: {outcome.cpu / outcome.wall / scale.devices * 1e6:.1f} µs/s")
    print(f"- the clients themselves began calls {late * 1000:.0f} ms late at most (p99)")


def machine_share(outcome: Outcome) -> float:
    """Return how many cores the rest of the machine kept busy."""
    machine = max(spent.machine for spent in outcome.spent.values())
    clients = sum(report.cpu for report in outcome.reports)
    return (machine - outcome.cpu - clients) / outcome.wall


def main() -> None:
    """Read the arguments, play, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, default=25_000)
    parser.add_argument("--newcomers", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--cadence", choices=tuple(CADENCES), default="kit")
    parser.add_argument("--generators", type=int, default=1)
    parser.add_argument("--kept", type=int, default=0, help="connections that stay open")
    parser.add_argument("--lost", type=float, default=0.02, help="share of replies lost on the way")
    arguments = parser.parse_args()
    scale = Scale(
        arguments.devices,
        arguments.newcomers,
        arguments.seconds,
        CADENCES[arguments.cadence],
        arguments.kept or min(arguments.devices + arguments.newcomers, most_connections()),
        arguments.generators,
        arguments.lost,
    )
    print(describe_machine())
    with tempfile.TemporaryDirectory(prefix="sekisho-bench-") as folder:
        outcome, floor, lost, times = run(scale, Path(folder))
        show(scale, arguments.cadence, outcome, floor, lost)
        print({what: round(seconds, 1) for what, seconds in times.items()})


def most_connections() -> int:
    """Return how many connections both ends can keep under this machine's limit of files."""
    return int(resource.getrlimit(resource.RLIMIT_NOFILE)[1] * KEPT_SHARE)


if __name__ == "__main__":
    main()

"""How small the agent is: memory, processor time a minute, and the time of ``sekisho check``.

One command: ``python bench/agent_footprint.py [--minutes N]``. The agent runs as a process of
its own at its usual cadence against the tests' reference server on loopback. As at our kit's
cadence, it is asked all controls of this platform once an hour: here once at the start, and a
sixtieth of that round is added to each minute. Linux only (reads /proc).
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from fakes.osquery_server import OsqueryServer
from sekisho.controls.catalogue import load_catalogue
from support.agent import make_kit

_TICKS = os.sysconf("SC_CLK_TCK")
MAX_RSS_MB = 30.0
MAX_CPU_SECONDS = 0.1
MAX_CHECK_SECONDS = 2.0


@dataclass(frozen=True)
class Line:
    """One line of the table; ``bound`` is the promise, 0 for none."""

    what: str
    value: float
    unit: str
    bare: float
    bound: float = 0


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=3, help="how long the loop is watched")
    minutes = parser.parse_args().minutes
    bare_rss, bare_seconds = measure_bare()
    with tempfile.TemporaryDirectory() as folder:
        rss, start_cpu, cpu, answers = measure_loop(Path(folder), minutes)
    check = min(time_command("-m", "sekisho", "check", "--format", "json") for _ in range(5))
    print(f"{platform.platform()}, {os.cpu_count()} CPUs, Python {platform.python_version()}")
    print(f"{minutes:g} minutes of loop after one round of all checks, {answers} answers sent\n")
    show(
        [
            Line("agent, resident memory", rss, "MB", bare_rss, MAX_RSS_MB),
            Line("agent, start and a round of checks", start_cpu, "CPU s", bare_seconds),
            Line("agent, a minute of loop", cpu, "CPU s", bare_seconds, MAX_CPU_SECONDS),
            Line(
                "the same with hourly checks",
                cpu + start_cpu / 60,
                "CPU s",
                bare_seconds,
                MAX_CPU_SECONDS,
            ),
            Line("sekisho check, wall time", check, "s", bare_seconds, MAX_CHECK_SECONDS),
        ]
    )
    return 0


def show(lines: list[Line]) -> None:
    """Print the table with ratios and bounds."""
    print(f"{'what':36}{'value':>10}  {'unit':6}{'× bare python':>14}{'bound':>8}")
    for line in lines:
        bound = f"{line.bound:g}" if line.bound else ""
        kept = "" if not line.bound or line.value <= line.bound else "  over"
        ratio = line.value / line.bare
        print(f"{line.what:36}{line.value:10.3f}  {line.unit:6}{ratio:14.2f}{bound:>8}{kept}")


def measure_bare() -> tuple[float, float]:
    """Return resident megabytes and wall seconds of an interpreter that does nothing."""
    code = "import sys; sys.stdin.read()"
    idle = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    time.sleep(1)
    rss = resident_mb(idle.pid)
    idle.communicate()
    return rss, min(time_command("-c", "pass") for _ in range(5))


def time_command(*words: str) -> float:
    """Return the wall seconds of one run of the interpreter."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *words], capture_output=True, check=False)
    return time.perf_counter() - started


def measure_loop(folder: Path, minutes: float) -> tuple[float, float, float, int]:
    """Return the resident MB at the end, CPU of the first round, CPU a minute, and answers sent."""
    (folder / "server").mkdir()
    with OsqueryServer(folder / "server").running() as server:
        server.behaviour.queries = control_queries()
        kit, state = folder / "kit.json", folder / "state"
        kit.write_text(make_kit(server).to_json())
        enrol = ("agent", "enroll", str(kit), "--state", str(state))
        subprocess.run([sys.executable, "-m", "sekisho", *enrol], check=True, capture_output=True)
        run = ("-m", "sekisho", "agent", "run", "--state", str(state))
        agent = subprocess.Popen([sys.executable, *run], stderr=subprocess.DEVNULL)
        while not server.taken.writes:
            time.sleep(0.1)
        server.behaviour.queries = {}
        time.sleep(2)
        first, rss, end = cpu_seconds(agent.pid), 0.0, time.monotonic() + minutes * 60
        while time.monotonic() < end:
            time.sleep(1)
            rss = resident_mb(agent.pid)
        used = cpu_seconds(agent.pid) - first
        agent.terminate()
        agent.wait()
        answers = sum(len(write["queries"]) for write in server.taken.writes)
    return rss, first, used / minutes, answers


def control_queries() -> dict[str, str]:
    """Return what the server asks a Linux company device: checks, preconditions and details."""
    queries: dict[str, str] = {}
    for control in load_catalogue().applying("linux", "company"):
        check = control.find_check("linux")
        probe = check.choose_probe(sekisho_agent=True) if check else None
        if probe is not None:
            queries[control.policy_name] = probe.sql
            queries[probe.ready_name] = probe.precondition
            if probe.detail:
                queries[control.detail_name] = probe.detail
    return queries


def resident_mb(pid: int) -> float:
    """Return a process's resident memory in megabytes (10⁶ bytes)."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024 / 1e6


def cpu_seconds(pid: int) -> float:
    """Return the processor seconds a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


if __name__ == "__main__":
    sys.exit(main())

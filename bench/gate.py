"""The gate: requests and tunnels against the same Envoy without a gate, and how fast it cuts.

Run: ``python -m bench.gate [--tunnels N] [--mass N]``. Upstream, load and gate share this machine's
cores, so ratios and CPU time say more than rates. Needs wrk; uses the tests' house.
"""

import argparse
import asyncio
import re
import resource as system_limits
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from bench import gate_desktops, gate_tunnels
from bench.gate_scene import Scene, running_scene
from bench.gate_tunnels import Flow, quantile
from bench.house import describe_machine

from sekisho.server.gate.bootstrap import gate_folder
from sekisho.server.gate.cookies import LIFE_SECONDS, CookieKey

_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Run:
    """Requests a second, latencies in ms, CPU µs a request of the Envoy and of Python, errors."""

    rate: float
    p50: float
    p99: float
    envoy: float
    python: float
    errors: int


def load(
    url: str, seconds: int, connections: int, headers: dict[str, str],
    processes: Sequence[psutil.Process],
) -> Run:  # fmt: skip
    """Run wrk and read what it says."""
    told = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    before = [sum(p.cpu_times()[:2]) for p in processes]
    wrk = str(shutil.which("wrk"))
    done = subprocess.run(
        [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *told, url],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    spent = [sum(p.cpu_times()[:2]) - b for p, b in zip(processes, before, strict=True)]
    count = int(_find(r"(\d+) requests in", done) or 1)
    errors = int(_find(r"Non-2xx or 3xx responses: (\d+)", done) or 0)
    cpu = [1e6 * each / count for each in spent] + [0.0, 0.0]
    return Run(
        float(_find(r"Requests/sec:\s+([\d.]+)", done) or 0), _quantile(done, 50),
        _quantile(done, 99), cpu[0], cpu[1], errors,
    )  # fmt: skip


def _find(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found.group(1) if found else ""


def _quantile(text: str, percent: int) -> float:
    found = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", text)
    return float(found.group(1)) * _UNITS[found.group(2)] if found else float("nan")


class Cookies:
    """A cookie that Envoy finds good for the whole run, and one that has to be asked about."""

    def __init__(self, scene: Scene) -> None:
        home = scene.home
        self._key = CookieKey.load_or_create(gate_folder(home.settings.data), home.house.box)
        given = home.enter(scene.person, scene.app, "")
        claims = self._key.read(given.partition("=")[2])
        self._claims = claims or {}

    def header(self, seconds: int) -> dict[str, str]:
        """Return the headers of a request whose cookie is good for ``seconds``."""
        now = int(time.time())
        claims = {**self._claims, "iat": min(now, now + seconds), "exp": now + seconds}
        return {
            "Cookie": f"__Host-sekisho-browser={self._key.sign(claims)}",
        }


def measure_requests(scene: Scene, rounds: int, seconds: int) -> dict[str, list[Run]]:
    """Measure all cases, one after the other, ``rounds`` times."""
    cookies = Cookies(scene)
    gate = f"https://localhost:{scene.home.settings.gate_browser.port}/"
    bare, direct = f"https://localhost:{scene.bare.port}/", f"http://127.0.0.1:{scene.upstream}/"
    ours = [scene.envoy, scene.decision]
    found: dict[str, list[Run]] = {}
    for _ in range(rounds):
        cases = {
            "direct upstream": load(direct, seconds, 32, {}, []),
            "bare Envoy": load(bare, seconds, 32, {}, [scene.bare_process]),
            "gate": load(gate, seconds, 32, cookies.header(LIFE_SECONDS), ours),
            "asked each time": load(gate, seconds, 8, cookies.header(-5), ours),
            "bare Envoy, 2 at once": load(bare, seconds, 2, {}, [scene.bare_process]),
            "gate, 2 at once": load(gate, seconds, 2, cookies.header(LIFE_SECONDS), ours),
        }
        for name, run in cases.items():
            found.setdefault(name, []).append(run)
    return found


def show_requests(found: dict[str, list[Run]]) -> None:
    """Print the table of requests and its ratios (medians over the rounds)."""
    print("\n| requests | a second | p50 ms | p99 ms | Envoy CPU µs | Python CPU µs | errors |")
    print("|---|---|---|---|---|---|---|")
    middle = {
        name: [statistics.median(getattr(r, f) for r in runs)
               for f in ("rate", "p50", "p99", "envoy", "python", "errors")]
        for name, runs in found.items()
    }  # fmt: skip
    for name, m in middle.items():
        shown = f"{m[0]:,.0f} | {m[1]:.2f} | {m[2]:.2f} | {m[3]:.0f} | {m[4]:.1f} | {m[5]:.0f}"
        print(f"| {name} | {shown} |")
    bare, gate = middle["bare Envoy"], middle["gate"]
    calm, ours = middle["bare Envoy, 2 at once"], middle["gate, 2 at once"]
    print(f"\ngate / bare Envoy: {gate[0] / bare[0]:.0%} of the requests a second (floor 60 %), "
          f"{bare[3] / gate[3]:.0%} by Envoy's CPU")  # fmt: skip
    print(f"added p99 with 2 at once: {ours[2] - calm[2]:+.2f} ms (floor 1 ms)")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tunnels", type=int, default=1000)
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--mass", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--only", choices=("requests", "flow", "tunnels", "desktops", "mass"))
    chosen = parser.parse_args()
    hard = system_limits.getrlimit(system_limits.RLIMIT_NOFILE)[1]
    system_limits.setrlimit(system_limits.RLIMIT_NOFILE, (hard, hard))
    print(describe_machine())
    with (
        tempfile.TemporaryDirectory(prefix="sekisho-bench-") as folder,
        running_scene(Path(folder)) as scene,
    ):
        if chosen.only in {None, "requests"}:
            show_requests(measure_requests(scene, chosen.rounds, chosen.seconds))
        if chosen.only in {None, "flow"}:
            show_flow([gate_tunnels.measure_flow(scene, chosen.mib << 20)
                       for _ in range(chosen.rounds)])  # fmt: skip
        if chosen.only in {None, "tunnels"}:
            show_tunnels(scene, chosen.tunnels, chosen.cuts)
        if chosen.only in {None, "desktops"}:
            show_desktops(scene, chosen.cuts)
        if chosen.only in {None, "mass"}:
            show_mass_cut(scene, chosen.mass, chosen.cuts)


def show_flow(rounds: Sequence[dict[str, Flow]]) -> None:
    """Print what one stream gets through (medians over the rounds)."""
    rate = {n: statistics.median(each[n].rate for each in rounds) for n in rounds[0]}
    cpu = {n: statistics.median(each[n].cpu for each in rounds) for n in rounds[0]}
    print("\n| one stream | MB a second | Envoy CPU s a GiB |\n|---|---|---|")
    for name, much in rate.items():
        print(f"| {name} | {much:,.0f} | {cpu[name]:.2f} |")
    print(f"tunnel / bare Envoy's tunnel: {rate['gate'] / rate['bare Envoy']:.0%} of the bytes a "
          f"second (floor 90 %), {cpu['bare Envoy'] / cpu['gate']:.0%} by Envoy's CPU")  # fmt: skip


def show_tunnels(scene: Scene, tunnels: int, cuts: int) -> None:
    """Print how tunnels open, what they weigh and how single ones are cut."""
    opening = asyncio.run(gate_tunnels.measure_opening(scene, 200))
    print(f"\nCONNECT with its record: p50 {quantile(opening, 0.5):.1f} ms, "
          f"p99 {quantile(opening, 0.99):.1f} ms (floor p50 5 ms)")  # fmt: skip
    took, kib = asyncio.run(gate_tunnels.measure_single_cuts(scene, tunnels, cuts))
    print(f"verdict committed → data stops, one of {tunnels}: p50 {quantile(took, 0.5):.0f} ms, "
          f"p99 {quantile(took, 0.99):.0f} ms ({len(took)} cuts, floor 100 ms); "
          f"{kib:.0f} KiB each, floor 120")  # fmt: skip


def show_desktops(scene: Scene, desktops: int) -> None:
    """Print how soon a desktop in the browser is cut."""
    took = asyncio.run(gate_desktops.measure_desktop_cuts(scene, desktops))
    print(f"verdict committed → the page's data stops, one of {desktops} desktops: p50 "
          f"{quantile(took, 0.5):.0f} ms, p99 {quantile(took, 0.99):.0f} ms "
          "(floor 100 ms)")  # fmt: skip


def show_mass_cut(scene: Scene, tunnels: int, devices: int) -> None:
    """Print how long it takes until everything is cut."""
    cut = gate_tunnels.measure_mass_cut(scene, tunnels, devices)
    ends, refused, written = cut
    print(f"policy in force → all {tunnels} tunnels of {devices} devices stop: first "
          f"{ends[0]:.0f} ms, half {quantile(ends, 0.5):.0f} ms, last {ends[-1]:.0f} ms (floor "
          f"1000 ms); a new one is refused after {refused:.0f} ms (floor 100 ms); all written "
          f"after {written:.0f} ms")  # fmt: skip


if __name__ == "__main__":
    main()

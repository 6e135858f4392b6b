"""The gate: requests and tunnels against the same Envoy without a gate, and how fast it cuts.

Run: ``python -m bench.gate [--tunnels N] [--mass N]``. Upstream, load and gate share this machine's
cores, so ratios and CPU time say more than rates. Needs wrk; uses the tests' house.
"""

import argparse
import asyncio
import contextlib
import json
import re
import resource as system_limits
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from bench.house import describe_machine, end_process, free_port, wait_for_port

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))

from sekisho.access.model import Door, Resource, ResourceKind, Trust, Upstream
from sekisho.identity import service as identity
from sekisho.identity.model import Role
from sekisho.kernel.ids import PersonID
from sekisho.kernel.principal import SYSTEM, Principal
from sekisho.kernel.settings import Address
from sekisho.server.gate import shapes
from sekisho.server.gate.bootstrap import gate_folder
from sekisho.server.gate.certificates import gate_secrets
from sekisho.server.gate.cookies import CookieKey
from sekisho.server.gate.envoy import find_envoy
from sekisho.server.gate.plan import Plan
from support.gate_house import GateHouse, gate_house
from support.upstream import upstreams

_BODY = "x" * 90
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_THREADS = 2


@dataclass
class Scene:
    """The running gate, a bare Envoy with the same TLS, and their upstream."""

    home: GateHouse
    admin: Principal
    person: Principal
    app: Resource
    shell: Resource
    bare: Address
    upstream: int
    bare_process: psutil.Process

    @property
    def envoy(self) -> psutil.Process:
        """Return the gate's Envoy."""
        return psutil.Process(self.home.processes["envoy"].pid)

    @property
    def decision(self) -> psutil.Process:
        """Return the decision process."""
        return psutil.Process(self.home.processes["gate"].pid)


@contextlib.contextmanager
def envoy(config: dict[str, Any], folder: Path, name: str, port: int) -> Iterator[psutil.Process]:
    """Run an Envoy of a configuration of its own."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps(config))
    command = [
        str(find_envoy("", folder)), "-c", str(path), "--use-dynamic-base-id", "--log-level",
        "error", "--concurrency", str(_THREADS),
    ]  # fmt: skip
    log = folder / f"{name}.log"
    with log.open("ab") as file:
        child = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        wait_for_port(port, child, log)
        yield psutil.Process(child.pid)
    finally:
        end_process(child)


def upstream_config(port: int) -> dict[str, Any]:
    """Return an Envoy that answers every request by itself: the upstream, as fast as can be."""
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3"
        ".HttpConnectionManager",
        "stat_prefix": "upstream",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "direct_response": {
                "status": 200, "body": {"inline_string": _BODY}}}]}]},
        "http_filters": [{"name": "router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
    }  # fmt: skip
    listener = {
        "name": "upstream",
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
    }
    return {"static_resources": {"listeners": [listener]}}


def bare_config(plan: Plan) -> dict[str, Any]:
    """Return the gate's own configuration with everything that decides taken out."""
    made = shapes.make_shapes(plan)
    secrets = {each["name"]: each for each in made[shapes.SECRET]}
    routes = {each["name"]: each for each in made[shapes.ROUTES]}
    for listener in made[shapes.LISTENER]:
        chain = listener["filter_chains"][0]
        manager = chain["filters"][0]["typed_config"]
        manager["http_filters"] = [manager["http_filters"][-1]]
        for upgrade in manager["upgrade_configs"]:
            upgrade["filters"] = [upgrade["filters"][-1]]
        manager.pop("rds")
        manager["route_config"] = routes[listener["name"]]
        tls = chain["transport_socket"]["typed_config"]["common_tls_context"]
        tls.pop("tls_certificate_sds_secret_configs")
        tls["tls_certificates"] = [secrets["server"]["tls_certificate"]]
        if tls.pop("validation_context_sds_secret_config", None):
            tls["validation_context"] = secrets["devices"]["validation_context"]
    return {"static_resources": {
        "listeners": made[shapes.LISTENER], "clusters": made[shapes.CLUSTER]}}  # fmt: skip


@contextlib.contextmanager
def running_scene(folder: Path) -> Iterator[Scene]:
    """Run everything."""
    port = free_port()
    with contextlib.ExitStack() as stack:
        _, echo = stack.enter_context(upstreams())
        stack.enter_context(envoy(upstream_config(port), folder, "upstream", port))
        home = stack.enter_context(gate_house(folder))
        town = home.town
        admin, person = town.add("admin", Role.ADMIN), town.add("person")
        app = town.publish(
            admin, public_host="localhost", upstreams=(Upstream("127.0.0.1", port),),
            least_trust=Trust.BROWSER,
        )  # fmt: skip
        shell = town.publish(
            admin, key="echo", kind=ResourceKind.TCP, public_host="echo.localhost",
            upstreams=(Upstream("127.0.0.1", echo),),
        )  # fmt: skip
        town.rule(admin)
        town.give(person, "dev_0")
        home.certify("dev_0")
        doors = {door: Address("127.0.0.1", free_port()) for door in Door}
        plan = Plan(doors, [app, shell], gate_secrets(home.house, [app, shell]), '{"keys": []}')
        bare_port = doors[Door.BROWSER].port
        # Tunnels of the bare Envoy go by the names of the gate's own port.
        bare = stack.enter_context(envoy(bare_config(plan), folder, "bare", bare_port))
        home.start()
        yield Scene(home, admin, person, app, shell, doors[Door.BROWSER], port, bare)


# ── requests ─────────────────────────────────────────────────────────────────────────────────────


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

    def header(self, seconds: float) -> dict[str, str]:
        """Return the headers of a request whose cookie is good for ``seconds``."""
        claims = {**self._claims, "exp": int(time.time() + seconds)}
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
            "gate": load(gate, seconds, 32, cookies.header(600), ours),
            "asked each time": load(gate, seconds, 8, cookies.header(-5), ours),
            "bare Envoy, 2 at once": load(bare, seconds, 2, {}, [scene.bare_process]),
            "gate, 2 at once": load(gate, seconds, 2, cookies.header(600), ours),
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


# ── tunnels ──────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Held:
    """An open tunnel of the load, and when data stopped on it."""

    device: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    opened_ms: float
    ended: float = 0.0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def watch(self, *, echo: bool) -> None:
        """Read until the end; with ``echo`` small pieces go both ways all the time."""
        with contextlib.suppress(OSError, EOFError):
            while True:
                if echo:
                    self.writer.write(b"ping")
                if not await self.reader.read(100):
                    break
                await asyncio.sleep(0.05)
        self.ended = time.monotonic()
        self.over.set()


async def open_one(scene: Scene, device: str, credential: str, context: Any) -> Held:
    """Open one tunnel; the time is that of the CONNECT alone."""
    gate = scene.home.settings.gate
    reader, writer = await asyncio.open_connection(
        gate.host, gate.port, ssl=context, server_hostname="localhost"
    )
    authority = f"{scene.shell.public_host}:{scene.shell.upstreams[0].port}"
    began = time.perf_counter()
    writer.write(
        f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n"
        f"Proxy-Authorization: Bearer {credential}\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"no tunnel: {head[:200]!r}\n{scene.home.log()}")
    return Held(device, reader, writer, (time.perf_counter() - began) * 1000)


async def open_many(scene: Scene, devices: Sequence[str], count: int) -> list[Held]:
    """Open ``count`` tunnels over the devices in turn, 8 at a time."""
    contexts = {each: scene.home.tls(each) for each in set(devices)}
    shown = {each: scene.home.credential(scene.person, each) for each in set(devices)}
    gate = asyncio.Semaphore(8)

    async def one(number: int) -> Held:
        device = devices[number % len(devices)]
        async with gate:
            return await open_one(scene, device, shown[device], contexts[device])

    return list(await asyncio.gather(*(one(number) for number in range(count))))


async def measure_opening(scene: Scene, count: int) -> list[float]:
    """Return the milliseconds of CONNECTs made one after the other."""
    context, shown = scene.home.tls("dev_0"), scene.home.credential(scene.person, "dev_0")
    held = [await open_one(scene, "dev_0", shown, context) for _ in range(count)]
    await end_all(held, [])
    return [each.opened_ms for each in held]


async def measure_single_cuts(scene: Scene, tunnels: int, cuts: int) -> tuple[list[float], float]:
    """Cut single tunnels of many; return the milliseconds of each, and KiB a held tunnel."""
    devices = [f"dev_{number}" for number in range(1, cuts + 1)]
    for device in devices:
        scene.home.town.give(scene.person, device)
        scene.home.certify(device)
    before = memory(scene)
    held = await open_many(scene, devices, cuts)
    held += await open_many(scene, ["dev_0"], tunnels - cuts)
    await asyncio.sleep(1)
    kib = (memory(scene) - before) / tunnels / 1024
    watching = [
        asyncio.create_task(each.watch(echo=place < cuts)) for place, each in enumerate(held)
    ]
    await asyncio.sleep(1)
    found = []
    for each in held[:cuts]:
        committed = await asyncio.to_thread(scene.home.fail, each.device)
        await each.over.wait()
        found.append((each.ended - committed) * 1000)
    await end_all(held, watching)
    return found, kib


async def measure_mass_cut(scene: Scene, tunnels: int) -> tuple[list[float], float]:
    """Cut all tunnels of a person who is signed out; return the milliseconds of each."""
    held = await open_many(scene, ["dev_0"], tunnels)
    watching = [asyncio.create_task(each.reader.read()) for each in held]
    ends: list[float] = []
    for task in watching:
        task.add_done_callback(lambda _: ends.append(time.monotonic()))
    await asyncio.sleep(1)
    committed = await asyncio.to_thread(_sign_out, scene)
    refused = await asyncio.to_thread(_refused_after, scene, committed)
    await asyncio.wait(watching, timeout=60)
    if len(ends) < tunnels:
        raise SystemExit(f"{tunnels - len(ends)} tunnels were not cut\n{scene.home.log()}")
    await end_all(held, watching)
    return sorted((each - committed) * 1000 for each in ends), refused


def _sign_out(scene: Scene) -> float:
    with scene.home.house.database.write(SYSTEM) as tx:
        identity.sign_out_everywhere(tx, PersonID(scene.person.id), "bench")
    return time.monotonic()


def _refused_after(scene: Scene, committed: float) -> float:
    """Return after how many milliseconds a new tunnel is refused."""

    async def ask() -> bool:
        try:
            context = scene.home.tls("dev_0")
            credential = scene.home.credential(scene.person, "dev_0")
            await open_one(scene, "dev_0", credential, context)
        except SystemExit:
            return True
        return False

    while not asyncio.run(ask()):
        pass
    return (time.monotonic() - committed) * 1000


def memory(scene: Scene) -> float:
    """Return the resident bytes of Envoy and the decision process."""
    return float(scene.envoy.memory_info().rss + scene.decision.memory_info().rss)


async def end_all(held: Sequence[Held], watching: Sequence[asyncio.Task[Any]]) -> None:
    """Close what is still open."""
    for each in held:
        each.writer.close()
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    await asyncio.sleep(1)


def quantile(values: Sequence[float], part: float) -> float:
    """Return the value below which ``part`` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tunnels", type=int, default=1000)
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--mass", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--only", choices=("requests", "tunnels", "mass"))
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
        if chosen.only in {None, "tunnels"}:
            opening = asyncio.run(measure_opening(scene, 200))
            print(f"\nCONNECT with its record: p50 {quantile(opening, 0.5):.1f} ms, "
                  f"p99 {quantile(opening, 0.99):.1f} ms (floor p50 5 ms)")  # fmt: skip
            cuts, kib = asyncio.run(measure_single_cuts(scene, chosen.tunnels, chosen.cuts))
            print(f"verdict committed → data stops, one of {chosen.tunnels}: p50 "
                  f"{quantile(cuts, 0.5):.0f} ms, p99 {quantile(cuts, 0.99):.0f} ms "
                  f"({len(cuts)} cuts, floor 100 ms); {kib:.0f} KiB each, floor 120")  # fmt: skip
        if chosen.only in {None, "mass"}:
            ends, refused = asyncio.run(measure_mass_cut(scene, chosen.mass))
            print(f"signed out → all {chosen.mass} tunnels stop: first {ends[0]:.0f} ms, half "
                  f"{quantile(ends, 0.5):.0f} ms, last {ends[-1]:.0f} ms (floor 1000 ms); "
                  f"a new one is refused after {refused:.0f} ms (floor 100 ms)")  # fmt: skip


if __name__ == "__main__":
    main()

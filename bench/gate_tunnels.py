"""The gate's tunnels under the benchmark: opened, held, cut one by one, cut all at once, filled."""

import asyncio
import contextlib
import select
import socket
import ssl
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import psutil
from bench.gate_scene import Scene

from sekisho.access import service as access
from sekisho.access.engine.forms import write_form
from sekisho.access.model import Resource
from sekisho.access.policies import Policy, PolicyForm
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.settings import Address


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
    began = time.perf_counter()
    writer.write(_connect(scene.shell, credential))
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
    devices = give_devices(scene, cuts)
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


def measure_mass_cut(scene: Scene, tunnels: int, devices: int) -> tuple[list[float], float, float]:
    """Cut all tunnels of many devices by a new policy.

    Returns the milliseconds of each, those until a new one is refused, and those until every cut
    stands in the register with its record.
    """
    held = dial_many(scene, give_devices(scene, devices), tunnels)
    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch_ends, held, 60.0)
        time.sleep(1)
        committed = _narrow(scene)
        refused = _refused_after(scene, committed)
        ends = watching.result()
    if len(ends) < tunnels:
        raise SystemExit(f"{tunnels - len(ends)} tunnels were not cut\n{scene.home.log()}")
    written = _written_after(scene, committed)
    return sorted((each - committed) * 1000 for each in ends), refused, written


def dial_many(scene: Scene, devices: Sequence[str], count: int) -> list[ssl.SSLSocket]:
    """Open ``count`` tunnels over the devices in turn, 8 at a time."""
    contexts = {each: scene.home.tls(each) for each in devices}
    shown = {each: scene.home.credential(scene.person, each) for each in devices}

    def one(number: int) -> ssl.SSLSocket:
        device = devices[number % len(devices)]
        asking = _connect(scene.shell, shown[device])
        return _dial(scene.home.settings.gate, contexts[device], asking)

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(one, range(count)))


def watch_ends(held: Sequence[ssl.SSLSocket], seconds: float) -> list[float]:
    """Return when each stopped; what came to it is read only afterwards, so that this costs little.

    Thousands of clients have thousands of computers elsewhere; here they share the gate's cores.
    """
    ends: list[float] = []
    over = time.monotonic() + seconds
    with select.epoll() as poll:
        for each in held:
            poll.register(each, select.EPOLLIN | select.EPOLLRDHUP)
        while len(ends) < len(held) and time.monotonic() < over:
            found = poll.poll(1.0)
            ends += [time.monotonic()] * len(found)
            for number, _ in found:
                poll.unregister(number)
    for each in held:
        with contextlib.suppress(OSError):
            each.settimeout(1)
            if each.recv(1):
                raise SystemExit("data came instead of the end")
        each.close()
    return ends


def give_devices(scene: Scene, count: int) -> list[str]:
    """Give the person more devices with certificates; return their names."""
    names = [f"dev_{number}" for number in range(1, count + 1)]
    for name in names:
        if not (scene.home.folder / f"{name}.pem").exists():
            scene.home.town.give(scene.person, name)
            scene.home.certify(name)
        scene.home.mend(name)
    return names


def _narrow(scene: Scene) -> float:
    """Put a policy in force that lets administrators alone in; return when it was committed."""
    form = PolicyForm(roles=("admin",))
    scene.home.town.rule(
        scene.admin, Policy("narrow", write_form("narrow", form), "狭い", "Narrow")
    )
    return time.monotonic()


def _written_after(scene: Scene, committed: float) -> float:
    def is_written() -> bool:
        with scene.home.house.database.read(SYSTEM) as tx:
            return not access.count_sessions(tx)

    while not is_written():
        time.sleep(0.05)
    return (time.monotonic() - committed) * 1000


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


@dataclass(frozen=True)
class Flow:
    """How fast one stream of bytes came: MB a second, CPU seconds of the Envoy a GiB."""

    rate: float
    cpu: float


def measure_flow(scene: Scene, size: int) -> dict[str, Flow]:
    """Fetch ``size`` bytes directly, through the bare Envoy's tunnel and through the gate's."""
    source = scene.source.upstreams[0]
    direct = socket.create_connection((source.host, source.port), 10)
    context = scene.home.tls("dev_0")
    asking = _connect(scene.source, scene.home.credential(scene.person, "dev_0"))
    bare, gate = (
        _dial(each, context, asking) for each in (scene.bare_tunnels, scene.home.settings.gate)
    )
    return {
        "direct": _fetch(direct, size, None),
        "bare Envoy": _fetch(bare, size, scene.bare_process),
        "gate": _fetch(gate, size, scene.envoy),
    }


def _dial(address: Address, context: ssl.SSLContext, asking: bytes) -> ssl.SSLSocket:
    raw = socket.create_connection((address.host, address.port), 10)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made = context.wrap_socket(raw, server_hostname="localhost")
    made.sendall(asking)
    head = b""
    while b"\r\n\r\n" not in head:
        head += made.recv(1)
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"no tunnel: {head!r}")
    return made


def _fetch(sock: socket.socket, size: int, envoy: psutil.Process | None) -> Flow:
    piece = bytearray(1 << 20)
    before = sum(envoy.cpu_times()[:2]) if envoy else 0.0
    began = time.perf_counter()
    sock.sendall(size.to_bytes(8, "big"))
    left = size
    while left > 0:
        got = sock.recv_into(piece)
        if not got:
            raise SystemExit(f"the stream ended {left} bytes early")
        left -= got
    took = time.perf_counter() - began
    spent = sum(envoy.cpu_times()[:2]) - before if envoy else 0.0
    sock.close()
    return Flow(size / took / 1e6, spent / size * (1 << 30))


def _connect(target: Resource, credential: str) -> bytes:
    authority = f"{target.public_host}:{target.upstreams[0].port}"
    return (
        f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n"
        f"Proxy-Authorization: Bearer {credential}\r\n\r\n"
    ).encode()


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

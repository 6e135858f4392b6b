"""The scene of the gate's benchmark: the gate, a bare Envoy with the same TLS, and upstreams."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from bench.house import end_process, free_port, wait_for_port

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))

from sekisho.access.model import Door, Resource, ResourceKind, Trust, Upstream
from sekisho.identity.model import Role
from sekisho.kernel.principal import Principal
from sekisho.kernel.settings import Address
from sekisho.server.gate import shapes
from sekisho.server.gate.certificates import gate_secrets
from sekisho.server.gate.envoy import find_envoy
from sekisho.server.gate.plan import Plan
from support.gate_house import GateHouse, gate_house

_BODY = "x" * 90
_THREADS = 2
_SOURCE = """
import socket, sys, threading
def serve(made):
    piece = bytes(1 << 20)
    left = int.from_bytes(made.recv(8), "big")
    while left > 0:
        made.sendall(piece[:left])
        left -= len(piece)
    made.close()
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""

_ECHO = """
import select, socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1024)
poll, known = select.epoll(), {}
poll.register(server, select.EPOLLIN)
while True:
    for number, _ in poll.poll():
        if number == server.fileno():
            made = server.accept()[0]
            known[made.fileno()] = made
            poll.register(made, select.EPOLLIN)
            continue
        data = known[number].recv(4096)
        if data:
            known[number].sendall(data)
        else:
            known.pop(number).close()
"""


@dataclass
class Scene:
    """The running gate, a bare Envoy with the same TLS, and their upstream."""

    home: GateHouse
    admin: Principal
    person: Principal
    app: Resource
    shell: Resource
    source: Resource
    bare: Address
    bare_tunnels: Address
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
def peer(script: str, port: int) -> Iterator[None]:
    """Run a small server in a process of its own."""
    child = subprocess.Popen([sys.executable, "-c", script, str(port)])
    try:
        wait_for_port(port, child)
        yield
    finally:
        end_process(child)


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
    port, source_port, echo = free_port(), free_port(), free_port()
    with contextlib.ExitStack() as stack:
        stack.enter_context(envoy(upstream_config(port), folder, "upstream", port))
        # It sends as many zero bytes as its first eight bytes ask for; the other one echoes.
        stack.enter_context(peer(_SOURCE, source_port))
        stack.enter_context(peer(_ECHO, echo))
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
        bulk = town.publish(
            admin, key="bulk", kind=ResourceKind.TCP, public_host="bulk.localhost",
            upstreams=(Upstream("127.0.0.1", source_port),),
        )  # fmt: skip
        town.rule(admin)
        town.give(person, "dev_0")
        home.certify("dev_0")
        doors = {door: Address("127.0.0.1", free_port()) for door in Door}
        every = [app, shell, bulk]
        plan = Plan(doors, every, gate_secrets(home.house, every), '{"keys": []}')
        bare_port = doors[Door.BROWSER].port
        bare = stack.enter_context(envoy(bare_config(plan), folder, "bare", bare_port))
        home.start()
        yield Scene(
            home, admin, person, app, shell, bulk, doors[Door.BROWSER], doors[Door.DEVICE], port,
            bare,
        )  # fmt: skip

"""A real Envoy told by our board alone: what it refuses, and how long it waits for slow peers."""

import asyncio
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from sekisho.access.model import Door, Resource, ResourceID, ResourceKind, Trust, Upstream
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.pki import CertificateAuthority
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Address
from sekisho.server.gate import shapes
from sekisho.server.gate.bootstrap import DECISION_SOCKET, gate_folder, write_bootstrap
from sekisho.server.gate.calls import serve_calls
from sekisho.server.gate.certificates import machine_authorities
from sekisho.server.gate.cookies import CookieKey
from sekisho.server.gate.envoy import find_envoy
from sekisho.server.gate.plan import Limits, Plan, Secrets
from sekisho.server.gate.routes import Shape
from sekisho.server.gate.xds import ADS_METHOD, Board, Subscription
from support.gate_house import free_port, wait_for
from support.h2 import PREFACE
from support.upstream import read_head, upstreams

_HOST = "wiki.localhost"
_SHORT = Limits(header_seconds=1, body_seconds=1, handshake_seconds=1, unused_seconds=1)


@dataclass
class Line:
    """The board on a loop of its own, Envoy behind it, and what Envoy refused."""

    board: Board
    loop: asyncio.AbstractEventLoop
    plan: Plan
    cookie: str
    trusted: str
    told: list[tuple[str, str]]

    def publish(self, made: dict[str, list[Shape]]) -> None:
        self.loop.call_soon_threadsafe(self.board.publish, made)

    def dial(self) -> socket.socket:
        address = self.plan.doors[Door.BROWSER]
        return socket.create_connection((address.host, address.port), 10)

    def secure(self, alpn: str = "http/1.1") -> ssl.SSLSocket:
        context = ssl.create_default_context(cadata=self.trusted)
        context.set_alpn_protocols([alpn])
        return context.wrap_socket(self.dial(), server_hostname=_HOST)

    def visit(self) -> bytes:
        with self.secure() as sock:
            sock.sendall(
                f"GET / HTTP/1.1\r\nHost: {_HOST}\r\nCookie: {self.cookie}\r\n\r\n".encode()
            )
            return read_head(sock)


def _plan(upstream: int, authority: CertificateAuthority, key: CookieKey) -> Plan:
    shown = authority.issue_server([_HOST], SystemClock().now())
    app = Resource(
        ResourceID("res_1"), "wiki", "社内Wiki", "Wiki", ResourceKind.HTTP, _HOST,
        (Upstream("127.0.0.1", upstream),), least_trust=Trust.BROWSER,
    )  # fmt: skip
    pem = authority.certificate_pem
    return Plan(
        {Door.DEVICE: Address("127.0.0.1", free_port()),
         Door.BROWSER: Address("127.0.0.1", free_port())},
        [app], Secrets(shown.certificate_pem + pem, shown.key_pem, pem), key.jwks(), limits=_SHORT,
    )  # fmt: skip


def _sign(key: CookieKey) -> str:
    now = int(time.time())
    claims = {"iss": "sekisho-gate", "aud": "res_1@browser", "sub": "per_1", "sid": "acs_1",
              "email": "a@example.jp", "iat": now, "exp": now + 60}  # fmt: skip
    return f"__Host-sekisho-browser={key.sign(claims)}"


async def _serve(board: Board, address: Path, ends: asyncio.Event) -> None:
    async with serve_calls(address, {ADS_METHOD: lambda call: Subscription(board, call)}):
        await ends.wait()


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    data = tmp_path_factory.mktemp("xds")
    folder, box = gate_folder(data), SecretBox(bytes(32))
    key = CookieKey.load_or_create(folder, box)
    authority = CertificateAuthority.load_or_create(folder, box, "t", SystemClock().now())
    told: list[tuple[str, str]] = []
    loop, ends = asyncio.new_event_loop(), asyncio.Event()
    board = Board(lambda kind, why: told.append((kind, why)))
    serving = _serve(board, folder / DECISION_SOCKET, ends)
    thread = threading.Thread(target=loop.run_until_complete, args=(serving,))
    thread.start()
    command = [sys.executable, "-m", "sekisho", "serve", "envoy", "--data", str(data),
               "--supervisor", str(os.getpid())]  # fmt: skip
    with upstreams() as (app, _), (data / "log").open("wb") as log:
        plan = _plan(app, authority, key)
        made = Line(board, loop, plan, _sign(key), authority.certificate_pem, told)
        made.publish(dict(shapes.make_shapes(plan)))
        envoy = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for(lambda: ("", "") in told, lambda: f"{told} {(data / 'log').read_text()}")
        yield made
        envoy.terminate()
        envoy.wait(20)
    loop.call_soon_threadsafe(ends.set)
    thread.join(20)
    loop.close()


def test_an_app_by_tls_is_taken_whoever_vouches_for_it(line: Line) -> None:
    wiki = line.plan.resources[0]
    safe = [
        replace(wiki, id=ResourceID(f"res_{n}"), public_host=f"w{n}.localhost", ca_pem=ca,
                upstreams=(Upstream(host, 9, tls=True),))
        for n, (ca, host) in enumerate([("", "a.localhost"), ("", "127.0.0.1"),
                                        (line.trusted, "127.0.0.1")], 5)
    ]  # fmt: skip
    for authorities in (machine_authorities(), ""):
        line.told.clear()
        plan = replace(line.plan, resources=[wiki, *safe], authorities=authorities)
        line.publish(dict(shapes.make_shapes(plan)))
        wait_for(lambda: bool(line.told), lambda: str(line.told), 20)
        assert line.told[-1] == ("", "")


def test_a_refused_update_is_told_and_the_last_good_one_stays(line: Line) -> None:
    good = shapes.make_routes(line.plan)
    again = {"name": "again", "domains": ["*"]}
    twice = [{**each, "virtual_hosts": [*each["virtual_hosts"], again]} for each in good]
    line.told.clear()
    line.publish({shapes.ROUTES: twice})
    wait_for(lambda: bool(line.told), lambda: str(line.told), 20)
    kind, why = line.told[0]
    assert kind == shapes.ROUTES
    assert "wildcard domain" in why
    assert line.visit().startswith(b"HTTP/1.1 200")
    denied = shapes.make_routes(replace(line.plan, denied={"res_1": ["acs_1"]}))
    line.publish({shapes.ROUTES: denied})
    wait_for(lambda: line.told[-1] == ("", ""), lambda: str(line.told), 20)
    assert not line.visit().startswith(b"HTTP/1.1 200")
    line.publish({shapes.ROUTES: good})
    wait_for(lambda: line.visit().startswith(b"HTTP/1.1 200"), lambda: str(line.told), 20)


def _drip(sock: socket.socket, first: bytes) -> Callable[[], float]:
    """Send a little, and then a byte now and then; return what waits for the end of it."""
    began, ended, heard = time.monotonic(), [0.0], []

    def send() -> None:
        with sock:
            try:
                sock.sendall(first)
                sock.settimeout(0.2)
                while time.monotonic() - began < 20:
                    try:
                        heard.append(sock.recv(1000))
                        if not heard[-1]:
                            break
                    except TimeoutError:
                        sock.sendall(b"a")
            except OSError:
                pass
        ended[0] = time.monotonic() - began

    thread = threading.Thread(target=send)
    thread.start()

    def wait() -> float:
        thread.join(30)
        assert not any(piece.startswith(b"HTTP/1.1 200") for piece in heard)
        return ended[0]

    return wait


def test_one_door_cannot_take_the_connections_of_the_other(tmp_path: Path) -> None:
    told = json.loads(write_bootstrap(tmp_path, Limits(connections=8)).read_text())
    folder = gate_folder(tmp_path)
    address = Address("127.0.0.1", free_port())
    told |= {"admin": {}, "dynamic_resources": {}}
    tcp = {"@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"}
    at = {"socket_address": {"address": address.host, "port_value": address.port}}
    chain = {"filters": [{"name": "echo", "typed_config": tcp}]}
    listener = {"name": Door.BROWSER.value, "filter_chains": [chain], "address": at}
    told["static_resources"]["listeners"] = [listener]
    (folder / "e.json").write_text(json.dumps(told))
    command = [str(find_envoy("", tmp_path)), "-c", str(folder / "e.json"),
               "--use-dynamic-base-id", "--concurrency", "1"]  # fmt: skip
    with (tmp_path / "log").open("wb") as log:
        envoy = subprocess.Popen(command, stdout=log, stderr=log)
    held: list[socket.socket] = []
    try:
        wait_for(lambda: _echoes(address, held), (tmp_path / "log").read_text)
        assert [_echoes(address, held) for _ in range(7)] == [True] * 5 + [False] * 2
    finally:
        for each in held:
            each.close()
        envoy.terminate()
        envoy.wait(20)


def _echoes(address: Address, held: list[socket.socket]) -> bool:
    try:
        sock = socket.create_connection((address.host, address.port), 10)
        held.append(sock)
        sock.sendall(b"a")
        return sock.recv(1) == b"a"
    except OSError:
        return False


def _wait_for_end(sock: ssl.SSLSocket, first: bytes) -> Callable[[], float]:
    """Send a little and then nothing; return what waits for the end of it."""
    began = time.monotonic()
    sock.sendall(first)
    sock.settimeout(20)

    def wait() -> float:
        with sock:
            try:
                while sock.recv(1000):
                    pass
            except ConnectionError:
                pass
        return time.monotonic() - began

    return wait


def test_slow_peers_are_left_at_every_stage(line: Line) -> None:
    head = f"POST / HTTP/1.1\r\nHost: {_HOST}\r\nCookie: {line.cookie}\r\n".encode()
    slow = line.secure("h2")
    unfinished = b"\0\0\1\1\0\0\0\0\1\x82"  # HEADERS without their end (RFC 9113 section 6.2)
    waits = {
        "headers of HTTP/2": _wait_for_end(slow, PREFACE + unfinished),
        "no request": _wait_for_end(line.secure(), b""),
        "handshake": _drip(line.dial(), b"\x16\x03\x01"),
        "headers": _drip(line.secure(), head),
        "body": _drip(line.secure(), head + b"Content-Length: 1000\r\n\r\na"),
    }
    took = {name: wait() for name, wait in waits.items()}
    assert max(took.values()) < 10, took

"""One house with a gate that runs, what is behind it, and connections made by hand."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sekisho.access.model import Resource, ResourceKind, Trust, Upstream
from sekisho.identity.model import Role
from sekisho.kernel.principal import Principal
from sekisho.kernel.settings import Address
from support.gate_house import GateHouse, gate_house, wait_for
from support.h2 import H2
from support.upstream import read_head, upstreams


@dataclass
class Scene:
    """One house with an app, a tunnel and an app for any browser."""

    home: GateHouse
    admin: Principal
    hanako: Principal
    app: Resource
    shell: Resource
    open_app: Resource
    sockets: list[ssl.SSLSocket] = field(default_factory=list)

    def connect(
        self, device: str = "dev_1", *, authority: str = "", credential: str | None = None
    ) -> tuple[ssl.SSLSocket, bytes]:
        """Ask for a tunnel; return the socket and the head of the answer."""
        authority = authority or f"{self.shell.public_host}:{self.shell.upstreams[0].port}"
        shown = self.home.credential(self.hanako, "dev_1") if credential is None else credential
        sock = self.dial(device)
        sock.sendall(
            f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n"
            f"Proxy-Authorization: Bearer {shown}\r\nAccept-Language: ja\r\n\r\n".encode()
        )
        return sock, read_head(sock)

    def dial(
        self, device: str = "dev_1", name: str = "localhost", alpn: str = "http/1.1",
        door: Address | None = None,
    ) -> ssl.SSLSocket:  # fmt: skip
        address = door or self.home.settings.gate
        raw = socket.create_connection((address.host, address.port), 10)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sockets.append(self.home.tls(device, alpn).wrap_socket(raw, server_hostname=name))
        return self.sockets[-1]

    def h2(self, name: str, device: str = "dev_1") -> H2:
        """Open a connection of HTTP/2."""
        return H2(self.dial(device, name, "h2"))

    def hang_up(self) -> None:
        for each in self.sockets:
            each.close()
        self.sockets.clear()

    def raw(self, head: str, device: str = "dev_1") -> bytes:
        """Send a hand-made request to the app's host and return the head of the answer."""
        with self.dial(device, self.app.public_host) as sock:
            sock.sendall(head.encode("latin-1"))
            try:
                return read_head(sock)
            except OSError:
                return b""

    def stream(self, head: str) -> "Stream":
        sock = self.dial("dev_1", self.app.public_host)
        sock.sendall(head.encode())
        return Stream(sock, read_head(sock))


@dataclass
class Stream:
    """A connection on which bytes go on; notes when that ended."""

    sock: ssl.SSLSocket
    head: bytes
    ended: float = 0.0
    pieces: int = 0
    thread: threading.Thread = field(init=False)

    def watch(self, *, echo: bool = False) -> "Stream":
        self.thread = threading.Thread(target=self._watch, args=(echo,), daemon=True)
        self.thread.start()
        wait_for(lambda: self.pieces > 3 or bool(self.ended), lambda: "nothing flows", 20)
        return self

    def _watch(self, echo: bool) -> None:
        try:
            while True:
                if echo:
                    self.sock.sendall(b"ping")
                if not self.sock.recv(65536):
                    break
                self.pieces += 1
        except OSError:
            pass
        self.ended = time.monotonic()

    def cut_after(self, began: float) -> float:
        wait_for(lambda: bool(self.ended), lambda: "it was not cut", 10)
        return self.ended - began


@contextmanager
def gate_scene(folder: Path, **settings: object) -> Iterator[Scene]:
    """Start a gate with everything behind it."""
    with gate_house(folder, **settings) as home, upstreams() as (app, echo):
        town = home.town
        admin = town.add("admin", Role.ADMIN)
        hanako = town.add("hanako")
        town.give(hanako, "dev_1")
        town.give(hanako, "dev_2")
        for device in ("dev_1", "dev_2"):
            home.certify(device)
        here = (Upstream("127.0.0.1", app),)
        made = Scene(
            home,
            admin,
            hanako,
            town.publish(admin, public_host="wiki.localhost", upstreams=here),
            town.publish(
                admin, key="ssh", kind=ResourceKind.TCP, public_host="ssh.localhost",
                upstreams=(Upstream("127.0.0.1", echo),),
            ),
            town.publish(
                admin, key="open", public_host="open.localhost", upstreams=here,
                least_trust=Trust.BROWSER,
            ),
        )  # fmt: skip
        town.rule(admin)
        home.start()
        yield made

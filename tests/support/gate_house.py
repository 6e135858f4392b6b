"""A gate that really runs: a house with people and devices, its decision process and its Envoy."""

import contextlib
import datetime as dt
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from access.town import Town
from fakes.clock import FakeClock
from sekisho.access.model import Resource, Trust
from sekisho.controls.model import Verdict, VerdictKind
from sekisho.controls.store import verdicts
from sekisho.devices.model import Certificate
from sekisho.devices.store import privacy
from sekisho.evidence import service as evidence
from sekisho.kernel.clock import SystemClock
from sekisho.kernel.ids import DeviceID
from sekisho.kernel.pki import CertificateAuthority
from sekisho.kernel.principal import SYSTEM, Principal
from sekisho.kernel.settings import Address, Settings
from sekisho.server.bootstrap import House, open_house
from sekisho.server.gate.bootstrap import gate_folder
from sekisho.server.gate.cookies import CookieKey
from sekisho.server.gate.directory import door_of
from sekisho.server.gate.plan import COOKIES
from sekisho.server.gate.tickets import Use, digest_asker, make_ticket

START_SECONDS = 90.0
SECRET = "the asker's secret"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class GateHouse:
    """The house, who lives in it, and the two processes."""

    house: House
    town: Town
    folder: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        return self.house.settings

    def start(self, *names: str) -> None:
        """Start processes of the gate and wait until they do their work."""
        for name in names or ("gate", "envoy"):
            command = [
                sys.executable, "-m", "sekisho", "serve", name, "--data", str(self.settings.data),
                "--supervisor", str(os.getpid()),
            ]  # fmt: skip
            addresses = {
                f"SEKISHO_{each.upper()}": str(getattr(self.settings, each))
                for each in (
                    "public",
                    "admin",
                    "gate",
                    "gate_browser",
                    "gate_tunnels",
                    "database_url",
                )
            }
            log = (self.folder / f"{name}.log").open("ab")
            self.processes[name] = subprocess.Popen(
                command, env={**os.environ, **addresses}, stdout=log, stderr=log
            )
            log.close()
            if name == "gate":
                wait_for((self.settings.data / "gate/decision.sock").is_socket, self.log)
        wait_for(self._listens, self.log)

    def _listens(self) -> bool:
        with contextlib.suppress(OSError):
            for address in (self.settings.gate, self.settings.gate_browser):
                socket.create_connection((address.host, address.port), 1).close()
            return True
        return False

    def log(self) -> str:
        found = sorted(self.folder.glob("*.log"))
        return "\n".join(f"{p.name}: {p.read_text('utf-8', 'replace')[-3000:]}" for p in found)

    def stop(self, *names: str) -> None:
        for name in names or reversed(list(self.processes)):
            process = self.processes.pop(name)
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def mend(self, device: str) -> None:
        """Let every rule of a device pass again."""
        now = SystemClock().now()

        def good(verdict: Verdict) -> Verdict:
            return replace(
                verdict, kind=VerdictKind.PASS, judged=VerdictKind.PASS, since=now,
                received_at=now, first_failed_at=None, expires_at=now + dt.timedelta(hours=12),
            )  # fmt: skip

        with self.house.database.write(SYSTEM) as tx:
            found = verdicts.find_verdicts(tx, DeviceID(device))
            rows = [(DeviceID(device), good(each)) for each in found.values()]
            verdicts.save_verdicts(tx, rows)
        self.note(device)

    def fail(self, device: str) -> float:
        """Break a blocking rule of a device as a bad answer does; return when it was committed."""
        self.town.fail(device)
        return self.note(device)

    def note(self, device: str) -> float:
        """Leave the record that a changed verdict leaves: it wakes the gate."""
        with self.house.database.write(SYSTEM) as tx:
            evidence.record(
                tx, kind="control.verdict_changed", subject=f"device:{device}", detail={}
            )
        return time.monotonic()

    def certify(self, device: str, file: str = "", age: dt.timedelta = dt.timedelta()) -> Path:
        """Give a device a certificate and key of its own; return their file."""
        path = self.folder / f"{file or device}.pem"
        now = SystemClock().now() - age
        issued, text = make_certificate(self.house.authority, device, now)
        kept = Certificate(issued, now + dt.timedelta(days=7), now, None, f"t-{issued}")
        with self.house.database.write(SYSTEM) as tx:
            privacy.insert_certificate(tx, device, kept, f"k-{issued}")
        path.write_text(text)
        return path

    def tls(self, device: str = "", alpn: str = "http/1.1") -> ssl.SSLContext:
        """Return TLS as a device's client has it ("" = without certificate)."""
        context = ssl.create_default_context(cadata=self.house.authority.certificate_pem)
        context.set_alpn_protocols([alpn])
        if device:
            context.load_cert_chain(self.folder / f"{device}.pem")
        return context

    def ticket(self, who: Principal, resource: Resource | None = None) -> str:
        use: Use = "enter" if resource else "connect"
        return make_ticket(
            self.house.box, use, who.id, self.town.sign_ins[who.id], digest_asker(SECRET),
            time.time(), resource.id if resource else "",
        )  # fmt: skip

    def credential(self, who: Principal, device: str) -> str:
        """Return what a command of a signed-in person has after its ticket was taken."""
        key = CookieKey.load_or_create(gate_folder(self.settings.data), self.house.box)
        return key.sign({
            "iss": "sekisho-gate", "aud": "tunnel", "sub": who.id,
            "sgn": self.town.sign_ins[who.id], "dev": device, "exp": int(time.time()) + 3600,
        })  # fmt: skip

    def visit(
        self, resource: Resource, path: str, device: str = "dev_1", *, method: str = "GET",
        body: bytes = b"", headers: Mapping[str, str] | None = None,
    ) -> "Visited":  # fmt: skip
        """Ask for something with one request on a connection of its own."""
        address = self.door(resource)
        context = self.tls(device if resource.least_trust is not Trust.BROWSER else "")
        raw = socket.create_connection((address.host, address.port), 10)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = http.client.HTTPSConnection(resource.public_host, timeout=10)
        connection.sock = context.wrap_socket(raw, server_hostname=resource.public_host)
        try:
            connection.request(method, path, body or None, dict(headers or {}))
            response = connection.getresponse()
            return Visited(response.status, response.getheaders(), response.read())
        finally:
            connection.close()

    def door(self, resource: Resource) -> Address:
        browser = door_of(resource).value == "browser"
        return self.settings.gate_browser if browser else self.settings.gate

    def enter(self, who: Principal, resource: Resource, device: str = "dev_1") -> str:
        """Come in by the portal's ticket; return the gate's cookie as a header's value."""
        path = f"/.sekisho/enter?ticket={self.ticket(who, resource)}&to=/"
        state = {"Cookie": f"__Host-sekisho-state={SECRET}"}
        visited = self.visit(resource, path, device, headers=state)
        assert visited.status == 303, (visited, self.log())
        return visited.cookie(COOKIES[door_of(resource)])


@dataclass(frozen=True)
class Visited:
    """What came back."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def cookie(self, name: str) -> str:
        """Return ``name=value`` of a cookie that was set, "" if it was not."""
        pairs = [v.split(";")[0] for n, v in self.headers if n.lower() == "set-cookie"]
        return next((pair for pair in pairs if pair.startswith(f"{name}=")), "")

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")

    def json(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.body)
        return found


def make_certificate(
    authority: CertificateAuthority, device: str, now: dt.datetime
) -> tuple[str, str]:
    """Return the serial number and the PEM text of a certificate with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    asked = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    csr = asked.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    issued = authority.sign_device(csr.decode(), device, now)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return issued.serial, issued.certificate_pem + pem.decode()


def wait_for(
    done: Callable[[], bool], why: Callable[[], str], seconds: float = START_SECONDS
) -> float:
    """Wait until something is so; return how long that took."""
    started = time.monotonic()
    while not done():
        assert time.monotonic() - started < seconds, why()
        time.sleep(0.02)
    return time.monotonic() - started


@contextlib.contextmanager
def gate_house(folder: Path, **settings: object) -> Iterator[GateHouse]:
    """Open a house with free ports for its gate; stop what was started at the end."""
    chosen: dict[str, object] = {
        name: Address("127.0.0.1", free_port())
        for name in ("public", "admin", "gate", "gate_browser")
    }
    made = Settings(data=folder / "d", **{**chosen, **settings})  # type: ignore[arg-type]
    with open_house(made) as house:
        home = GateHouse(house, Town(house.database, FakeClock(SystemClock().now())), folder)
        try:
            yield home
        finally:
            home.stop()

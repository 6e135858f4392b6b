"""A reference osquery TLS server, written from the protocol's facts and not from our server.

Loopback TLS with its own test authority. It can misbehave as real servers and networks do: close
sockets without notice, forget nodes, lose replies after having taken the data, be away for a while,
answer nonsense.
"""

import datetime as dt
import gzip
import ipaddress
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SECRET = "the-enrolment-secret"


@dataclass
class Behaviour:
    """What the server offers, and how it misbehaves."""

    queries: dict[str, str] = field(default_factory=dict)
    discovery: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=lambda: {"schedule": {}, "node_invalid": False})
    accelerate: object = None
    close_without_notice: bool = False
    invalid_every_config: int = 0
    lose_replies: int = 0
    away: bool = False
    raw_reply: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    certificate_days: int = 7


@dataclass
class Taken:
    """What the server took, in order."""

    enrolments: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    writes: list[dict[str, Any]] = field(default_factory=list)
    logs: list[dict[str, Any]] = field(default_factory=list)
    consents: list[dict[str, Any]] = field(default_factory=list)
    connections: int = 0

    def lines(self, kind: str = "result") -> list[dict[str, Any]]:
        return [line for log in self.logs if log["log_type"] == kind for line in log["data"]]


class TestAuthority:
    """A throw-away authority: its PEM, and certificates for servers and devices."""

    __test__ = False

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test authority")])
        self._name = name
        basic = x509.BasicConstraints(ca=True, path_length=None)
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        own = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        builder = _builder(name, name, self._key.public_key(), 30)
        builder = builder.add_extension(basic, critical=True).add_extension(usage, critical=True)
        builder = builder.add_extension(own, critical=False)
        self._certificate = builder.sign(self._key, hashes.SHA256())
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def write_server_files(self, folder: Path, names: tuple[str, ...]) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(
            x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])]),
            self._name,
            key.public_key(),
            30,
        )
        sans = [
            x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
            for name in names
        ]
        builder = builder.add_extension(x509.SubjectAlternativeName(sans), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
            critical=False,
        )
        signed = builder.sign(self._key, hashes.SHA256())
        certificate, private = folder / "server.pem", folder / "server.key"
        certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, private

    def sign_request(self, pem: str, days: int) -> tuple[str, dt.datetime]:
        request = x509.load_pem_x509_csr(pem.encode())
        assert request.is_signature_valid
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "dev_1")])
        builder = _builder(name, self._name, request.public_key(), days)
        certificate = builder.sign(self._key, hashes.SHA256())
        text = certificate.public_bytes(serialization.Encoding.PEM).decode()
        return text, certificate.not_valid_after_utc


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey | Any, days: int
) -> x509.CertificateBuilder:
    start = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=days))
    )


class OsqueryServer:
    """The server: ``behaviour`` in, ``taken`` out."""

    def __init__(self, folder: Path) -> None:
        self.behaviour = Behaviour()
        self.taken = Taken()
        self.authority = TestAuthority()
        self.signing_key = Ed25519PrivateKey.generate()
        self._nodes: set[str] = set()
        self._configs = 0
        self._lock = threading.Lock()
        self._folder = folder
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context = context
        self.show_certificate_by(self.authority)
        self._http = _Listener(self, context)
        self.url = f"https://localhost:{self._http.server_address[1]}"

    def show_certificate_by(self, authority: TestAuthority) -> None:
        """Show a new certificate by ``authority`` on every connection from now on."""
        self._context.load_cert_chain(*authority.write_server_files(self._folder, ("localhost",)))

    @contextmanager
    def running(self) -> Iterator["OsqueryServer"]:
        thread = threading.Thread(target=self._http.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield self
        finally:
            self._http.shutdown()
            thread.join()
            self._http.server_close()

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, bytes]:
        """Answer one request from the facts of the protocol."""
        with self._lock:
            self.taken.requests.append((path, body))
            if path in self.behaviour.raw_reply:
                return self.behaviour.raw_reply[path]
            handlers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
                "/api/osquery/enroll": self._enroll,
                "/api/osquery/config": self._config,
                "/api/osquery/log": self._log,
                "/api/osquery/distributed/read": self._read,
                "/api/osquery/distributed/write": self._write,
                "/api/agent/certificate": self._certificate,
                "/api/agent/consent": self._consent,
                "/api/agent/pause": self._note,
                "/api/agent/withdraw": self._note,
            }
            if path not in handlers:
                return 404, b'{"error": "no such path"}'
            if path != "/api/osquery/enroll" and body.get("node_key") not in self._nodes:
                return 200, b'{"node_invalid": true, "error": "unknown node"}'
            return 200, json.dumps(handlers[path](body)).encode()

    def forget_nodes(self) -> None:
        self._nodes.clear()

    def _enroll(self, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("enroll_secret") != SECRET:
            return {"node_invalid": True, "error": "wrong secret"}
        self.taken.enrolments.append(body)
        key = f"node-{len(self.taken.enrolments)}"
        self._nodes.add(key)
        return {"node_key": key}

    def _config(self, _body: dict[str, Any]) -> dict[str, Any]:
        self._configs += 1
        every = self.behaviour.invalid_every_config
        if every and self._configs % every == 0:
            self._nodes.clear()
            return {"node_invalid": True}
        return self.behaviour.config

    def _read(self, _body: dict[str, Any]) -> dict[str, Any]:
        reply: dict[str, Any] = {"queries": self.behaviour.queries}
        if self.behaviour.discovery:
            reply["discovery"] = self.behaviour.discovery
        if self.behaviour.accelerate is not None:
            reply["accelerate"] = self.behaviour.accelerate
        return reply

    def _write(self, body: dict[str, Any]) -> dict[str, Any]:
        self.taken.writes.append(body)
        return {}

    def _log(self, body: dict[str, Any]) -> dict[str, Any]:
        self.taken.logs.append(body)
        return {}

    def _certificate(self, body: dict[str, Any]) -> dict[str, Any]:
        days = self.behaviour.certificate_days
        certificate, ends = self.authority.sign_request(body["csr"], days)
        return {
            "certificate_pem": certificate,
            "chain_pem": self.authority.pem,
            "not_after": ends.isoformat(),
        }

    def _note(self, _body: dict[str, Any]) -> dict[str, Any]:
        return {}

    def _consent(self, body: dict[str, Any]) -> dict[str, Any]:
        self.taken.consents.append(body)
        return {}


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, owner: OsqueryServer, context: ssl.SSLContext) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", 0), _Handler)
        self._context = context

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the connection's own thread, so that one bad client stops nobody."""
        self.owner.taken.connections += 1
        request.settimeout(20)
        with self._context.wrap_socket(request, server_side=True) as wrapped:
            super().finish_request(wrapped, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Broken connections are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listener

    def do_POST(self) -> None:
        behaviour = self.server.owner.behaviour
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        if behaviour.away:
            self.close_connection = True
            return
        if self.headers.get("Content-Encoding") == "gzip":
            raw = gzip.decompress(raw)
        self.server.owner.taken.headers.append(dict(self.headers.items()))
        status, reply = self.server.owner.answer(self.path, json.loads(raw))
        if behaviour.lose_replies > 0:
            behaviour.lose_replies -= 1
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)
        if behaviour.close_without_notice:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Stay quiet."""

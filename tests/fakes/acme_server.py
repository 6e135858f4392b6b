"""The other side of RFC 8555, in memory: an authority that checks what it is sent.

It verifies every JWS and nonce, fetches the HTTP-01 challenge for real (from a port the test
chooses, since a test may not bind 80) and signs with a CA of its own. Written from the RFC.
"""

import base64
import datetime as dt
import hashlib
import json
import secrets
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from sekisho.kernel.pki import CertificateAuthority
from sekisho.kernel.secrets import SecretBox


def unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def rebase64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Authority:
    """The state of the authority, and its answers."""

    def __init__(self, folder: Path, challenge_port: int) -> None:
        now = dt.datetime.now(dt.UTC)
        box = SecretBox(bytes(32))
        self.ca = CertificateAuthority.load_or_create(folder / "acme-ca", box, "ACME", now)
        self.challenge_port = challenge_port
        self.url = ""
        self.nonces: set[str] = set()
        self.accounts: dict[str, dict[str, str]] = {}
        self.orders: list[dict[str, Any]] = []
        self.refuse = False

    def nonce(self) -> str:
        made = secrets.token_urlsafe(12)
        self.nonces.add(made)
        return made

    def open_jws(self, body: bytes, url: str) -> tuple[str, Any]:
        """Check nonce, address and signature (RFC 8555 section 6); return account and payload."""
        jws = json.loads(body)
        header = json.loads(unbase64(jws["protected"]))
        self.nonces.remove(header["nonce"])
        assert header["url"] == url
        assert header["alg"] == "ES256"
        jwk = header.get("jwk") or self.accounts[header["kid"]]
        numbers = [int.from_bytes(unbase64(jwk[name]), "big") for name in ("x", "y")]
        key = ec.EllipticCurvePublicNumbers(numbers[0], numbers[1], ec.SECP256R1()).public_key()
        raw = unbase64(jws["signature"])
        halves = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
        signed = f"{jws['protected']}.{jws['payload']}".encode()
        key.verify(utils.encode_dss_signature(*halves), signed, ec.ECDSA(hashes.SHA256()))
        account = header.get("kid") or self._account(jwk)
        return account, json.loads(unbase64(jws["payload"]) or b"null")

    def _account(self, jwk: dict[str, str]) -> str:
        known = {json.dumps(v, sort_keys=True): k for k, v in self.accounts.items()}
        found = known.get(json.dumps(jwk, sort_keys=True))
        return found or f"{self.url}/acct/{len(self.accounts) + 1}"

    def answer(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        account, payload = self.open_jws(body, self.url + path)
        parts = path.strip("/").split("/")
        if parts == ["new-account"]:
            return self._new_account(account, body)
        if parts == ["new-order"]:
            return self._new_order(payload)
        order = self.orders[int(parts[1])]
        if parts[0] == "challenge":
            self._validate(order, account)
        if parts[0] == "finalize":
            self._finalize(order, payload)
        if parts[0] == "certificate":
            return 200, {"Content-Type": "application/pem-certificate-chain"}, order["pem"]
        shown = order[{"authz": "authz", "challenge": "challenge"}.get(parts[0], "body")]
        if parts[0] == "authz":
            shown = shown | {"challenges": [order["challenge"]]}
        headers = {
            "Location": f"{self.url}/order/{parts[1]}",
            "Link": f'<{self.url}/authz/{parts[1]}>;rel="up"',
        }
        return 200, headers, json.dumps(shown).encode()

    def _new_account(self, account: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        status = 200 if account in self.accounts else 201
        self.accounts[account] = json.loads(unbase64(json.loads(body)["protected"]))["jwk"]
        return status, {"Location": account}, b'{"status":"valid"}'

    def _new_order(self, payload: Any) -> tuple[int, dict[str, str], bytes]:
        number = len(self.orders)
        here = self.url
        order: dict[str, Any] = {
            "token": secrets.token_urlsafe(32),
            "body": {
                "status": "pending",
                "identifiers": payload["identifiers"],
                "authorizations": [f"{here}/authz/{number}"],
                "finalize": f"{here}/finalize/{number}",
            },
            "authz": {"status": "pending", "identifier": payload["identifiers"][0]},
        }
        if any(known["authz"] == order["authz"] | {"status": "valid"} for known in self.orders):
            order["authz"]["status"] = "valid"  # an earlier proof stands (section 7.1.4)
            order["body"]["status"] = "ready"
        order["challenge"] = {
            "type": "http-01",
            "url": f"{here}/challenge/{number}",
            "status": order["authz"]["status"],
            "token": order["token"],
        }
        self.orders.append(order)
        return 201, {"Location": f"{here}/order/{number}"}, json.dumps(order["body"]).encode()

    def _validate(self, order: dict[str, Any], account: str) -> None:
        """Fetch the challenge and compare the key authorization (sections 8.1 and 8.3)."""
        assert order["challenge"]["status"] == "pending"
        address = f"http://127.0.0.1:{self.challenge_port}/.well-known/acme-challenge/"
        with urllib.request.urlopen(address + order["token"], timeout=5) as answer:  # noqa: S310 - loopback
            got = answer.read().decode().strip()
        jwk = self.accounts[account]
        canonical = json.dumps(
            {name: jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":")
        )
        thumbprint = rebase64(hashlib.sha256(canonical.encode()).digest())
        fine = got == f"{order['token']}.{thumbprint}" and not self.refuse
        order["authz"]["status"] = order["challenge"]["status"] = "valid" if fine else "invalid"
        if fine:
            order["body"]["status"] = "ready"
        else:
            detail = {"type": "urn:ietf:params:acme:error:unauthorized", "detail": "wrong answer"}
            order["challenge"]["error"] = detail

    def _finalize(self, order: dict[str, Any], payload: Any) -> None:
        assert order["body"]["status"] == "ready"
        request = x509.load_der_x509_csr(unbase64(payload["csr"]))
        assert request.is_signature_valid
        key = request.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        name = order["body"]["identifiers"][0]["value"]
        san = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert san.get_values_for_type(x509.DNSName) == [name]
        now = dt.datetime.now(dt.UTC)
        leaf = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
            .issuer_name(self.ca.certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + dt.timedelta(days=45))
            .add_extension(san, critical=False)
            .sign(self.ca.key, hashes.SHA256())
        )
        order["pem"] = (
            leaf.public_bytes(serialization.Encoding.PEM) + self.ca.certificate_pem.encode()
        )
        number = self.orders.index(order)
        order["body"] |= {"status": "valid", "certificate": f"{self.url}/certificate/{number}"}


@contextmanager
def running_authority(folder: Path, challenge_port: int) -> Iterator[Authority]:
    """Serve an authority over TLS on loopback; its root lies in ``folder/acme-root.pem``."""
    authority = Authority(folder, challenge_port)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_HEAD(self) -> None:
            self._send(200, {}, b"")

        def do_GET(self) -> None:
            names = ("newNonce", "newAccount", "newOrder", "revokeCert", "keyChange")
            paths = ("new-nonce", "new-account", "new-order", "revoke-cert", "key-change")
            directory = {n: f"{authority.url}/{p}" for n, p in zip(names, paths, strict=True)}
            self._send(200, {}, json.dumps(directory).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._send(*authority.answer(self.path, body))

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            defaults = {"Content-Type": "application/json", "Replay-Nonce": authority.nonce()}
            for name, value in (defaults | headers).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    issued = authority.ca.issue_server(["localhost"], dt.datetime.now(dt.UTC))
    (folder / "acme-server.pem").write_text(issued.certificate_pem)
    (folder / "acme-server.key").write_text(issued.key_pem)
    (folder / "acme-root.pem").write_text(authority.ca.certificate_pem)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "acme-server.pem", folder / "acme-server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    authority.url = f"https://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield authority
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

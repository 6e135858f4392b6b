"""Tunnels that do not come to be: the line to the gate is hung up, and what it said is told."""

import asyncio
import ipaddress
import json
import ssl
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sekisho.agent import tunnel
from sekisho.agent.tunnel import GateLink, RefusedError, SignInNeededError, TunnelError, open_tunnel

REASONS = {"reasons": [{"text": "Disk is not encrypted.", "fix": "x" * 100_000}]}
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


def make_tls(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return TLS for a server on loopback and for whoever trusts it."""
    key, now, name = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC), x509.Name([])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(1))
        .not_valid_after(now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "gate.pem").write_bytes(key.private_bytes(*form, serialization.NoEncryption()) + pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "gate.pem")
    return server, ssl.create_default_context(cadata=pem.decode())


def says(*parts: bytes) -> Answer:
    """Return a gate that says these parts, a moment apart, and then waits to be left."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.02)
        await reader.read()

    return answer


def ask(folder: Path, answer: Answer) -> tuple[Exception | None, bool]:
    """Ask such a gate for a tunnel; return what came of it and whether the gate was left."""
    server_tls, client_tls = make_tls(folder)

    async def run() -> tuple[Exception | None, bool]:
        left = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await answer(reader, writer)
            except (OSError, EOFError):
                pass
            finally:
                writer.transport.abort()
                left.set()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_tls)
        async with server:
            port = server.sockets[0].getsockname()[1]
            link = GateLink("127.0.0.1", port, client_tls, "en")
            found = None
            try:
                await open_tunnel(link, "pc:443", "secret")
            except TunnelError as error:
                found = error
            waiting = asyncio.wait_for(left.wait(), 5)
            return found, found is not None and await waiting

    return asyncio.run(run())


def refused(body: bytes, status: str = "403 Forbidden") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (says(refused(b"", "401 Unauthorized")), SignInNeededError, "sign in"),
        (says(refused(b"no JSON")), RefusedError, "HTTP 403"),
        (says(b"SSH-2.0-x\r\n\r\n"), TunnelError, "SSH-2.0"),
        (says(b"HTTP/1.1 abc\r\n\r\n"), TunnelError, "could not be reached"),
        (says(b"HTTP/1.1 403 x\r\nContent-Length: -5\r\n\r\n"), RefusedError, "403"),
        (says(b"HTTP/1.1 403 x\r\nContent-Length: many\r\n\r\n"), TunnelError, "many"),
        (says(b"x" * 200_000), TunnelError, "could not be reached"),
    ],
    ids=["sign in", "no JSON", "SSH", "status", "negative", "length", "endless head"],
)
def test_a_no_is_told_and_the_line_hung_up(
    tmp_path: Path, answer: Answer, kind: type[TunnelError], words: str
) -> None:
    error, left = ask(tmp_path, answer)

    assert type(error) is kind
    assert words in str(error)
    assert left


def test_reasons_that_come_in_pieces_are_read_to_their_end(tmp_path: Path) -> None:
    whole = refused(json.dumps(REASONS).encode())
    error, left = ask(tmp_path, says(whole[:60], whole[60:50_000], whole[50_000:]))

    assert isinstance(error, RefusedError)
    assert "Disk is not encrypted." in str(error)
    assert left


def test_a_refusal_that_breaks_off_is_one(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(refused(json.dumps(REASONS).encode())[:80])
        writer.close()
        await writer.wait_closed()

    error, _ = ask(tmp_path, answer)
    assert isinstance(error, RefusedError)
    assert "HTTP 403" in str(error)


def test_a_gate_that_says_nothing_is_left_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnel, "SECONDS", 0.3)

    error, left = ask(tmp_path, says())

    assert "could not be reached" in str(error)
    assert left

"""The two ends of a desktop's relay, made up: a host that speaks RDP's beginning, and a browser."""

import asyncio
import ipaddress
import os
import ssl
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import msgspec
import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sekisho.server.desktop import cleanpath, x224
from sekisho.server.desktop import websocket as ws
from sekisho.server.desktop.grants import Event, Grant
from support import rdp_packets as rdp

PICTURE = b"\x00" + (0x4000 | 0x8000).to_bytes(2) + bytes(0x4000 - 3)


class Host:
    """A made-up host; sends ``packets`` pictures to each client and keeps what it is sent.

    Every ``pace`` seconds one more follows, for ever, unless that is 0.
    """

    def __init__(self, folder: Path) -> None:
        self.packets = 0
        self.pace = 0.0
        self.got = b""
        self.pin, self.context = _make_tls(folder)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        await _packet(reader)
        writer.write(b"\x03\0\0\x13\x0e\xd0" + bytes(5) + b"\x02\0\x08\0\x02\0\0\0")
        await writer.start_tls(self.context)
        try:
            self.got = await _packet(reader)
            writer.write(rdp.response([1004]) + rdp.attached())
            for _ in range(self.packets):
                writer.write(PICTURE)
                await writer.drain()
            while self.pace and not writer.is_closing():
                writer.write(PICTURE)
                await writer.drain()
                await asyncio.sleep(self.pace)
            await reader.read()
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()


async def _packet(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(4)
    return head + await reader.readexactly(int.from_bytes(head[2:]) - 4)


def _make_tls(folder: Path) -> tuple[str, ssl.SSLContext]:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(),
                                   now - timedelta(1), now + timedelta(1))  # fmt: skip
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = made.add_extension(x509.SubjectAlternativeName([address]), critical=True)
    signed = made.sign(key, hashes.SHA256())
    path = folder / "host.pem"
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path.write_bytes(key.private_bytes(*form, serialization.NoEncryption())
                     + signed.public_bytes(serialization.Encoding.PEM))  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return sha256(signed.public_bytes(serialization.Encoding.DER)).hexdigest(), context


class Relay:
    """The relay as a process, told grants by us; ``events`` is what it told."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.measured = psutil.Process(process.pid)
        self.events: list[Event] = []

    @classmethod
    async def start(cls, *arguments: str) -> "Relay":
        """Start it in the present folder, with these arguments to Python."""
        pipe = asyncio.subprocess.PIPE
        chosen = arguments or ("-m", "sekisho.server.desktop.relay")
        return cls(await asyncio.create_subprocess_exec(
            sys.executable, *chosen, stdin=pipe, stdout=pipe))  # fmt: skip

    async def grant(self, host: Host, port: int, **changes: object) -> Grant:
        """Tell it a grant."""
        facts: dict[str, object] = {
            "ticket": os.urandom(8).hex(), "session": "acs_1", "kind": "rdp",
            "host": "127.0.0.1", "port": port, "ends": time.time() + 60, "pin": host.pin,
        }  # fmt: skip
        made = msgspec.convert(facts | changes, Grant)
        if self.process.stdin is None:
            raise RuntimeError("the relay was started with pipes")
        self.process.stdin.write(msgspec.json.encode(made) + b"\n")
        await self.hear("ready")
        return made

    async def hear(self, kind: str) -> Event:
        """Return the next event of a kind."""
        if self.process.stdout is None:
            raise RuntimeError("the relay was started with pipes")
        while True:
            event = msgspec.json.decode(await self.process.stdout.readline(), type=Event)
            self.events.append(event)
            if event.kind == kind:
                return event

    async def stop(self) -> None:
        """End it."""
        self.process.terminate()
        await self.process.wait()


class Browser:
    """A browser's WebSocket at the relay, as Envoy would hand it over."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, *, session: str = "acs_1", origin: str = "https://a") -> "Browser":
        """Shake hands; raise IncompleteReadError if the relay does not."""
        reader, writer = await asyncio.open_unix_connection("relay.sock", limit=1 << 20)
        made, shown = cls(reader, writer), {"x-sekisho-session": session}
        await made.greet({"host": "a", "origin": origin, **shown})
        return made

    async def greet(self, headers: Mapping[str, str]) -> None:
        """Ask for the WebSocket; raise EOFError where there comes none."""
        sent = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.writer.write(
            f"GET /socket HTTP/1.1\r\n{sent}upgrade: websocket\r\nconnection: upgrade\r\n"
            "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            .encode()
        )  # fmt: skip
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except EOFError:
            self.close()
            raise
        if b" 101 " not in head:
            raise EOFError(head)

    async def ask(self, ticket: str) -> bytes:
        """Ask for a desktop and return the answer."""
        asked = cleanpath.Request(ticket, x224.make_request(x224.NLA | x224.Protocols.TLS))
        self.send(cleanpath.write_request(asked, "elsewhere.example:3389"))
        return await self.read()

    def send(self, payload: bytes) -> None:
        """Send one binary message (masked with zeros)."""
        head = bytearray(ws.write_head(len(payload)))
        head[1] |= 0x80
        self.writer.write(bytes(head) + bytes(4) + payload)

    async def read(self) -> bytes:
        """Return the next message; that of a close is code and reason."""
        head = await self.reader.readexactly(2)
        size = head[1]
        if size > 125:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8))
        return await self.reader.readexactly(size)

    def close(self) -> None:
        """Hang up."""
        self.writer.transport.abort()

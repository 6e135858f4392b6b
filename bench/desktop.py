"""The relay of desktops: what its filter costs beside a relay that lets everything through.

Run: ``python -m bench.desktop [--megabytes N] [--sessions N]``. The host is made up: it negotiates
NLA, starts TLS and then sends pictures on the fast path as fast as they are taken. CPU is that of
the relay's own process.
"""

import argparse
import asyncio
import ipaddress
import os
import ssl
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import msgspec
import psutil
from bench.house import describe_machine
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sekisho.server.desktop import cleanpath, der, x224
from sekisho.server.desktop import websocket as ws
from sekisho.server.desktop.grants import Grant

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support import rdp_packets as rdp

_PICTURE = b"\x00" + (0x4000 | 0x8000).to_bytes(2) + bytes(0x4000 - 3)
_BARE = (
    "import asyncio; from sekisho.server.desktop import filters, relay; "
    "relay._make_filter = lambda kind, keys: filters.Bare(); asyncio.run(relay.main())"
)


class Host:
    """A made-up host; sends ``packets`` pictures to each client."""

    def __init__(self, folder: Path) -> None:
        self.packets = 0
        self.pin, self.context = _make_tls(folder)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        head = await reader.readexactly(4)
        await reader.readexactly(int.from_bytes(head[2:]) - 4)
        writer.write(b"\x03\0\0\x13\x0e\xd0" + bytes(5) + b"\x02\0\x08\0\x02\0\0\0")
        await writer.start_tls(self.context)
        head = await reader.readexactly(4)
        await reader.readexactly(int.from_bytes(head[2:]) - 4)
        writer.write(rdp.response([1004]) + rdp.attached())
        for _ in range(self.packets):
            writer.write(_PICTURE)
            await writer.drain()


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
    """The relay as a process, told grants by us."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.measured = psutil.Process(process.pid)

    @classmethod
    async def start(cls, *arguments: str) -> "Relay":
        """Start it with these arguments to Python."""
        pipe = asyncio.subprocess.PIPE
        return cls(await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdin=pipe, stdout=pipe))  # fmt: skip

    async def open(
        self, host: Host, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a desktop as a browser does; return once its first settings are sent."""
        ticket, stdin, stdout = os.urandom(8).hex(), self.process.stdin, self.process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the relay was started with pipes")
        stdin.write(msgspec.json.encode(Grant(
            ticket=ticket, session="s", kind="rdp", host="127.0.0.1", port=port,
            ends=time.time() + 60, pin=host.pin)) + b"\n")  # fmt: skip
        while b'"ready"' not in await stdout.readline():
            pass
        reader, writer = await asyncio.open_unix_connection("relay.sock", limit=1 << 20)
        writer.write(
            b"GET /socket HTTP/1.1\r\nhost: a\r\norigin: https://a\r\nupgrade: websocket\r\n"
            b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"x-sekisho-session: s\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        asked = cleanpath.Request(ticket, x224.make_request(x224.NLA | x224.Protocols.TLS))
        writer.write(_frame(cleanpath.write_request(asked, "a:1")))
        answer = await _message(reader)
        der.read_only(answer, der.SEQUENCE)
        writer.write(_frame(rdp.initial(["drdynvc"])))
        return reader, writer

    async def stop(self) -> None:
        """End it."""
        self.process.terminate()
        await self.process.wait()


def _frame(payload: bytes) -> bytes:
    head = bytearray(ws.write_head(len(payload)))
    head[1] |= 0x80
    return bytes(head) + bytes(4) + payload


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(2)
    size = head[1]
    if size > 125:
        size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8))
    return await reader.readexactly(size)


async def _transfer(name: str, host: Host, port: int, megabytes: int, *arguments: str) -> None:
    relay = await Relay.start(*arguments)
    host.packets = (megabytes << 20) // len(_PICTURE)
    before, began, got = sum(relay.measured.cpu_times()[:2]), time.monotonic(), 0
    reader, writer = await relay.open(host, port)
    while got < host.packets * len(_PICTURE):
        got += len(await _message(reader))
    took = time.monotonic() - began
    spent = sum(relay.measured.cpu_times()[:2]) - before
    print(f"{name}: {1000 * spent / megabytes:.2f} ms CPU a MiB, {megabytes / took:.0f} MiB/s")
    writer.close()
    await relay.stop()


async def _hold(host: Host, port: int, sessions: int) -> None:
    relay = await Relay.start("-m", "sekisho.server.desktop.relay")
    host.packets = 1
    held = [await relay.open(host, port)]
    before = relay.measured.memory_full_info().uss
    held += [await relay.open(host, port) for _ in range(sessions)]
    await asyncio.sleep(1)
    grown = relay.measured.memory_full_info().uss - before
    print(
        f"relay at rest: {before >> 20} MiB of its own; {grown / sessions / 1024:.0f} KiB a session"
    )
    for _, writer in held:
        writer.close()
    await relay.stop()


async def _run(megabytes: int, sessions: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        host = Host(Path(folder))
        server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        for _ in range(2):
            await _transfer("filtered", host, port, megabytes, "-m", "sekisho.server.desktop.relay")
            await _transfer("bare", host, port, megabytes, "-c", _BARE)
        await _hold(host, port, sessions)
        server.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=256)
    parser.add_argument("--sessions", type=int, default=100)
    asked = parser.parse_args()
    print(describe_machine())
    asyncio.run(_run(asked.megabytes, asked.sessions))


if __name__ == "__main__":
    main()

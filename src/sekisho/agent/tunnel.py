"""Tunnels through the gate: CONNECT over TLS with the device's certificate (RFC 9110, 9.3.6).

Standard library only. A tunnel that ends is asked about, so that a person reads why it was cut
instead of wondering about the network.
"""

import asyncio
import contextlib
import http.client
import json
import ssl
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sekisho.agent.certificate import CERTIFICATE
from sekisho.agent.errors import AgentError
from sekisho.agent.keys import KEY
from sekisho.agent.link import make_context

SECONDS = 16.0
_LONGEST_HEAD = 64 * 1024
_LONGEST_ANSWER = 256 * 1024
_CHUNK = 64 * 1024
_OK = 200
_NOT_SIGNED_IN = 401
_ENDED = (OSError, EOFError, asyncio.IncompleteReadError, ssl.SSLError)


class TunnelError(AgentError):
    """No tunnel could be opened; the text says why and what to do."""


class SignInNeededError(TunnelError):
    """The gate does not know who sits here (any more)."""


class RefusedError(TunnelError):
    """The gate knows who asks and says no; the reasons are its words in the person's language."""


@dataclass(frozen=True, slots=True)
class Why:
    """What the gate says about a refusal or a cut: texts, each with how to fix it."""

    cut: bool
    reasons: Sequence[tuple[str, str]]

    def lines(self) -> list[str]:
        """Return the reasons as lines for a terminal."""
        return [f"{text} {fix}".strip() for text, fix in self.reasons]


@dataclass(frozen=True, slots=True)
class GateLink:
    """The way to one gate: host and port, TLS with this device's certificate, the language."""

    host: str
    port: int
    context: ssl.SSLContext
    language: str

    def ask(
        self, path: str, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, object]]:
        """Ask the gate itself; return the status and its JSON answer (blocks)."""
        connection = http.client.HTTPSConnection(
            self.host, self.port, timeout=SECONDS, context=self.context
        )
        try:
            sent = {"Accept": "application/json", "Accept-Language": self.language}
            connection.request("GET", path, headers={**sent, **(headers or {})})
            response = connection.getresponse()
            found = json.loads(response.read(_LONGEST_ANSWER) or b"{}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise TunnelError(
                "the gate %(host)s:%(port)s could not be reached: %(why)s",
                host=self.host, port=self.port, why=error,
            ) from error  # fmt: skip
        finally:
            connection.close()
        return response.status, found if isinstance(found, dict) else {}

    def ask_why(self, session: str) -> Why:
        """Ask why a session ended; silence counts as an ordinary end."""
        with contextlib.suppress(TunnelError):
            query = urllib.parse.urlencode({"session": session})
            _, found = self.ask(f"/.sekisho/why?{query}")
            return Why(bool(found.get("cut")), read_reasons(found))
        return Why(cut=False, reasons=())

    def find(self, resource: str) -> tuple[str, str]:
        """Return the authority to CONNECT to for a resource's key or name, and its title."""
        query = urllib.parse.urlencode({"resource": resource})
        status, found = self.ask(f"/.sekisho/tunnel?{query}")
        if status != _OK or not found.get("authority"):
            raise TunnelError("the gate knows no destination “%(name)s”", name=resource)
        return str(found["authority"]), str(found.get("name", resource))


@dataclass(slots=True)
class Tunnel:
    """An open tunnel and the session it is in the gate's register."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    session: str

    async def close(self) -> None:
        """Close the connection to the gate."""
        self.writer.close()
        with contextlib.suppress(*_ENDED):
            await self.writer.wait_closed()


def make_device_context(folder: Path, ca_pem: str) -> ssl.SSLContext:
    """Return TLS that shows the device's certificate; raise TunnelError where that cannot be."""
    context = make_context(ca_pem)
    context.set_alpn_protocols(["http/1.1"])
    certificate, key = folder / CERTIFICATE, folder / KEY
    if certificate.is_file() and not key.is_file():
        raise TunnelError(
            "this device's key lies in a store of the system that tunnels cannot use yet; "
            "use apps in the browser, or ask for a device whose key is a file"
        )
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise TunnelError(
            "this device's certificate in %(folder)s cannot be used: %(why)s",
            folder=folder, why=error,
        ) from error  # fmt: skip
    return context


async def open_tunnel(link: GateLink, authority: str, credential: str) -> Tunnel:
    """Open a tunnel; raise SignInNeededError, RefusedError with the reasons, or TunnelError.

    asyncio sets TCP_NODELAY: with Nagle's algorithm opening took 45 ms instead of 2.
    """
    try:
        async with asyncio.timeout(SECONDS):
            reader, writer = await asyncio.open_connection(
                link.host, link.port, ssl=link.context, limit=_LONGEST_HEAD
            )
            try:
                return await _ask_through(link, authority, credential, reader, writer)
            except BaseException:
                writer.transport.abort()  # a farewell would wait for the gate
                raise
    except (*_ENDED, TimeoutError, asyncio.LimitOverrunError, ValueError) as error:
        raise TunnelError(
            "the gate %(host)s:%(port)s could not be reached: %(why)s",
            host=link.host, port=link.port, why=str(error) or type(error).__name__,
        ) from error  # fmt: skip


async def _ask_through(
    link: GateLink,
    authority: str,
    credential: str,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> Tunnel:
    """Ask for the tunnel on an open connection; raise what the answer says if it is no."""
    writer.write(
        f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n"
        f"Proxy-Authorization: Bearer {credential}\r\n"
        f"Accept-Language: {link.language}\r\n\r\n".encode("ascii")
    )
    status, headers = read_head(await reader.readuntil(b"\r\n\r\n"))
    if status == _OK:
        return Tunnel(reader, writer, headers.get("sekisho-session", ""))
    length = int(headers.get("content-length", "0") or 0)
    try:
        body = await reader.readexactly(min(max(length, 0), _LONGEST_ANSWER))
    except asyncio.IncompleteReadError as cut_off:
        body = cut_off.partial  # a refusal all the same
    raise refusal(status, body)


def read_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Read status and headers of an HTTP/1.1 answer; raise ValueError for anything else."""
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError(first[:80])
    pairs = (line.partition(":") for line in lines if line)
    return int(rest.split(" ")[0]), {name.lower(): value.strip() for name, _, value in pairs}


def refusal(status: int, body: bytes) -> TunnelError:
    """Return the error for an answer that is not 200."""
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        found = {}
    lines = Why(cut=False, reasons=read_reasons(found)).lines()
    if status == _NOT_SIGNED_IN:
        return SignInNeededError("the gate wants you to sign in")
    why = " / ".join(lines) or f"HTTP {status}"
    return RefusedError("the gate refuses: %(why)s", why=why)


def read_reasons(found: object) -> list[tuple[str, str]]:
    """Return the reasons of the gate's answer as pairs of text and fix."""
    reasons = found.get("reasons") if isinstance(found, dict) else None
    if not isinstance(reasons, list):
        return []
    return [
        (str(each.get("text", "")), str(each.get("fix", "")))
        for each in reasons
        if isinstance(each, dict)
    ]


async def relay(tunnel: Tunnel, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Carry bytes both ways until one side ends; tell whether the gate's side ended first."""
    up = asyncio.create_task(_copy(reader, tunnel.writer))
    down = asyncio.create_task(_copy(tunnel.reader, writer))
    done, _ = await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
    gate_first = down in done
    if not gate_first:  # what the other side still says is read to its end, but not for ever
        await asyncio.wait({down}, timeout=SECONDS)
    for task in (up, down):
        task.cancel()
    await asyncio.gather(up, down, return_exceptions=True)
    await tunnel.close()
    return gate_first


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(*_ENDED):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

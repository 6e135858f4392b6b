"""Goes to a desktop's host: reach it, agree on TLS, and look whether its certificate is the one.

A certificate is right if it is the pinned one, or, where none is pinned, if an authority vouches
for the host's name. Anything else is refused: nobody at a browser decides about that.
"""

import asyncio
import contextlib
import hashlib
import hmac
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from sekisho.server.desktop import x224
from sekisho.server.desktop.grants import Grant, Why

SECONDS = 10.0
_BUFFER = 256 * 1024
_ASK = x224.make_request(x224.NLA | x224.Protocols.TLS)


class RefusedError(Exception):
    """The way to the host does not open; ``shown`` is the digest of its certificate, if any."""

    def __init__(self, why: Why, detail: str = "", shown: str = "", answer: bytes = b"") -> None:
        super().__init__(why.value)
        self.why, self.detail, self.shown, self.answer = why, detail, shown, answer


@dataclass(frozen=True, slots=True)
class Line:
    """An open way to a host; ``certificate`` is DER, ``confirm`` the host's X.224 answer."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    certificate: bytes = b""
    confirm: bytes = b""

    @property
    def shown(self) -> str:
        """Return the digest of the host's certificate, "" without one."""
        return hashlib.sha256(self.certificate).hexdigest() if self.certificate else ""


async def dial_rdp(grant: Grant, request: bytes) -> Line:
    """Negotiate NLA with a host and start TLS; raise RefusedError."""
    reader, writer = await _reach(grant)
    try:
        async with _kept_if_it_opens(writer):
            confirm = await _negotiate(reader, writer, request)
            return await _secure(grant, reader, writer, confirm)
    except (OSError, EOFError, TimeoutError, x224.NotX224Error) as error:
        raise RefusedError(Why.UNREACHABLE, type(error).__name__) from error


async def dial_vnc(grant: Grant) -> Line:
    """Reach a VNC host, over TLS where the resource says so; raise RefusedError."""
    reader, writer = await _reach(grant)
    if not grant.tls:
        return Line(reader, writer)
    async with _kept_if_it_opens(writer):
        return await _secure(grant, reader, writer, b"")


@contextlib.asynccontextmanager
async def _kept_if_it_opens(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """Hang up where the block fails, whatever the reason: cancelled too."""
    try:
        yield
    except BaseException:
        await _hang_up(writer)
        raise


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    await asyncio.sleep(0)  # lets the socket close, also where nothing follows


async def _reach(grant: Grant) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        async with asyncio.timeout(SECONDS):
            return await asyncio.open_connection(grant.host, grant.port, limit=_BUFFER)
    except (OSError, TimeoutError) as error:
        raise RefusedError(Why.UNREACHABLE, type(error).__name__) from error


async def _negotiate(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> bytes:
    async with asyncio.timeout(SECONDS):
        writer.write(request)
        head = await reader.readexactly(x224.TPKT_HEAD)
        size = x224.tpkt_size(head)
        if size > x224.LONGEST:
            raise x224.NotX224Error("too long")
        answer = head + await reader.readexactly(size - len(head))
    confirmed = x224.read_confirm(answer)
    if not confirmed.chosen & x224.NLA:
        detail = f"chosen {int(confirmed.chosen)}, failure {confirmed.failure}"
        raise RefusedError(Why.NO_NLA, detail, answer=answer)
    return answer


async def _secure(
    grant: Grant, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, confirm: bytes
) -> Line:
    try:
        async with asyncio.timeout(SECONDS):
            await writer.start_tls(make_context(grant), server_hostname=grant.name or grant.host)
    except ssl.SSLCertVerificationError as error:
        shown = await look_at_certificate(grant, confirmed=bool(confirm))
        raise RefusedError(Why.CERTIFICATE_UNKNOWN, error.verify_message, shown) from error
    except (OSError, TimeoutError) as error:
        raise RefusedError(Why.NO_TLS, type(error).__name__) from error
    held = writer.get_extra_info("ssl_object").getpeercert(binary_form=True) or b""
    line = Line(reader, writer, held, confirm)
    if grant.pin and not hmac.compare_digest(line.shown, grant.pin):
        raise RefusedError(Why.CERTIFICATE_CHANGED, shown=line.shown)
    return line


def make_context(grant: Grant) -> ssl.SSLContext:
    """Return TLS that verifies the host, or none where the pin does that afterwards."""
    return _blind() if grant.pin else _trusting(grant.ca_pem)


@lru_cache(maxsize=64)
def _trusting(ca_pem: str) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=ca_pem or None)


@lru_cache(maxsize=1)
def _blind() -> ssl.SSLContext:
    """Return TLS that takes any certificate: who uses it looks at the certificate itself."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


async def look_at_certificate(grant: Grant, *, confirmed: bool) -> str:
    """Return the digest of what a host shows to anybody, "" if it cannot be seen."""
    try:
        held = await _fetch(grant, negotiates=confirmed)
    except RefusedError:
        return ""
    return hashlib.sha256(held).hexdigest()


@dataclass(frozen=True, slots=True)
class Seen:
    """A host's certificate (DER), and why no authority vouches for it ("" = one does)."""

    certificate: bytes
    doubt: str

    @property
    def digest(self) -> str:
        """Return its SHA-256 in hex."""
        return hashlib.sha256(self.certificate).hexdigest()


async def inspect(grant: Grant) -> Seen:
    """See what a host shows, for whoever is to confirm it; raise RefusedError if that fails."""
    held, doubt = await _fetch(grant, negotiates=grant.kind == "rdp"), ""
    unpinned = msgspec.structs.replace(grant, pin="", tls=True)
    try:
        dialled = dial_rdp(unpinned, _ASK) if grant.kind == "rdp" else dial_vnc(unpinned)
        await _hang_up((await dialled).writer)
    except RefusedError as refused:
        doubt = refused.detail or refused.why.value
    return Seen(held, doubt)


async def _fetch(grant: Grant, *, negotiates: bool) -> bytes:
    """Return what a host shows to anybody (DER); raise RefusedError."""
    reader, writer = await _reach(grant)
    try:
        async with asyncio.timeout(SECONDS):
            if negotiates:
                await _negotiate(reader, writer, _ASK)
            await writer.start_tls(_blind())
            held = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    except (OSError, EOFError, TimeoutError, x224.NotX224Error) as error:
        raise RefusedError(Why.NO_TLS, type(error).__name__) from error
    finally:
        await _hang_up(writer)
    if not held:
        raise RefusedError(Why.NO_TLS)
    return bytes(held)

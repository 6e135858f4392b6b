"""The way to the server: JSON over HTTPS with the kit's authorities, one retry, bounds.

Source: osquery 5.23's TLS transport (16 s a request, keep-alive, one retry on a reused socket that
the server closed, ``Authorization: NodeKey``, CONNECT proxies). Certificate and host-name checks
are never off. Where the kit says that the server's name may have a public certificate, this
computer's own authorities are asked too, but only after the kit's did not do: so neither a
renewal nor a change between the organisation's authority and a public one cuts a device off.
Unlike osqueryd an HTTP error status is a failure even with an empty body: nothing
undelivered may be deleted.
"""

import contextlib
import http.client
import json
import ssl
import sys
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from sekisho.agent.builtin import AGENT_VERSION
from sekisho.agent.errors import AgentError
from sekisho.agent.tables import commands
from sekisho.wire.errors import MessageError, words
from sekisho.wire.osquery import ServerRefusedError, parse_reply

TIMEOUT_SECONDS = 16.0
MAX_REPLY_BYTES = 8 * 1024 * 1024
_CHUNK = 64 * 1024
_OK = range(200, 300)
_MACOS_ROOTS = "/System/Library/Keychains/SystemRootCertificates.keychain"


class LinkError(AgentError):
    """The server could not be reached or did not answer properly; try again later."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server is: ``server_url`` (https://host[:port]), PEM, proxy host:port or "".

    ``language`` is that of the person who waits for the answer, "" when nobody does.
    ``public_trust`` is the kit's.
    """

    server_url: str
    ca_pem: str
    proxy: str = ""
    language: str = ""
    public_trust: bool = False


class Link:
    """One keep-alive connection to one server."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._connection: http.client.HTTPSConnection | None = None
        self._context = make_context(address.ca_pem)
        self._may_ask_public = address.public_trust

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def post(
        self, path: str, body: Mapping[str, object], *, node_key: str = "", compress: bool = False
    ) -> dict[str, object]:
        """Send JSON and return the judged reply.

        Raises ``LinkError`` (try again), ``ServerRefusedError`` or ``NodeInvalidError``.
        """
        payload = json.dumps(body, separators=(",", ":")).encode()
        headers = _headers(node_key, self._address.language, compress=compress)
        data = _gzip(payload) if compress else payload
        status, reply = self._send_with_retry(path, data, headers)
        try:
            parsed = parse_reply(reply, path)
        except MessageError as error:
            raise LinkError("HTTP %(status)s: %(why)s", status=status, why=error) from error
        if status not in _OK:
            raise ServerRefusedError(
                "the server answered %(path)s with HTTP %(status)s", path=path, status=status
            )
        return parsed

    def _send_with_retry(
        self, path: str, data: bytes, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        """Send once; a reused socket that the server has closed is replaced once."""
        was_open = self._connection is not None
        try:
            return self._send(path, data, headers)
        except ssl.SSLCertVerificationError as error:
            self.close()
            if not self._may_ask_public:
                raise _explain(error, self._address.server_url) from error
            self._may_ask_public, was_open = False, True
            trust_public(self._context)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not was_open or isinstance(error, TimeoutError):
                raise _explain(error, self._address.server_url) from error
        try:
            return self._send(path, data, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise _explain(error, self._address.server_url) from error

    def _send(self, path: str, data: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        connection = self._connection or self._open()
        self._connection = connection
        self._limit(deadline)
        connection.request("POST", path, data, dict(headers))
        response = connection.getresponse()
        reply = self._read(response, deadline)
        if response.will_close:
            self.close()
        return response.status, reply

    def _read(self, response: http.client.HTTPResponse, deadline: float) -> bytes:
        parts: list[bytes] = []
        size = 0
        while chunk := response.read(_CHUNK):
            parts.append(chunk)
            size += len(chunk)
            if size > MAX_REPLY_BYTES:
                self.close()
                raise LinkError(
                    "the reply has more than %(n)s bytes; it was dropped", n=MAX_REPLY_BYTES
                )
            self._limit(deadline)
        return b"".join(parts)

    def _limit(self, deadline: float) -> None:
        """Give the socket what is left of the request's 16 seconds."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"no whole answer within {TIMEOUT_SECONDS:g} seconds")
        connection = self._connection
        if connection is not None and connection.sock is not None:
            connection.sock.settimeout(left)

    def _open(self) -> http.client.HTTPSConnection:
        host, port = _host_port(self._address.server_url)
        if not self._address.proxy:
            return http.client.HTTPSConnection(
                host, port, context=self._context, timeout=TIMEOUT_SECONDS
            )
        proxy_host, proxy_port = _host_port(f"//{self._address.proxy}", 8080)
        connection = http.client.HTTPSConnection(
            proxy_host, proxy_port, context=self._context, timeout=TIMEOUT_SECONDS
        )
        connection.set_tunnel(host, port)
        return connection


def trust_public(context: ssl.SSLContext) -> None:
    """Trust this computer's own authorities as well."""
    context.load_default_certs()
    if sys.platform == "darwin":
        # Python's OpenSSL does not see the keychain; these are the roots that macOS ships.
        said = commands.run(["/usr/bin/security", "find-certificate", "-a", "-p", _MACOS_ROOTS])
        if said.code == 0 and said.text:
            context.load_verify_locations(cadata=said.text)


def make_context(ca_pem: str) -> ssl.SSLContext:
    """Trust the kit's authorities and nobody else; TLS 1.2 or newer, names checked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A kit may name an intermediate authority without the root above it (OpenSSL's PARTIAL_CHAIN).
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(cadata=ca_pem)
    except (ssl.SSLError, ValueError) as error:
        raise LinkError("the kit's certificates cannot be read: %(why)s", why=error) from error
    return context


def _gzip(payload: bytes) -> bytes:
    """Compress in the gzip format (RFC 1952) with little memory of its own."""
    packer = zlib.compressobj(6, zlib.DEFLATED, zlib.MAX_WBITS | 16, memLevel=5)
    return packer.compress(payload) + packer.flush()


def _headers(node_key: str, language: str, *, compress: bool) -> dict[str, str]:
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": AGENT_VERSION,
    }
    if node_key:
        headers["Authorization"] = f"NodeKey {node_key}"
    if language:
        headers["Accept-Language"] = language
    if compress:
        headers["Content-Encoding"] = "gzip"
    return headers


def _host_port(url: str, fallback: int = 443) -> tuple[str, int]:
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        if parts.hostname:
            return parts.hostname, parts.port or fallback
    raise LinkError("%(got)r is not an address; expected host or host:port", got=url)


def _explain(error: Exception, server: str) -> LinkError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return LinkError(
            "%(server)s showed a certificate that the kit does not trust (%(why)s); "
            "ask for a new kit",
            server=server,
            why=words(error.verify_message),
        )
    if isinstance(error, TimeoutError):
        return LinkError(
            "%(server)s did not answer within %(n)s seconds", server=server, n=int(TIMEOUT_SECONDS)
        )
    reason = error.strerror if isinstance(error, OSError) else None
    why = words(reason or str(error) or type(error).__name__)
    return LinkError("%(server)s could not be reached (%(why)s)", server=server, why=why)

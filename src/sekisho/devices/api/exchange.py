"""One request of osquery's API and its reply: limits, who asks, and every error in JSON."""

import asyncio
import gzip
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response
from litestar.enums import MediaType

from sekisho.devices import bodies, protocol
from sekisho.devices.desk import Desk, Node
from sekisho.devices.service import enrolment
from sekisho.kernel.errors import InvalidInputError, SekishoError, UnavailableError
from sekisho.kernel.i18n import Text, msg, preferred_language, translate
from sekisho.kernel.ids import digest_token

_IN_THREAD = 256 << 10  # bodies above this many bytes are not decoded on the event loop
_GZIP_IN_THREAD = 4 << 10  # the same for gzip: 4 KiB can become 4 MiB at most (RFC 1951)
_WORTH_PACKING = 2 << 10  # replies from this many bytes on are compressed for who asks for it
_SCHEME = "NodeKey "
_logger = logging.getLogger(__name__)
_encode = msgspec.json.Encoder(order="sorted").encode

AnyRequest = Request[Any, Any, Any]
T = TypeVar("T")

_LIMITS: dict[type, int] = {
    protocol.LogRequest: bodies.LARGE_BODY,
    protocol.WriteRequest: bodies.LARGE_BODY,
    protocol.CarveBlock: bodies.BLOCK_BODY,
}


class UnknownNodeError(Exception):
    """The node key is unknown or has ended: the only reason to say ``node_invalid``."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One request, freed of any framework: its headers, its sender, and its body as it comes.

    ``headers`` have lower-case names; of one that is sent twice, the first.
    """

    headers: Mapping[bytes, bytes]
    address: str
    parts: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back: JSON, which is never empty."""

    body: bytes
    status: int = 200
    packed: bool = False


class Exchange:
    """One request: its desk, where it comes from, and what it says."""

    def __init__(self, desk: Desk, incoming: Incoming) -> None:
        self.desk = desk
        self.address = incoming.address
        self.digest = b""
        self._headers = incoming.headers
        self._parts = incoming.parts
        self._holds_slot = False

    def header(self, name: bytes) -> str:
        """Return a header by its name in lower case, "" without one."""
        return self._headers.get(name, b"").decode("latin-1")

    async def read(self, kind: type[T]) -> T:
        """Read and decode the body; raise TooLargeError or InvalidInputError."""
        limit = _LIMITS.get(kind, bodies.SMALL_BODY)
        body = await self._receive(limit)
        encoding = self.header(b"content-encoding").strip().lower()
        if encoding not in {"identity", "gzip", ""}:
            raise InvalidInputError(
                msg("The body is encoded as %(got)s; gzip or nothing is expected.",
                    got=protocol.clean_text(encoding, 40))
            )  # fmt: skip
        packed = encoding == "gzip"
        decode = _decode_gzip if packed else _decode_plain
        if len(body) > (_GZIP_IN_THREAD if packed else _IN_THREAD):
            self.digest, message = await asyncio.to_thread(decode, body, kind, limit)
        else:
            self.digest, message = decode(body, kind, limit)
        return message

    async def authenticate(self, message: Any) -> Node:
        """Return the device that asks; raise UnknownNodeError if nobody has this node key."""
        node_key = self._node_key(message.node_key)
        node = self.desk.recall(node_key) if node_key else None
        if node is None:
            node = await self._look_up(node_key)
        self.desk.note_seen(node, self.address)
        return node

    def header_key(self) -> str:
        """Return the node key of ``Authorization: NodeKey …`` (osquery 5.23), "" without one."""
        header = self.header(b"authorization")
        return header[len(_SCHEME) :].strip() if header.startswith(_SCHEME) else ""

    def accepts_gzip(self) -> bool:
        """Tell whether the client takes gzip (osquery 5.21 with ``--tls_accept_gzip``)."""
        accepted = self.header(b"accept-encoding")
        return "gzip" in {part.strip() for part in accepted.split(",")}

    def invalid(self, reason: Text) -> bytes:
        """Return the reply that makes a client enrol again."""
        return _encode({"error": str(reason), "node_invalid": True})

    def release(self) -> None:
        """Give back the place that a large body took."""
        if self._holds_slot:
            self._holds_slot = False
            self.desk.large_bodies.release()

    def _node_key(self, told: str) -> str:
        header = self.header_key()
        if header and told and header != told:
            raise InvalidInputError(
                msg("The node keys in the body and in Authorization differ."),
                hint=msg("Send one and the same node key in both places."),
            )
        return told or header

    async def _look_up(self, node_key: str) -> Node:
        found = await asyncio.to_thread(self.desk.find, node_key) if node_key else None
        if found is None:
            raise UnknownNodeError
        digest = digest_token(node_key)
        confirmed = await self.desk.writer.write(lambda tx: enrolment.confirm_key(tx, digest))
        if confirmed is None:
            raise UnknownNodeError
        return self.desk.learn_key(digest, *confirmed)

    async def _receive(self, limit: int) -> bytes:
        told = protocol.read_integer(self.header(b"content-length"), 0, 1 << 62) or 0
        if told > limit + bodies.DRAIN:
            raise bodies.too_large(told, limit)
        parts: list[bytes] = []
        size = 0
        async for part in self._parts:
            size += len(part)
            if size > limit + bodies.DRAIN:
                break
            if size > limit or told > limit:
                parts.clear()  # read on without keeping it, so that the client hears the answer
                continue
            if size > bodies.SMALL_BODY:
                self._take_slot()
            parts.append(part)
        if size > limit:
            raise bodies.too_large(size, limit)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _take_slot(self) -> None:
        if self._holds_slot:
            return
        if not self.desk.large_bodies.acquire(blocking=False):
            raise UnavailableError(
                msg("busy: too many large bodies at the same time."),
                hint=msg("Keep the results and send them again; nothing was taken."),
            )
        self._holds_slot = True


def _decode_gzip(body: bytes, kind: type[T], limit: int) -> tuple[bytes, T]:
    return _decode_plain(bodies.decompress_gzip(body, limit), kind, limit)


def _decode_plain(body: bytes, kind: type[T], _limit: int) -> tuple[bytes, T]:
    return hashlib.blake2b(body, digest_size=16).digest(), protocol.decode(body, kind)


Act = Callable[[Exchange], Awaitable[bytes]]
"""What one address does: an exchange in, the reply's JSON out; raises the kernel's errors."""


async def answer(exchange: Exchange, act: Act) -> Reply:
    """Run one exchange; whatever goes wrong becomes a reply that a client understands."""
    try:
        body = await act(exchange)
        packs = len(body) >= _WORTH_PACKING and exchange.accepts_gzip()
        return Reply(_pack(body), packed=True) if packs else Reply(body)
    except UnknownNodeError:
        return Reply(exchange.invalid(msg("this node key is not known here; enrol again")))
    except SekishoError as error:
        return _failed(error, preferred_language(exchange.header(b"accept-language"), "en"))
    except Exception:
        _logger.exception("devices: a request failed")
        internal = msg("The server failed; keep the data and send it again.")
        return Reply(_encode({"error": str(internal)}))
    finally:
        exchange.release()


async def guarded(request: AnyRequest, act: Act) -> Response[bytes]:
    """Run one exchange that came through the framework."""
    return respond(await answer(open_exchange(request), act))


def open_exchange(request: AnyRequest) -> Exchange:
    """Make an exchange of a request that came through the framework."""
    client = request.client
    incoming = Incoming(
        first_headers(request.scope["headers"]),
        client.host if client is not None else "",
        request.stream(),
    )
    return Exchange(request.app.state["desk"], incoming)


def first_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return headers by their names in lower case; of one that is sent twice, the first."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        found.setdefault(name.lower(), value)
    return found


def respond(reply: Reply) -> Response[bytes]:
    """Make the framework's response of a reply."""
    response = Response(reply.body, status_code=reply.status, media_type=MediaType.JSON)
    if reply.packed:
        response.headers["Content-Encoding"] = "gzip"
    return response


@lru_cache(maxsize=32)
def _pack(body: bytes) -> bytes:
    """Compress a reply once: every device of a kind gets the same config."""
    return gzip.compress(body, mtime=0)


def _failed(error: SekishoError, language: str) -> Reply:
    """Say the error; our agent asks for its person's language, osquery for none (English)."""
    said = (translate(error.message, language), translate(error.hint, language))
    body = {"error": " ".join(said).strip()}
    return Reply(_encode(body), error.status if error.status in {400, 413} else 200)

"""The little of HTTP/1.1 that stands behind Envoy on Unix sockets: one request a connection."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

_LONGEST_LINE = 8192
_MOST_LINES = 200
_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Head:
    """What was asked; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Said:
    """An answer."""

    body: bytes
    status: int = HTTPStatus.OK
    kind: str = "text/html; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = Callable[[Head], Awaitable[Said]]


@contextlib.asynccontextmanager
async def serve_local(path: Path, answer: Answer) -> AsyncIterator[None]:
    """Answer at a Unix socket while the block runs."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            async with asyncio.timeout(_SECONDS):
                writer.write(_write(await answer(await read_head(reader))))
                await writer.drain()
        writer.close()

    await asyncio.to_thread(path.unlink, missing_ok=True)
    server = await asyncio.start_unix_server(serve, path, limit=_LONGEST_LINE)
    try:
        yield
    finally:
        server.close()


async def read_head(reader: asyncio.StreamReader) -> Head:
    """Read a request's head; raise ValueError or IncompleteReadError for what is none."""
    method, path, _ = (await _line(reader)).split(" ", 2)
    headers: dict[str, str] = {}
    for _ in range(_MOST_LINES):
        line = await _line(reader)
        if not line:
            return Head(method, path, headers)
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    raise ValueError("too many headers")


async def _line(reader: asyncio.StreamReader) -> str:
    try:
        return (await reader.readuntil(b"\r\n")).decode("latin-1").strip()
    except asyncio.LimitOverrunError as error:
        raise ValueError("a line is too long") from error


def _write(said: Said) -> bytes:
    told = {
        "content-type": said.kind, "cache-control": "no-store", "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer", **said.headers,
        "connection": "close", "content-length": str(len(said.body)),
    }  # fmt: skip
    status = HTTPStatus(said.status)
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{n}: {v}" for n, v in told.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + said.body

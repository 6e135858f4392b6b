"""A small app to see the gate work with: it shows what an app behind the gate is told."""

import asyncio
import contextlib
import html
from collections.abc import AsyncIterator
from pathlib import Path

from sekisho.kernel.i18n import Text, msg, preferred_language, translate
from sekisho.server.gate.plan import IDENTITY_PREFIX

_LONGEST_LINE = 8192
_MOST_LINES = 200
_SECONDS = 30

_TITLE = msg("You came through the gate")
_TEXT = msg(
    "This small app stands behind the gate and was told the following about you. Only the gate "
    "can say so: whatever a browser claims in these headers is taken off."
)
_TRY = msg("Break a rule on your device or sign out in the portal, and load this page again.")


@contextlib.asynccontextmanager
async def serve_sample(path: Path) -> AsyncIterator[None]:
    """Serve the sample at a Unix socket while the block runs."""
    await asyncio.to_thread(path.unlink, missing_ok=True)
    server = await asyncio.start_unix_server(_serve, path, limit=_LONGEST_LINE)
    try:
        yield
    finally:
        server.close()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
        async with asyncio.timeout(_SECONDS):
            headers = await _read_head(reader)
            body = make_page(headers).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\n"
                b"content-security-policy: default-src 'none'; style-src 'self'\r\n"
                b"cache-control: no-store\r\nconnection: close\r\n"
                b"content-length: %d\r\n\r\n%b" % (len(body), body)
            )
            await writer.drain()
    writer.close()


async def _read_head(reader: asyncio.StreamReader) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(_MOST_LINES):
        line = (await reader.readuntil(b"\r\n")).decode("latin-1").strip()
        if not line:
            break
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return headers


def make_page(headers: dict[str, str]) -> str:
    """Return the page for a request with these headers."""
    language = preferred_language(headers.get("accept-language", ""))
    shown = sorted((n, v) for n, v in headers.items() if n.startswith(IDENTITY_PREFIX))
    rows = "".join(
        f"<section><h2>{html.escape(name)}</h2><p>{html.escape(value)}</p></section>"
        for name, value in shown
    )

    def say(text: Text) -> str:
        return html.escape(translate(text, language))

    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{say(_TITLE)}</title>"
        '<link rel="stylesheet" href="/.sekisho/style.css"></head><body><main>'
        f'<p class="mark">関所</p><h1>{say(_TITLE)}</h1><p class="what">{say(_TEXT)}</p>{rows}'
        f'<p class="foot">{say(_TRY)}</p></main></body></html>'
    )

"""The relay of desktops: a small process of its own between Envoy and the hosts.

The gate starts it for the first desktop that somebody opens, tells it grants on its standard input
and hears from its standard output what happened. It ends with the gate. It has no database, no key
and no list of targets. Run as ``python -m sekisho.server.desktop.relay``.
"""

import asyncio
import contextlib
import os
import sys
import urllib.parse
from pathlib import Path

import msgspec

from sekisho.server.desktop import cleanpath, der, dial, x224
from sekisho.server.desktop import websocket as ws
from sekisho.server.desktop.browser import Browser, NotForUsError, greet
from sekisho.server.desktop.dial import Line, RefusedError
from sekisho.server.desktop.filters import Filter, ViolationError
from sekisho.server.desktop.grants import Event, Grant, Grants, Why
from sekisho.server.desktop.rdp import RdpFilter
from sekisho.server.desktop.rfb import RfbFilter

SOCKET = "relay.sock"
_PIECE = 64 * 1024
_ASK_SECONDS = 10.0
_PING_SECONDS, _SILENT_SECONDS = 45.0, 150.0
_FORBIDDEN, _BAD_GATEWAY = 403, 502


class Relay:
    """Serves browsers with what the gate has granted."""

    def __init__(self, grants: Grants) -> None:
        self.grants = grants

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of Envoy from its first byte to its last."""
        try:
            browser = await greet(reader, writer)
        except (NotForUsError, ws.NotWebSocketError, OSError, EOFError, TimeoutError):
            writer.close()
            return
        try:
            await self._serve(browser)
        except (OSError, EOFError, TimeoutError, ws.NotWebSocketError):
            tell(Event(kind="ended", session=browser.session, granted=browser.granted,
                       why=Why.MALFORMED))  # fmt: skip
        finally:
            await browser.close(Why.CLOSED)

    async def _serve(self, browser: Browser) -> None:
        query = dict(urllib.parse.parse_qsl(browser.query))
        try:
            if "ticket" in query:
                grant = self._take(query["ticket"], browser, "vnc")
                line = await dial.dial_vnc(grant)
            else:
                grant, line = await self._open_rdp(browser)
        except RefusedError as refused:
            tell(Event(kind="ended", session=browser.session, granted=browser.granted,
                       why=refused.why, shown=refused.shown, detail=refused.detail))  # fmt: skip
            await browser.close(refused.why)
            return
        tell(Event(kind="opened", session=browser.session, granted=True, shown=line.shown))
        await join(browser, line, _make_filter(grant.kind, query.get("keys", "")))

    def _take(self, ticket: str, browser: Browser, kind: str) -> Grant:
        grant = self.grants.take(ticket, browser.session, kind)
        if grant is None:
            raise RefusedError(Why.NO_TICKET)
        browser.granted = True
        return grant

    async def _open_rdp(self, browser: Browser) -> tuple[Grant, Line]:
        async with asyncio.timeout(_ASK_SECONDS):
            message = await browser.read_message(cleanpath.LONGEST)
        try:
            asked = cleanpath.read_request(message)
            wanted = x224.read_request(asked.x224)
        except (der.NotDerError, x224.NotX224Error) as error:
            browser.send(cleanpath.write_refusal(_FORBIDDEN))
            raise RefusedError(Why.MALFORMED, str(error)) from error
        try:
            grant = self._take(asked.ticket, browser, "rdp")
            # Made anew: a cookie or routing token of the browser's would choose a host there.
            line = await dial.dial_rdp(grant, x224.make_request(wanted & ~x224.Protocols.RDSTLS))
        except RefusedError as refused:
            browser.send(_refusal(refused))
            raise
        browser.send(cleanpath.write_answer(line.confirm, [line.certificate], grant.name))
        return grant, line


def _make_filter(kind: str, keys: str) -> Filter:
    return RdpFilter(keys) if kind == "rdp" else RfbFilter()


def _refusal(refused: RefusedError) -> bytes:
    if refused.answer:
        return cleanpath.write_no_negotiation(refused.answer)
    return cleanpath.write_refusal(_FORBIDDEN if refused.why is Why.NO_TICKET else _BAD_GATEWAY)


async def join(browser: Browser, line: Line, rules: Filter) -> None:
    """Carry bytes both ways through the filter until either end is done."""
    counted = _Counted()
    tasks = {
        asyncio.create_task(_carry_up(browser, line, rules, counted)),
        asyncio.create_task(_carry_down(browser, line, rules, counted)),
        asyncio.create_task(_keep_alive(browser)),
    }
    done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    error = next((e for task in done if (e := task.exception())), None)
    why, detail = Why.CLOSED if rules.begun else Why.NOT_SIGNED_IN, rules.done
    if isinstance(error, ViolationError):
        why, detail = error.why, str(error)
    elif isinstance(error, ws.NotWebSocketError):
        why, detail = Why.MALFORMED, str(error)
    line.writer.close()
    tell(Event(kind="ended", session=browser.session, granted=True, why=why, detail=detail,
               shown=line.shown, up=counted.up, down=counted.down))  # fmt: skip
    await browser.close(why)


class _Counted:
    def __init__(self) -> None:
        self.up = self.down = 0


async def _carry_up(browser: Browser, line: Line, rules: Filter, counted: _Counted) -> None:
    while (data := await browser.read()) is not None:
        to_host, to_browser = rules.from_browser(data)
        counted.up += len(to_host)
        if to_browser:
            browser.send(to_browser)
        if to_host:
            line.writer.write(to_host)
            await line.writer.drain()


async def _carry_down(browser: Browser, line: Line, rules: Filter, counted: _Counted) -> None:
    while data := await line.reader.read(_PIECE):
        to_host, to_browser = rules.from_host(data)
        counted.down += len(to_browser)
        if to_host:
            line.writer.write(to_host)
        if to_browser:
            browser.send(to_browser)
            await browser.drain()


async def _keep_alive(browser: Browser) -> None:
    """Ask now and then whether the browser is there; return once it has not answered.

    A still desktop is no dead one, and Envoy would end what is silent for minutes.
    """
    while browser.was_heard_within(_SILENT_SECONDS):
        browser.ping()
        await asyncio.sleep(_PING_SECONDS)


def tell(event: Event) -> None:
    """Tell the gate what happened."""
    with contextlib.suppress(OSError):
        os.write(sys.stdout.fileno(), msgspec.json.encode(event) + b"\n")


async def _hear(grants: Grants) -> None:
    """Take grants from the gate until it closes its end."""
    reader = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        grants.add(msgspec.json.decode(line, type=Grant))
        tell(Event(kind="ready"))


async def main() -> None:
    """Serve until the gate closes our standard input."""
    grants = Grants()
    Path(SOCKET).unlink(missing_ok=True)  # noqa: ASYNC240 - nothing else runs yet
    server = await asyncio.start_unix_server(Relay(grants).serve, SOCKET, limit=4 * _PIECE)
    async with server:
        await _hear(grants)


if __name__ == "__main__":
    asyncio.run(main())

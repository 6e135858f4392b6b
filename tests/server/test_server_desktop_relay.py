"""The relay as a process: what opens a desktop, what does not, and how it ends with the reason."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from sekisho.server.desktop.grants import Why
from support import rdp_packets as rdp
from support.desktop_line import PICTURE, Browser, Host, Relay

pytestmark = pytest.mark.skipif(not hasattr(asyncio, "open_unix_connection"), reason="Unix sockets")


@contextlib.asynccontextmanager
async def _line(folder: Path) -> AsyncIterator[tuple[Relay, Host, int]]:
    host = Host(folder)
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
    relay = await Relay.start()
    try:
        yield relay, host, server.sockets[0].getsockname()[1]
    finally:
        await relay.stop()
        server.close()


def _run(folder: Path, work: Callable[[Relay, Host, int], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(60), _line(folder) as (relay, host, port):
            await work(relay, host, port)
            await asyncio.sleep(0.05)

    asyncio.run(run())


async def _refused(relay: Relay, ticket: str, session: str = "acs_1") -> Why:
    browser = await Browser.connect(session=session)
    answer = await browser.ask(ticket)
    browser.close()
    assert answer[:1] == b"\x30"
    return (await relay.hear("ended")).why


@pytest.fixture(autouse=True)
def _there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the relay's socket lies in the folder where it is started


def test_a_ticket_opens_one_desktop_of_its_own_session_and_the_end_is_told(
    tmp_path: Path,
) -> None:
    async def work(relay: Relay, host: Host, port: int) -> None:
        stolen = await relay.grant(host, port)
        assert await _refused(relay, "no such ticket") is Why.NO_TICKET
        assert await _refused(relay, stolen.ticket, "acs_2") is Why.NO_TICKET
        assert await _refused(relay, stolen.ticket) is Why.NO_TICKET  # taken by the attempt
        old = await relay.grant(host, port, ends=1.0)
        assert await _refused(relay, old.ticket) is Why.NO_TICKET
        other = await relay.grant(host, port, kind="vnc")
        assert await _refused(relay, other.ticket) is Why.NO_TICKET

        host.packets = 3
        grant = await relay.grant(host, port)
        browser = await Browser.connect()
        await browser.ask(grant.ticket)
        assert (await relay.hear("opened")).shown == host.pin
        browser.send(rdp.initial(["cliprdr", "drdynvc"]))
        got = b""
        while len(got) < 3 * len(PICTURE):
            got += await browser.read()
        assert got.endswith(PICTURE * 3)
        assert b"drdynvc" in host.got
        assert b"cliprdr" not in host.got
        assert await _refused(relay, grant.ticket) is Why.NO_TICKET
        browser.send(rdp.join(1005))
        assert (await browser.read()).endswith(b"channel")
        ended = await relay.hear("ended")
        assert (ended.why, ended.session) == (Why.CHANNEL, "acs_1")
        assert ended.down >= 3 * len(PICTURE)
        browser.close()

    _run(tmp_path, work)


def test_a_certificate_that_nobody_confirmed_or_that_changed_opens_nothing(tmp_path: Path) -> None:
    async def work(relay: Relay, host: Host, port: int) -> None:
        unknown = await relay.grant(host, port, pin="")
        assert await _refused(relay, unknown.ticket) is Why.CERTIFICATE_UNKNOWN
        assert relay.events[-1].shown == host.pin
        changed = await relay.grant(host, port, pin="0" * 64)
        assert await _refused(relay, changed.ticket) is Why.CERTIFICATE_CHANGED
        assert relay.events[-1].shown == host.pin
        assert host.got == b""
        nobody = await relay.grant(host, 1)
        assert await _refused(relay, nobody.ticket) is Why.UNREACHABLE

    _run(tmp_path, work)


def test_other_pages_and_strangers_get_no_handshake(tmp_path: Path) -> None:
    async def work(relay: Relay, host: Host, port: int) -> None:
        await relay.grant(host, port)
        for origin, session in (("https://evil", "acs_1"), ("https://a", ""), ("null", "acs_1")):
            with pytest.raises(EOFError):
                await Browser.connect(origin=origin, session=session)
        browser = await Browser.connect()
        browser.send(b"\x30\x80" + bytes(40))
        assert (await browser.read())[:1] == b"\x30"
        assert (await relay.hear("ended")).why is Why.MALFORMED
        browser.close()

    _run(tmp_path, work)

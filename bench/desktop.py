"""The relay of desktops: what its filter costs beside a relay that lets everything through.

Run: ``python -m bench.desktop [--megabytes N] [--sessions N]``. The host is made up: it negotiates
NLA, starts TLS and then sends pictures on the fast path as fast as they are taken. CPU is that of
the relay's own process.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from bench.house import describe_machine

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))

from support import rdp_packets as rdp
from support.desktop_line import PICTURE, Browser, Host, Relay

_BARE = (
    "import asyncio; from sekisho.server.desktop import filters, relay; "
    "relay._make_filter = lambda kind, keys: filters.Bare(); asyncio.run(relay.main())"
)


async def _open(relay: Relay, host: Host, port: int) -> Browser:
    grant = await relay.grant(host, port)
    browser = await Browser.connect()
    await browser.ask(grant.ticket)
    browser.send(rdp.initial(["drdynvc"]))
    return browser


async def _transfer(name: str, host: Host, port: int, megabytes: int, *arguments: str) -> None:
    relay = await Relay.start(*arguments)
    host.packets = (megabytes << 20) // len(PICTURE)
    before, began, got = sum(relay.measured.cpu_times()[:2]), time.monotonic(), 0
    browser = await _open(relay, host, port)
    while got < host.packets * len(PICTURE):
        got += len(await browser.read())
    took = time.monotonic() - began
    spent = sum(relay.measured.cpu_times()[:2]) - before
    print(f"{name}: {1000 * spent / megabytes:.2f} ms CPU a MiB, {megabytes / took:.0f} MiB/s")
    browser.close()
    await relay.stop()


async def _hold(host: Host, port: int, sessions: int) -> None:
    relay = await Relay.start()
    host.packets = 1
    held = [await _open(relay, host, port)]
    before = relay.measured.memory_full_info().uss
    held += [await _open(relay, host, port) for _ in range(sessions)]
    await asyncio.sleep(1)
    grown = (relay.measured.memory_full_info().uss - before) / sessions
    print(f"relay at rest: {before >> 20} MiB of its own; {grown / 1024:.0f} KiB a session")
    for browser in held:
        browser.close()
    await relay.stop()


async def _run(megabytes: int, sessions: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        host = Host(Path(folder))
        server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        for _ in range(2):
            await _transfer("filtered", host, port, megabytes)
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

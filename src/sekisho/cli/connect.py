"""``sekisho connect RESOURCE``: a TCP tunnel through the gate, at a local port or on stdio.

For SSH: ``ssh -o ProxyCommand='sekisho connect %h --stdio' HOST``. For a remote desktop:
``sekisho connect RESOURCE --port 13389``, then connect to 127.0.0.1:13389.
"""

import argparse
import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sekisho.cli.agent import find_folder, guard, open_state, terminal_language, terminal_text

if TYPE_CHECKING:
    from sekisho.agent.tunnel import GateLink, Tunnel

_RDP_PORT = "3389"
_RETRY_SECONDS = 5.0


def add_parser(nouns: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the noun ``connect``."""
    parser = nouns.add_parser("connect", help="a TCP tunnel through the gate")
    parser.add_argument("resource", metavar="RESOURCE", help="its key, or HOST or HOST:PORT")
    parser.add_argument("--port", type=int, default=0, metavar="N",
                        help="the local port (default: any free one)")  # fmt: skip
    parser.add_argument("--stdio", action="store_true",
                        help="carry standard input and output (for ssh)")  # fmt: skip
    parser.add_argument("--gate", default="", metavar="HOST:PORT", help="another gate")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument("--state", type=Path, metavar="DIR", help="where the agent remembers")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument("--language", choices=("ja", "en"), default="")
    parser.set_defaults(run=lambda arguments: guard(connect, arguments))


@dataclass(slots=True)
class Way:
    """Everything that a tunnel needs: the gate, the destination, the person's credential."""

    arguments: argparse.Namespace
    link: "GateLink"
    portal: str
    folder: Path
    authority: str
    name: str
    credential: str

    async def open(self) -> "Tunnel":
        """Open a tunnel; sign in first where the gate wants that."""
        from sekisho.agent import signing_in, tunnel  # noqa: PLC0415 - only for this noun

        try:
            return await tunnel.open_tunnel(self.link, self.authority, self.credential)
        except tunnel.SignInNeededError:
            self.credential = await asyncio.to_thread(
                signing_in.sign_in, self.link, self.portal, self._lead,
                browse=not self.arguments.no_browser,
            )  # fmt: skip
            signing_in.keep_credential(self.folder, self.credential)
        return await tunnel.open_tunnel(self.link, self.authority, self.credential)

    def _lead(self, address: str) -> None:
        _say(self.arguments, "Sign in here: %(address)s", address=address)

    async def explain(self, session: str) -> bool:
        """Say why a session was cut; tell whether it was."""
        why = await asyncio.to_thread(self.link.ask_why, session)
        if why.cut:
            _say(self.arguments, "%(name)s was cut off:", name=self.name)
            for line in why.lines():
                print(f"  → {line}", file=sys.stderr, flush=True)
        return why.cut


def connect(arguments: argparse.Namespace) -> int:
    """Open the way and carry bytes until stopped."""
    way = _find_way(arguments)
    if arguments.stdio:
        return asyncio.run(_carry_stdio(way))
    return asyncio.run(_serve_port(way))


def _find_way(arguments: argparse.Namespace) -> Way:
    from sekisho.agent import signing_in, tunnel  # noqa: PLC0415 - only for this noun
    from sekisho.agent.enrol import open_session  # noqa: PLC0415 - the same
    from sekisho.wire import osquery  # noqa: PLC0415 - the same
    from sekisho.wire.kit import Kit  # noqa: PLC0415 - the same

    state, language = open_state(arguments), terminal_language(arguments)
    kit = Kit.parse(state.get("kit"))
    with_session = open_session(state, language)
    try:
        told = with_session.link.post(osquery.GATE, {})
    finally:
        with_session.close()
    host, _, port = (arguments.gate or str(told.get("gate", ""))).rpartition(":")
    if not host or not port.isdecimal():
        raise tunnel.TunnelError("this server has no gate; name one with --gate HOST:PORT")
    folder = find_folder(arguments)
    context = tunnel.make_device_context(folder, kit.ca_pem)
    link = tunnel.GateLink(host, int(port), context, language)
    authority, name = link.find(arguments.resource)
    return Way(
        arguments, link, str(told.get("portal", "")), folder, authority, name,
        signing_in.load_credential(folder),
    )  # fmt: skip


async def _carry_stdio(way: Way) -> int:
    from sekisho.agent import tunnel  # noqa: PLC0415 - only for this noun

    opened = await way.open()
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, sys.stdout
    )
    writer = asyncio.StreamWriter(transport, protocol, None, loop)
    gate_first = await tunnel.relay(opened, reader, writer)
    if gate_first and await way.explain(opened.session):
        return 1
    return 0


async def _serve_port(way: Way) -> int:
    """Listen at a local port; each connection is a tunnel, and a cut one can be opened again."""
    server = await asyncio.start_server(
        lambda reader, writer: _carry(way, reader, writer), "127.0.0.1", way.arguments.port
    )
    port = server.sockets[0].getsockname()[1]
    if way.arguments.format == "json":
        print(json.dumps({"ready": True, "host": "127.0.0.1", "port": port}), flush=True)
    else:
        _say(
            way.arguments,
            "%(name)s is at 127.0.0.1:%(port)s; Ctrl-C ends it.",
            name=way.name,
            port=port,
        )
        if way.authority.endswith(f":{_RDP_PORT}"):
            _say(way.arguments, "Remote desktop: mstsc /v:127.0.0.1:%(port)s", port=port)
    async with server:
        await server.serve_forever()
    return 0


async def _carry(way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    from sekisho.agent import tunnel  # noqa: PLC0415 - only for this noun

    try:
        opened = await way.open()
        if await tunnel.relay(opened, reader, writer):
            await way.explain(opened.session)
    except tunnel.TunnelError as error:
        print(f"sekisho: {terminal_text(way.arguments, error.text, **error.params)}",
              file=sys.stderr, flush=True)  # fmt: skip
    finally:
        writer.close()


def _say(arguments: argparse.Namespace, english: str, /, **params: object) -> None:
    print(terminal_text(arguments, english, **params), file=sys.stderr, flush=True)

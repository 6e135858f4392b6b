"""The gate's side of desktops: gives tickets, starts the relay, writes down what it tells.

Pages and tickets come to the browser through Envoy, which has proved whose session it is by then
(``x-sekisho-session``) and says which resource is meant.
"""

import asyncio
import contextlib
import json
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
import structlog

from sekisho.access.model import DESKTOPS, Door, Resource
from sekisho.access.service import TurnedAway, TurnedAwayFor
from sekisho.kernel.errors import SekishoError
from sekisho.kernel.i18n import preferred_language
from sekisho.server.desktop import pages
from sekisho.server.desktop.grants import LIFE_SECONDS, Event, Grant
from sekisho.server.gate.local import Head, Said
from sekisho.server.gate.plan import RESOURCE_HEADER

log = structlog.get_logger()

_START_SECONDS = 20.0
_REMEMBERED = 10_000
_SESSION_HEADER = "x-sekisho-session"


class Records(Protocol):
    """Where it is written down."""

    def __call__(self, session: str, opened: bool, detail: dict[str, object], /) -> Awaitable[None]:
        """Write down what became of a session's desktop."""
        ...


class DesktopOffice:
    """Answers pages of desktops; ``find`` gives a resource in force by its id.

    ``turned_away`` is told of each session that had no leave for what it asked of the relay.
    """

    def __init__(
        self, find: Callable[[str], Resource | None], record: Records,
        turned_away: Callable[[TurnedAway], None],
    ) -> None:  # fmt: skip
        self._find = find
        self._record = record
        self._turned_away = turned_away
        self._relay: asyncio.subprocess.Process | None = None
        self._hearing: asyncio.Task[None] | None = None
        self._ready: asyncio.Queue[None] = asyncio.Queue()
        self._starting = asyncio.Lock()
        self._last: dict[str, Event] = {}

    async def answer(self, head: Head) -> Said:
        """Answer one request for a page, a part of it, a ticket, or why it ended."""
        session = head.headers.get(_SESSION_HEADER, "")
        resource = self._find(head.headers.get(RESOURCE_HEADER, ""))
        if resource is None or resource.kind not in DESKTOPS or not session:
            return pages.missing()
        language = preferred_language(head.headers.get("accept-language", ""))
        path = head.path.partition("?")[0]
        match head.method, path:
            case "GET", "/":
                return pages.desktop_page(resource, language)
            case "GET", "/why":
                return _data(pages.say_why(self._last.get(session), resource, language))
            case "POST", "/ticket" if _is_own(head):
                return await self._give_ticket(session, resource)
            case "GET", _:
                return await asyncio.to_thread(pages.part, path)
        return pages.missing()

    async def _give_ticket(self, session: str, resource: Resource) -> Said:
        grant = make_grant(resource, secrets.token_urlsafe(32), session, time.time() + LIFE_SECONDS)
        self._last.pop(session, None)
        await self._hand_over(grant)
        return _data({"ticket": grant.ticket})

    async def _hand_over(self, grant: Grant) -> None:
        """Tell the relay a grant, and wait until it has heard it."""
        async with self._starting:
            relay = await self._running()
            assert relay.stdin is not None  # noqa: S101 - it was started with a pipe
            relay.stdin.write(msgspec.json.encode(grant) + b"\n")
            async with asyncio.timeout(_START_SECONDS):
                await self._ready.get()

    async def _running(self) -> asyncio.subprocess.Process:
        if self._relay is None or self._relay.returncode is not None:
            self._ready = asyncio.Queue()
            self._relay = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "sekisho.server.desktop.relay",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            self._hearing = asyncio.create_task(self._hear(self._relay))
            log.info("relay of desktops started", pid=self._relay.pid)
        return self._relay

    async def _hear(self, relay: asyncio.subprocess.Process) -> None:
        assert relay.stdout is not None  # noqa: S101 - it was started with a pipe
        while line := await relay.stdout.readline():
            event = msgspec.json.decode(line, type=Event)
            if event.kind == "ready":
                self._ready.put_nowait(None)
            else:
                await self._note(event)

    async def _note(self, event: Event) -> None:
        self._last[event.session] = event
        if len(self._last) > _REMEMBERED:
            del self._last[next(iter(self._last))]
        if not event.granted:  # no host was asked; whoever has a session could do so for ever
            why, door = TurnedAwayFor.NO_LEAVE, Door.BROWSER.value
            self._turned_away(TurnedAway(why, door, session=event.session))
            return
        detail: dict[str, object] = {"certificate": event.shown}
        if event.kind == "ended":
            detail |= {"why": event.why.value, "said": event.detail[:200],
                       "bytes_up": event.up, "bytes_down": event.down}  # fmt: skip
        log.info("desktop", what=event.kind, why=event.why.value, said=event.detail[:200])
        with contextlib.suppress(SekishoError):
            await self._record(event.session, event.kind == "opened", detail)

    async def stop(self) -> None:
        """Let the relay end."""
        if self._hearing is not None:
            self._hearing.cancel()
        if self._relay is not None and self._relay.returncode is None:
            self._relay.terminate()
            await self._relay.wait()


def make_grant(
    resource: Resource, ticket: str = "", session: str = "", ends: float = 0.0
) -> Grant:  # fmt: skip
    """Return leave for a desktop; without a ticket nobody can take it."""
    upstream = resource.upstreams[0]
    return Grant(
        ticket=ticket, session=session, kind=resource.kind.value, ends=ends,
        host=upstream.host, port=upstream.port, tls=upstream.tls, pin=resource.pin,
        ca_pem=resource.ca_pem, name=upstream.tls_name or upstream.host,
    )  # fmt: skip


def _is_own(head: Head) -> bool:
    """Tell whether our own page asks; browsers name it with every POST (Fetch section 3.2)."""
    return head.headers.get("origin", "") == f"https://{head.headers.get('host', '-')}"


def _data(told: object) -> Said:
    return Said(json.dumps(told, ensure_ascii=False).encode(), kind="application/json")

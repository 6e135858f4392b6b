"""The gate's decision process: one loop that configures Envoy, answers it, and cuts.

It is small and its own, so that a restart of pages or worker ends no session. Everything it holds
(streams, tickets taken) is lost with it, and Envoy then lets nothing new in.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from sekisho.access import service as access
from sekisho.access.model import AccessSession, Door, Resource
from sekisho.kernel.errors import SekishoError
from sekisho.kernel.principal import SYSTEM
from sekisho.server.bootstrap import House
from sekisho.server.desktop.office import DesktopOffice
from sekisho.server.gate.bootstrap import DECISION_SOCKET, gate_folder
from sekisho.server.gate.calls import Questions, serve_calls
from sekisho.server.gate.certificates import gate_secrets, machine_authorities
from sekisho.server.gate.cookies import CookieKey
from sekisho.server.gate.cutting import Cutter, Denied
from sekisho.server.gate.directory import Directory
from sekisho.server.gate.holds import Holder, Holds
from sekisho.server.gate.judge import Judge
from sekisho.server.gate.line import Service
from sekisho.server.gate.local import serve_local
from sekisho.server.gate.nudges import Nudges
from sekisho.server.gate.plan import DESKTOP_SOCKET, Plan
from sekisho.server.gate.porter import Porter
from sekisho.server.gate.sample import answer_sample
from sekisho.server.gate.shapes import ROUTES, make_routes, make_shapes
from sekisho.server.gate.tickets import TicketOffice
from sekisho.server.gate.turned_away import TurnedAwayCounter
from sekisho.server.gate.xds import ADS_METHOD, Board, Subscription
from sekisho.server.memory import settle_memory
from sekisho.server.rulebook import PERIOD_SECONDS, Rulebook

log = structlog.get_logger()

_LOOK_SECONDS = 1.0
_BACK_SECONDS = 120.0
"""A desktop's connection that ended may be opened again so long without a new sign-in."""
_GRACE_SECONDS = 1.0
_LAST_WORDS_SECONDS = 5.0
_RENEW_SECONDS = 15.0
"""How often the certificates are looked at; changed resources are seen at every look."""
_TURN_SECONDS = 0.0005
"""How long a thread that decides may keep the interpreter while streams wait to be told."""


class Gate:
    """Everything the process holds."""

    def __init__(self, house: House) -> None:
        self.house = house
        folder = gate_folder(house.settings.data)
        self.judge = Judge(house)
        self.holds = Holds()
        self.board = Board(self._refused)
        self.key = CookieKey.load_or_create(folder, house.box)
        self.turned_away = TurnedAwayCounter(self.judge.record_turned_away)
        self.porter = Porter(
            self.judge, self.key, TicketOffice.open(house.box), house.settings.portal_url,
            opened=self.holds.expect, turned_away=self.turned_away.note,
        )  # fmt: skip
        self.cutter = Cutter(self.judge, self.holds, self._deny, self.porter.remember_cut)
        self._alarm: tuple[str, str] | None = None
        self._started = f"{self.judge.now():.3f}"
        self.desktops = DesktopOffice(self._find, self.judge.record_desktop, self.turned_away.note)
        self._left: dict[str, float] = {}
        self._version = ""
        self._looked_at = 0.0
        self._plan: Plan | None = None

    def _find(self, resource: str) -> Resource | None:
        return self.porter.directory.find_by_id(resource)

    def _refused(self, kind: str, why: str) -> None:
        if (kind, why) == self._alarm:
            return
        self._alarm = (kind, why)
        asyncio.get_running_loop().run_in_executor(None, self._remember, kind, why)

    def _remember(self, kind: str, why: str) -> None:
        with contextlib.suppress(SekishoError), self.house.database.write(SYSTEM) as tx:
            access.raise_alarm(tx, kind, why)

    async def configure(self) -> None:
        """Publish the configuration if resources or certificates have changed."""
        version, resources = await self.judge.resources()
        secrets = await asyncio.to_thread(gate_secrets, self.house, resources)
        self._looked_at = time.monotonic()
        if self._plan is not None and (version, secrets) == (self._version, self._plan.secrets):
            return
        settings = self.house.settings
        self._plan = Plan(
            doors={Door.DEVICE: settings.gate, Door.BROWSER: settings.gate_browser},
            resources=resources, secrets=secrets, jwks=self.key.jwks(),
            denied=self.cutter.denied(), keep_tunnels=(keep := settings.gate_tunnels == "keep"),
            generation=f".{self._started}" if keep else "",
            authorities=machine_authorities(),
        )  # fmt: skip
        self.porter.directory = Directory.of(resources)
        self.board.publish(make_shapes(self._plan))
        self._version = version

    def _deny(self, denied: Denied) -> None:
        """Tell Envoy whose cookies are no longer good."""
        if self._plan is not None and denied != self._plan.denied:
            self._plan = replace(self._plan, denied=denied)
            self.board.publish({ROUTES: make_routes(self._plan)})

    async def ended(self, session: str, desktop: str = "") -> None:
        """Write down that a tunnel has ended by itself; a desktop's page may come back soon."""
        if desktop:
            self._left[session] = self.judge.now() + _BACK_SECONDS
            return
        with contextlib.suppress(SekishoError):
            await self.judge.close(session)

    async def _close_left(self) -> None:
        """Close sessions of desktops that nobody came back to.

        Their cookies could open another connection that the register does not know: those are
        refused from then on, and the page comes back in by a new decision.
        """
        now, held = self.judge.now(), set(self.holds.sessions())
        self._left = {s: ends for s, ends in self._left.items() if s not in held}
        over = {session for session, ends in self._left.items() if ends <= now}
        if over:
            live = [each for each in await self.judge.live() if each.id in over]
            await self.cutter.close(live, "closed")
            self._left = {s: ends for s, ends in self._left.items() if s not in over}

    async def watch(self, nudges: Nudges, cursor: int, live: Sequence[AccessSession]) -> None:
        """Look after every nudge, and once a second without one, for ever."""
        begun = asyncio.create_task(self.begin(live))
        try:
            while True:
                try:
                    cursor = await self._look(cursor)
                except SekishoError as error:
                    log.warning("the gate cannot look", why=str(error.message))
                if begun.done():
                    begun.result()
                await nudges.wait(_LOOK_SECONDS)
        finally:
            begun.cancel()

    async def begin(self, live: Sequence[AccessSession]) -> None:
        """Deal with what a former process left, then with what comes up; for ever."""
        while True:
            try:
                await self.cutter.begin(live)
                break
            except SekishoError as error:
                log.warning("what was left is not dealt with yet", why=str(error.message))
                await asyncio.sleep(_LOOK_SECONDS)
        await self.cutter.follow()

    async def _look(self, cursor: int) -> int:
        seen = await self.judge.look(cursor)
        self.cutter.cut(seen.cuts)
        self.cutter.ask_again(seen.left)
        if seen.due:
            self.cutter.cut(await self.judge.due(self.holds.sessions()))
        if seen.version != self._version or time.monotonic() > self._looked_at + _RENEW_SECONDS:
            await self.configure()
        for session in self.holds.take_overdue():
            await self.ended(session)
        if self._left:
            await self._close_left()
        return seen.cursor


async def serve_gate(house: House) -> int:
    """Serve until told to stop (SIGTERM, SIGINT); return the exit code."""
    folder = gate_folder(house.settings.data)
    os.chdir(folder)  # sockets are named relative to it, see bootstrap.py
    sys.setswitchinterval(_TURN_SECONDS)
    gate = Gate(house)
    await gate.cutter.learn_denied()
    await gate.configure()
    # Before anything new can open: what is live now was left by a former process.
    cursor, live = await gate.judge.newest_change(), await gate.judge.live()
    settle_memory()
    async with (
        Nudges(house).listening() as nudges,
        serve_local(Path("sample.sock"), answer_sample),
        serve_local(Path(DESKTOP_SOCKET), gate.desktops.answer),
    ):
        watching = asyncio.create_task(gate.watch(nudges, cursor, live))
        following = asyncio.gather(_follow_rulebook(house), gate.turned_away.follow())
        await _answer_until(gate, watching)
        await gate.desktops.stop()
        following.cancel()
        watching.cancel()
        if watching.done():
            watching.result()
        with contextlib.suppress(SekishoError, TimeoutError):
            await asyncio.wait_for(gate.cutter.write_down(), _LAST_WORDS_SECONDS)
            await asyncio.wait_for(gate.turned_away.write_down(), _LAST_WORDS_SECONDS)
    return 0


async def _answer_until(gate: Gate, watching: asyncio.Task[None]) -> None:
    """Answer Envoy until told to stop, or until nobody watches any more."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    questions = Questions(gate.porter.check)
    async with serve_calls(Path(DECISION_SOCKET), _services(gate, questions)):
        log.info("gate started", device=str(gate.house.settings.gate))
        ends = asyncio.create_task(stopping.wait())
        await asyncio.wait({watching, ends}, return_when=asyncio.FIRST_COMPLETED)
        await questions.settle(_GRACE_SECONDS)


async def _follow_rulebook(house: House) -> None:
    """Take up changed controls while the process lives: decisions read them."""
    rulebook = Rulebook(house.settings)
    while True:
        await asyncio.sleep(PERIOD_SECONDS)
        await asyncio.to_thread(rulebook.refresh_safely, house)


def _services(gate: Gate, questions: Questions) -> dict[str, Service]:
    """Return what Envoy asks of us, by the names of its interfaces."""
    return {
        "/envoy.service.auth.v3.Authorization/Check": questions,
        "/envoy.service.ext_proc.v3.ExternalProcessor/Process": Holder(gate.holds, gate.ended),
        ADS_METHOD: lambda call: Subscription(gate.board, call),
    }

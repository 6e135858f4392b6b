"""The gate's decision process: one loop that configures Envoy, answers it, and cuts.

It is small and its own, so that a restart of pages or worker ends no session. Everything it holds
(streams, tickets taken) is lost with it, and Envoy then lets nothing new in.
"""

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import grpc
import structlog
from envoy.service.auth.v3 import external_auth_pb2_grpc
from envoy.service.discovery.v3 import ads_pb2_grpc
from envoy.service.ext_proc.v3 import external_processor_pb2_grpc

from sekisho.access.model import Cut, Door
from sekisho.kernel.errors import SekishoError
from sekisho.kernel.installation import set_fact
from sekisho.kernel.principal import SYSTEM
from sekisho.server.bootstrap import House
from sekisho.server.gate.bootstrap import DECISION_SOCKET, gate_folder
from sekisho.server.gate.certificates import gate_secrets
from sekisho.server.gate.cookies import LIFE_SECONDS, CookieKey
from sekisho.server.gate.directory import Directory
from sekisho.server.gate.holds import Holder, Holds
from sekisho.server.gate.judge import Judge
from sekisho.server.gate.nudges import Nudges
from sekisho.server.gate.plan import Plan
from sekisho.server.gate.porter import Porter
from sekisho.server.gate.sample import serve_sample
from sekisho.server.gate.shapes import ROUTES, make_routes, make_shapes
from sekisho.server.gate.tickets import TicketOffice
from sekisho.server.gate.xds import Board, Configurer
from sekisho.server.rulebook import PERIOD_SECONDS, Rulebook

log = structlog.get_logger()

_LOOK_SECONDS = 1.0
_GRACE_SECONDS = 1.0
ALARM = "gate.refused"
"""The fact that says which update Envoy refused; empty while all is well."""


class Gate:
    """Everything the process holds."""

    def __init__(self, house: House) -> None:
        self.house = house
        folder = gate_folder(house.settings.data)
        self.judge = Judge(house)
        self.holds = Holds()
        self.board = Board(self._refused)
        self.key = CookieKey.load_or_create(folder, house.box)
        self.porter = Porter(
            self.judge, self.key, TicketOffice.open(house.box), house.settings.portal_url
        )
        self._version = ""
        self._denied: dict[str, tuple[str, float]] = {}
        self._secrets: object = None
        self._plan: Plan | None = None

    def _refused(self, kind: str, why: str) -> None:
        asyncio.get_running_loop().run_in_executor(None, self._remember, kind, why)

    def _remember(self, kind: str, why: str) -> None:
        with contextlib.suppress(SekishoError), self.house.database.write(SYSTEM) as tx:
            set_fact(tx, ALARM, {"kind": kind, "why": why[:2000]} if kind else {})

    async def configure(self) -> None:
        """Publish the configuration if resources or certificates have changed."""
        version, resources = await self.judge.resources()
        secrets = await asyncio.to_thread(gate_secrets, self.house, resources)
        if self._plan is not None and (version, secrets) == (self._version, self._plan.secrets):
            return
        settings = self.house.settings
        self._plan = Plan(
            doors={Door.DEVICE: settings.gate, Door.BROWSER: settings.gate_browser},
            resources=resources, secrets=secrets, jwks=self.key.jwks(),
            denied=self._by_resource(), keep_tunnels=settings.gate_tunnels == "keep",
        )  # fmt: skip
        self.porter.directory = Directory.of(resources)
        self.board.publish(make_shapes(self._plan))
        self._version = version

    async def cut(self, cuts: list[Cut]) -> None:
        """End what may not go on: streams first, then cookies, then the register."""
        if not cuts:
            return
        now = self.judge.now()
        for each in cuts:
            self.holds.cut(each.session.id)
            self.porter.remember_cut(each)
            self._denied[each.session.id] = (each.session.resource_id, now + LIFE_SECONDS)
        self._publish_denied(now)
        await self.judge.record(cuts)
        log.info("sessions cut", count=len(cuts))

    def _publish_denied(self, now: float) -> None:
        """Tell Envoy whose cookies are no longer good, while they could still be in time."""
        self._denied = {s: kept for s, kept in self._denied.items() if kept[1] > now}
        if self._plan is not None:
            self.board.publish({ROUTES: make_routes(self._renewed(self._plan))})

    def _renewed(self, plan: Plan) -> Plan:
        self._plan = Plan(
            plan.doors, plan.resources, plan.secrets, plan.jwks, self._by_resource(),
            plan.keep_tunnels, plan.limits,
        )  # fmt: skip
        return self._plan

    def _by_resource(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for session, (resource, _) in sorted(self._denied.items()):
            found.setdefault(resource, []).append(session)
        return found

    async def ended(self, session: str) -> None:
        """Write down that a tunnel has ended by itself."""
        with contextlib.suppress(SekishoError):
            await self.judge.close(session, "closed")

    async def watch(self, nudges: Nudges) -> None:
        """Look after every nudge, and once a second without one, for ever."""
        cursor = await self.judge.newest_change()
        await self.begin()
        while True:
            try:
                cursor = await self._look(cursor)
            except SekishoError as error:
                log.warning("the gate cannot look", why=str(error.message))
            await nudges.wait(_LOOK_SECONDS)

    async def begin(self) -> None:
        """Take up what a former process left: its streams are gone, its cookies are not."""
        await self.judge.close_left_tunnels()
        await self.cut(await self.judge.cuts(None))

    async def _look(self, cursor: int) -> int:
        cursor, subjects = await self.judge.changes(cursor)
        if subjects:
            await self.cut(await self.judge.cuts(subjects))
        await self.cut(await self.judge.due())
        await self.configure()
        return cursor


async def serve_gate(house: House) -> int:
    """Serve until told to stop (SIGTERM, SIGINT); return the exit code."""
    folder = gate_folder(house.settings.data)
    os.chdir(folder)  # sockets are named relative to it, see bootstrap.py
    gate = Gate(house)
    await gate.configure()
    server = _make_server(gate)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with Nudges(house).listening() as nudges, serve_sample(Path("sample.sock")):
        await server.start()
        log.info("gate started", device=str(house.settings.gate))
        watching = asyncio.create_task(gate.watch(nudges))
        following = asyncio.create_task(_follow_rulebook(house))
        ends = asyncio.create_task(stopping.wait())
        await asyncio.wait({watching, ends}, return_when=asyncio.FIRST_COMPLETED)
        await server.stop(_GRACE_SECONDS)
        following.cancel()
        watching.cancel()
        if not ends.done():
            watching.result()
    return 0


async def _follow_rulebook(house: House) -> None:
    """Take up changed controls while the process lives: decisions read them."""
    rulebook = Rulebook(house.settings)
    while True:
        await asyncio.sleep(PERIOD_SECONDS)
        await asyncio.to_thread(rulebook.refresh_safely, house)


def _make_server(gate: Gate) -> grpc.aio.Server:
    Path(DECISION_SOCKET).unlink(missing_ok=True)
    server = grpc.aio.server(options=[("grpc.max_concurrent_streams", 1_000_000)])
    external_auth_pb2_grpc.add_AuthorizationServicer_to_server(gate.porter, server)
    ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(Configurer(gate.board), server)
    external_processor_pb2_grpc.add_ExternalProcessorServicer_to_server(
        Holder(gate.holds, gate.ended), server
    )
    server.add_insecure_port(f"unix:{DECISION_SOCKET}")
    return server

"""The desk at the checkpoint: what the web process keeps in memory about devices.

Node keys are found by digest in a dictionary, and a device that has nothing to be asked is
answered without the database. Whatever must survive is in the database and read back at the
start: node keys, states, answer times. Words of devices (``seen_at``) are written in batches by a
background thread, which also picks up what other processes changed. One desk a process.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

from sekisho.devices import offers
from sekisho.devices.configuration import write_config
from sekisho.devices.engine import truncate_address
from sekisho.devices.groupwriter import GroupWriter
from sekisho.devices.guesses import GuessBrake
from sekisho.devices.model import DeviceState, Ownership, Platform
from sekisho.devices.nodes import DeskStatistics, Files, Node
from sekisho.devices.offers import Plan
from sekisho.devices.service.carves import list_open_questions
from sekisho.devices.service.manifest import sign_manifest
from sekisho.devices.store import devices as store
from sekisho.devices.store.devices import RosterEntry
from sekisho.kernel.clock import Clock
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import UnavailableError
from sekisho.kernel.ids import digest_token
from sekisho.kernel.principal import SYSTEM, Principal

FLUSH_SECONDS: Final = 5.0
UNKNOWN_SECONDS: Final = 10.0  # how long a node key that nobody has is remembered as unknown
UNKNOWN_LIMIT: Final = 10_000
LARGE_BODIES: Final = 8  # bodies of more than 1 MiB that are held at the same time
_OVERLAP = timedelta(seconds=30)  # a transaction may commit this long after its instant

_log = logging.getLogger(__name__)

__all__ = ["Desk", "DeskStatistics", "Files", "Node", "PlanMaker", "running_desk"]

PlanMaker = Callable[[Platform, Ownership, bool], Plan]
"""Makes what a kind of device is asked; the last argument tells whether it runs our agent."""


class Desk:
    """Knows every device by its node key; see the module's docstring."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        make_plan: PlanMaker,
        revision: Callable[[], str],
        files: Files,
    ) -> None:
        self.database = database
        self.clock = clock
        self.writer = GroupWriter(database)
        self.statistics = DeskStatistics()
        self.large_bodies = threading.BoundedSemaphore(LARGE_BODIES)
        self._make_plan = make_plan
        self._revision = revision
        self._planned = revision()
        self.files = files
        self._brake = GuessBrake()
        self._configs: dict[tuple[Platform, Ownership, bool, bool], bytes] = {}
        self._plans: dict[tuple[Platform, Ownership, bool], Plan] = {}
        self._nodes: dict[str, Node] = {}
        self._keys: dict[str, Node] = {}
        self._unknown: dict[str, float] = {}
        self._seen: dict[str, tuple[datetime, str]] = {}
        self._asked_once: set[str] = set()
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._flusher = threading.Thread(target=self._flush_often, name="device-seen", daemon=True)
        self._looked_at = clock.now()

    def start(self) -> None:
        """Read what the database knows and start the threads."""
        self._looked_at = self.clock.now()
        with self.database.read(SYSTEM) as tx:
            for entry in store.list_roster(tx):
                self._keep(entry)
            for digest, device_id in store.list_used_keys(tx):
                if device_id in self._nodes:
                    self._keys[digest] = self._nodes[device_id]
            questions = list_open_questions(tx)
        for device_id, name, sql in questions:
            self.ask_once(device_id, name, sql)
        self.writer.start()
        self._flusher.start()

    def close(self) -> None:
        """Write what is waiting and stop the threads."""
        self._stop.set()
        self._flusher.join()
        self.writer.close()

    def __len__(self) -> int:
        """Return how many devices are known."""
        return len(self._nodes)

    def plan(self, platform: Platform, ownership: Ownership, *, agent: bool) -> Plan:
        """Return what this kind of device is asked."""
        kind = (platform, ownership, agent)
        with self._lock:
            if kind not in self._plans:
                self._plans[kind] = self._make_plan(platform, ownership, agent)
            return self._plans[kind]

    def look_for_controls(self) -> bool:
        """Take over changed controls: everything new or altered becomes due at once."""
        revision = self._revision()
        if revision == self._planned:
            return False
        self._planned = revision
        self._change_plans()
        return True

    def _change_plans(self) -> None:
        with self._lock:
            self._plans = {}
            self._configs = {}
            for node in self._nodes.values():
                plan = self.plan(node.platform, node.ownership, agent=node.agent)
                if plan.digest != node.book.plan.digest:
                    node.book = offers.carry_over(node.book, plan)

    def recall(self, node_key: str) -> Node | None:
        """Return the device of a node key from memory alone; None if it is not there."""
        return self._keys.get(digest_token(node_key))

    def find_device(self, node_key: str) -> Principal | None:
        """Return the device of a node key that is in use, for the front door; None: nobody."""
        node = self.recall(node_key)
        return None if node is None else node.principal

    def find(self, node_key: str) -> tuple[Node, bool] | None:
        """Find a node key in the database; tell whether it was used before. None: unknown.

        Keys that nobody has are remembered for a while, so that a flood of them costs little.
        Raises UnavailableError if the database does not answer.
        """
        digest = digest_token(node_key)
        if self._unknown.get(digest, 0.0) > time.monotonic():
            return None
        with self.database.read(SYSTEM) as tx:
            found = store.find_key(tx, digest)
        if found is None or found[0].state is DeviceState.WITHDRAWN:
            self._remember_unknown(digest)
            return None
        return self._keep(found[0]), found[1]

    def learn_key(self, node_key_digest: str, entry: RosterEntry, dropped: list[str]) -> Node:
        """Take over that a node key is in use and that others of the device are worth nothing."""
        with self._lock:
            node = self._keep(entry)
            for digest in dropped:
                self._keys.pop(digest, None)
            self._keys[node_key_digest] = node
            return node

    def expect_key(self, node_key: str) -> None:
        """Forget that a node key was unknown: it has just been issued."""
        self._unknown.pop(digest_token(node_key), None)

    def refresh(self, entry: RosterEntry) -> None:
        """Take over what changed about one device; a withdrawn one is forgotten at once."""
        with self._lock:
            if entry.state is DeviceState.WITHDRAWN:
                self._forget(entry.id)
                return
            node = self._keep(entry)
            if entry.check_now_until is not None:
                until = entry.check_now_until.timestamp()  # two may begin within one second
                if until > max(node.book.urgent_until, self.clock.now().timestamp()):
                    offers.make_urgent(node.book, until)

    def follow(self, tx: Transaction, device_id: str) -> None:
        """Take up what this transaction changes about a device as soon as it is committed."""
        entry = store.find_entry(tx, device_id)
        if entry is not None:
            tx.after_commit(lambda: self.refresh(entry))

    def ask(self, node: Node) -> tuple[dict[str, str], int]:
        """Return what to ask a device now and for how many seconds it shall come often."""
        now = int(self.clock.now().timestamp())
        if node.state is not DeviceState.ACTIVE or now < node.book.due:
            self.statistics.reads_from_memory += 1
            return {}, self._hurry(node, now)
        with self._lock:
            asked = offers.take_due(node.book, now)
        self.statistics.reads_with_questions += 1
        return asked, self._hurry(node, now)

    def ask_once(self, device_id: str, name: str, sql: str) -> None:
        """Ask one more query, once, of a device that is known here."""
        with self._lock:
            node = self._nodes.get(device_id)
            if node is not None and name not in self._asked_once:
                self._asked_once.add(name)
                offers.ask_once(node.book, name, sql)

    async def config_of(self, node: Node) -> bytes:
        """Return the config of this device's kind; only an active one is asked anything."""
        active = node.state is DeviceState.ACTIVE
        kind = (node.platform, node.ownership, node.agent, active)
        text = self._configs.get(kind)
        if text is None:
            text = await asyncio.to_thread(self._write_config, *kind)
        return text

    def is_guessing(self, address: str) -> bool:
        """Tell whether too many wrong enrolment secrets came from this network."""
        return self._brake.is_braked(address, time.monotonic())

    def note_guess(self, address: str) -> None:
        """Count a wrong enrolment secret."""
        self._brake.note(address, time.monotonic())

    def note_answers(self, node: Node, names: list[str], received_at: datetime) -> None:
        """Take over that these queries were answered (their answers are committed)."""
        with self._lock:
            offers.note_answers(node.book, names, int(received_at.timestamp()))

    def note_seen(self, node: Node, address: str) -> None:
        """Remember that a device spoke, and from which network; written with the next batch."""
        self._seen[node.id] = (self.clock.now(), truncate_address(address))

    def flush(self) -> int:
        """Write the waiting last words now; return how many."""
        with self._lock:
            seen, self._seen = dict(self._seen), {}
        if seen:
            try:
                with self.database.write(SYSTEM) as tx:
                    store.save_seen(tx, seen)
            except UnavailableError:
                with self._lock:
                    self._seen = seen | self._seen
                raise
        return len(seen)

    def look_for_changes(self) -> int:
        """Take over what any process changed about devices; return how many rows were read."""
        now = self.clock.now()
        since = min(now, self._looked_at) - _OVERLAP
        set_back = now < self._looked_at
        with self.database.read(SYSTEM) as tx:
            changed = store.list_changed(tx, since)
            questions = list_open_questions(tx)
        self._looked_at = now
        for entry in changed:
            self.refresh(entry)
        for question in questions:
            self.ask_once(*question)
        if set_back:
            self._mind_clock(now)
        return len(changed)

    def sign_manifest(self, node: Node) -> Mapping[str, str]:
        """Return the signed manifest of what this device is asked."""
        return self._sign(node.platform, node.ownership, node.book.plan)

    def _sign(self, platform: Platform, ownership: Ownership, plan: Plan) -> Mapping[str, str]:
        files = self.files
        with self.database.write(SYSTEM) as tx:
            signed = sign_manifest(tx, files.box, files.organisation, platform, ownership, plan)
        return signed.to_message()

    def _write_config(
        self, platform: Platform, ownership: Ownership, agent: bool, active: bool
    ) -> bytes:
        plan = self.plan(platform, ownership, agent=agent)
        manifest = self._sign(platform, ownership, plan) if agent else None
        text = write_config(ownership, platform, plan if active else None, manifest)
        with self._lock:
            if self._plans.get((platform, ownership, agent)) is plan:
                self._configs[platform, ownership, agent, active] = text
        return text

    def _mind_clock(self, now: datetime) -> None:
        """After a clock was set back, forget answer times that now lie in the future."""
        second = int(now.timestamp())
        with self._lock:
            for node in self._nodes.values():
                if node.book.answered and max(node.book.answered) > second:
                    offers.forget_future(node.book, second)

    def _keep(self, entry: RosterEntry) -> Node:
        with self._lock:
            node = self._nodes.get(entry.id)
            if node is None:
                node = self._nodes[entry.id] = self._make_node(entry)
            elif node.agent != entry.agent:
                plan = self.plan(entry.platform, entry.ownership, agent=entry.agent)
                node.book = offers.carry_over(node.book, plan)
            node.state, node.owner_id, node.agent = entry.state, entry.owner_id, entry.agent
            return node

    def _make_node(self, entry: RosterEntry) -> Node:
        plan = self.plan(entry.platform, entry.ownership, agent=entry.agent)
        return Node(
            entry.id,
            entry.ownership,
            entry.platform,
            entry.state,
            entry.agent,
            entry.owner_id,
            offers.open_book(plan, entry.plan, entry.times),
            entry.identity,
        )

    def _forget(self, device_id: str) -> None:
        node = self._nodes.pop(device_id, None)
        if node is None:
            return
        node.stopped = True
        node.state = DeviceState.WITHDRAWN
        self._keys = {digest: kept for digest, kept in self._keys.items() if kept is not node}
        self._seen.pop(device_id, None)

    def _remember_unknown(self, digest: str) -> None:
        self.statistics.unknown_keys += 1
        if len(self._unknown) >= UNKNOWN_LIMIT:
            self._unknown.clear()
        self._unknown[digest] = time.monotonic() + UNKNOWN_SECONDS

    @staticmethod
    def _hurry(node: Node, now: int) -> int:
        left = int(node.book.urgent_until) - now
        return max(0, left) if node.state is DeviceState.ACTIVE else 0

    def _flush_often(self) -> None:
        while not self._stop.wait(FLUSH_SECONDS):
            self._flush_safely()
        self._flush_safely()

    def _flush_safely(self) -> None:
        try:
            self.flush()
            self.look_for_changes()
            self.look_for_controls()
        except Exception:  # noqa: BLE001 - the thread must outlive whatever the database does
            self.statistics.flush_failures += 1
            _log.exception("devices: last words could not be written; they are tried again")


@contextmanager
def running_desk(
    database: Database,
    clock: Clock,
    make_plan: PlanMaker,
    revision: Callable[[], str],
    files: Files,
) -> Iterator[Desk]:
    """Open a desk for the life of a web process; ``revision`` names the controls in force."""
    desk = Desk(database, clock, make_plan, revision, files)
    desk.start()
    try:
        yield desk
    finally:
        desk.close()

"""The running agent: one thread, one plan, clean stop.

The plan (``cadence``) says what is due, ``session`` does one exchange, and this module joins them:
what fails comes again later, what the server does not know any more enrols again, and a change of
a watched setting is answered at once.
"""

import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import apsw

from sekisho.agent import cadence, certificate, manifest, session
from sekisho.agent.cadence import Plan, Step
from sekisho.agent.journal import say
from sekisho.agent.keystores import KeyMakingError
from sekisho.agent.link import LinkError
from sekisho.agent.session import Session
from sekisho.agent.sql import QueryError
from sekisho.agent.state import StateError
from sekisho.agent.watch import Damper
from sekisho.wire.errors import MessageError
from sekisho.wire.osquery import NodeInvalidError, ServerRefusedError

_FAILURES = (
    LinkError,
    ServerRefusedError,
    MessageError,
    StateError,
    KeyMakingError,
    OSError,
)

Changes = Callable[[], frozenset[str]]
"""Returns the tables whose sources changed since the last call."""


def sleepless_clock() -> float:
    """Return seconds of a clock that also runs while the computer sleeps, where there is one."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Stop:
    """Turns SIGTERM and SIGINT into a wake-up, so that the loop ends between two questions."""

    def __init__(self, supervisor: int = 0) -> None:
        self._supervisor = supervisor
        self._ours, self._theirs = socket.socketpair()
        self._theirs.setblocking(False)
        self.requested = False

    def listen(self) -> None:
        """Take over the signals; main thread only."""
        signal.set_wakeup_fd(self._theirs.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def request(self) -> None:
        """Ask the loop to end."""
        self.requested = True
        self._theirs.send(b"\0")

    def wait(self, seconds: float) -> None:
        """Sleep until the time is over or somebody wakes us."""
        readable, _, _ = select.select([self._ours], [], [], max(0.0, seconds))
        if readable:
            self._ours.recv(64)

    @property
    def orphaned(self) -> bool:
        """Tell whether the process that started us, if it is to be watched, is gone."""
        return bool(self._supervisor) and os.getppid() != self._supervisor

    def close(self) -> None:
        """Give the sockets back; nothing can wake the loop after this."""
        self._ours.close()
        self._theirs.close()

    def _on_signal(self, _number: int, _frame: object) -> None:
        self.requested = True


@dataclass(slots=True)
class Loop:
    """The agent's loop over one session; ``clock`` gives the plan's seconds."""

    session: Session
    plan: Plan
    changes: Changes
    stop: Stop = field(default_factory=Stop)
    clock: Callable[[], float] = sleepless_clock
    run_at: dict[str, float] = field(default_factory=dict)
    damper: Damper = field(default_factory=Damper)

    def run(self) -> None:
        """Work until a stop is requested, or whoever started us is gone."""
        while not self.stop.requested and not self.stop.orphaned:
            self.turn()
            self.stop.wait(cadence.find_wake(self.plan) - self.clock())
        self.session.link.close()
        say(f"stopped; {self.session.state.count_lines()} log lines wait for the server")

    def turn(self) -> None:
        """Do once what is due now; a paused device does nothing."""
        if self.session.state.get("paused"):
            self.plan = cadence.rest(self.plan, self.clock())
            return
        for step in cadence.list_due(self.plan, self.clock()):
            if self.stop.requested:
                return
            self.do(step)

    def do(self, step: Step) -> None:
        """Do one step and note in the plan how it went."""
        try:
            self._act(step)
        except NodeInvalidError as error:
            self._note_unknown(step, error)
        except _FAILURES as error:
            say(f"{step.name.lower()} failed: {error}")
            self.plan = cadence.fail(self.plan, step, self.clock())
        except (apsw.CorruptError, apsw.NotADBError):
            raise  # the memory file is put in order at the next start
        except Exception as error:  # noqa: BLE001 - a fault of ours must not silence the device for good
            say(f"{step.name.lower()} failed unexpectedly: {error!r}")
            self.plan = cadence.fail(self.plan, step, self.clock())
        else:
            self.plan = cadence.succeed(self.plan, step, self.clock())

    def _note_unknown(self, step: Step, error: NodeInvalidError) -> None:
        """Enrol again when the server forgot us; a refused enrolment is slowed down like any."""
        if step is Step.ENROL:
            say(f"enrol failed: {error}")
            self.plan = cadence.fail(self.plan, step, self.clock())
            return
        say(f"the server does not know this device any more: {error}")
        self.session.state.put(node_key="")
        self.plan = cadence.lose_enrolment(self.plan, self.clock())

    def _act(self, step: Step) -> None:
        actions: dict[Step, Callable[[], object]] = {
            Step.ENROL: lambda: session.enrol(self.session),
            Step.CONFIG: self._refresh_config,
            Step.WATCH: self._watch,
            Step.WORK: self._work,
            Step.SCHEDULE: self._run_schedule,
            Step.WRITE: lambda: session.write_results(self.session),
            Step.LOG: self._send_lines,
            Step.CERTIFICATE: lambda: certificate.renew_if_due(self.session),
        }
        actions[step]()

    def _refresh_config(self) -> None:
        session.fetch_config(self.session)
        interval = float(self.session.config.distributed_interval)
        self.plan = replace(self.plan, work_interval=interval)

    def _work(self) -> None:
        work = session.fetch_work(self.session)
        self.plan = cadence.accelerate(self.plan, work.accelerate, self.clock())
        session.answer_work(self.session, work, lambda: self.stop.requested)
        self._send_answers()

    def _send_answers(self) -> None:
        """Make the sending of kept answers the next step; the order of steps puts it last."""
        if self.session.state.list_results():
            self.plan = cadence.hurry(self.plan, Step.WRITE, self.clock())
            self.do(Step.WRITE)

    def _send_lines(self) -> None:
        sent = session.send_lines(self.session)
        while sent and not self.stop.requested:
            sent = session.send_lines(self.session)

    def _watch(self) -> None:
        changed = self.damper.filter_changes(self.changes(), self.clock())
        if not changed:
            return
        queries = session.load_queries(self.session.state)
        concerned = find_concerned(self.session, queries, changed)
        say(f"changed: {', '.join(sorted(changed))}; {len(concerned)} checks run again")
        gate = self.session.gate()
        for name in concerned:
            found = manifest.answer(self.session.engine, gate, queries[name])
            self.session.state.put_results({name: session.result_body(found)})
        if self.plan.enrolled:
            self._send_answers()

    def _run_schedule(self) -> None:
        now = self.clock()
        for query in self.session.config.schedule:
            if now >= self.run_at.get(query.name, now) and not self.stop.requested:
                self.run_at[query.name] = now + query.interval
                session.run_scheduled(self.session, query, time.time())


def find_concerned(
    current: Session, queries: dict[str, str], changed: Iterable[str]
) -> tuple[str, ...]:
    """Return the checks that read a changed table, by their computed columns."""
    tables = frozenset(changed)
    concerned: list[str] = []
    for name, sql in queries.items():
        try:
            reads = current.engine.compute_reads(sql)
        except QueryError:
            continue
        if any(table in tables for table, _ in reads):
            concerned.append(name)
    return tuple(sorted(concerned))

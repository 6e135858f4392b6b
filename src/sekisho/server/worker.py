"""The worker: small pieces of work, each done again and again in its own time.

A piece is a service function that does what is due and commits; its cursor lies in the same
transaction, so a crash repeats work and never loses it. One failing piece does not stop the rest.
"""

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from sekisho.kernel.installation import set_fact
from sekisho.kernel.principal import SYSTEM
from sekisho.server.bootstrap import House

log = structlog.get_logger()

_LONGEST_PAUSE_SECONDS = 300


@dataclass(slots=True)
class Chore:
    """One piece of work: what to call, how often, and how it went lately."""

    name: str
    period_seconds: float
    run: Callable[[House], object]
    due_at: float = 0.0
    failures: int = field(default=0)

    def turn(self, house: House, now: float) -> None:
        """Do the work if it is due; after a failure wait longer each time."""
        if now < self.due_at:
            return
        try:
            self.run(house)
        except Exception as error:
            self.failures += 1
            pause = min(_LONGEST_PAUSE_SECONDS, self.period_seconds * 2**self.failures)
            log.exception("chore failed", chore=self.name, again_in=pause, why=str(error))
        else:
            self.failures, pause = 0, self.period_seconds
        self.due_at = now + pause


def turned(house: House) -> None:
    """Leave a sign that the worker is alive (``/healthz`` looks for it)."""
    with house.database.write(SYSTEM) as tx:
        set_fact(tx, "worker.turned_at", tx.now.timestamp())


def run_worker(house: House, chores: list[Chore], stopping: threading.Event) -> None:
    """Turn until told to stop; each turn does whatever is due."""
    log.info("worker started", chores=[chore.name for chore in chores])
    while not stopping.is_set():
        for chore in chores:
            if stopping.is_set():
                break
            chore.turn(house, time.monotonic())
        nearest = min(chore.due_at for chore in chores)
        stopping.wait(max(0.05, nearest - time.monotonic()))
    log.info("worker stopped")


def stop_on_signals(stopping: threading.Event) -> None:
    """Set ``stopping`` on SIGTERM and SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())

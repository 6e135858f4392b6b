"""Keeps the processes of one machine running: starts them, watches them, stops them in order.

A process that dies is started again after a pause that grows with each quick death; one that
stays up for a while is forgiven. Nothing is restarted once stopping has begun.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

log = structlog.get_logger()

_LONGEST_PAUSE_SECONDS = 60.0
_FORGIVEN_AFTER_SECONDS = 60.0
_STOP_SECONDS = 15.0

# What a process exits with when it wants to be started anew at once (EX_TEMPFAIL, sysexits.h).
START_ANEW = 75


class Process(Protocol):
    """What the supervisor needs of a running process; ``subprocess.Popen`` has it."""

    @property
    def pid(self) -> int:
        """The process number."""

    @property
    def returncode(self) -> int | None:
        """The exit code, as far as it is known."""

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code; raises subprocess.TimeoutExpired."""

    def send_signal(self, sig: int, /) -> None:
        """Send a signal."""

    def kill(self) -> None:
        """End it at once."""


@dataclass(slots=True)
class Child:
    """One supervised process: its name, its command, its environment.

    ``output`` is the file number that it writes to; None: where we do. ``start_with`` starts it
    in another way than by its command (``forked``); it is given this child.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    process: Process | None = None
    started_at: float = 0.0
    deaths: int = 0
    again_at: float = field(default=0.0)
    output: int | None = None
    start_with: "Callable[[Child], Process] | None" = None

    def start(self, now: float) -> None:
        """Start the process in a session of its own, so that Ctrl-C reaches only us."""
        self.process = (self.start_with or run_command)(self)
        self.started_at = now
        log.info("process started", name=self.name, pid=self.process.pid)

    def watch(self, now: float) -> None:
        """Notice a death and start again when its pause is over."""
        if self.process is None:
            if now >= self.again_at:
                self.start(now)
            return
        code = self.process.poll()
        if code is None:
            return
        if code == START_ANEW:
            self.start(now)
            return
        self.deaths = 1 if now - self.started_at > _FORGIVEN_AFTER_SECONDS else self.deaths + 1
        pause = min(_LONGEST_PAUSE_SECONDS, 0.5 * 2**self.deaths)
        log.error("process ended", name=self.name, code=code, again_in=pause)
        self.process, self.again_at = None, now + pause

    def end(self, deadline: float) -> None:
        """Ask the process to stop; kill it at the deadline."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.warning("process killed", name=self.name)
            self.process.kill()
            self.process.wait()
        self.process = None

    def signal(self, number: int) -> None:
        """Send a signal to a running process."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)


def run_command(child: Child) -> Process:
    """Start the child's command."""
    return subprocess.Popen(  # noqa: S603 - our own program, arguments made by us
        list(child.command), env=dict(child.environment), start_new_session=True,
        stdout=child.output, stderr=child.output,
    )  # fmt: skip


class Supervisor:
    """Runs children until it is told to stop."""

    def __init__(self, children: Sequence[Child]) -> None:
        self.children = list(children)
        self._stopping = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, *_: object) -> None:
        self._stopping = True

    @property
    def stopping(self) -> bool:
        """Tell whether a signal to stop has come."""
        return self._stopping

    def add(self, child: Child) -> None:
        """Take one more child under watch and start it."""
        self.children.append(child)
        child.start(time.monotonic())

    def start(self) -> None:
        """Start every child."""
        for child in self.children:
            child.start(time.monotonic())

    def turn(self) -> None:
        """Look after every child once."""
        for child in self.children:
            if not self._stopping:
                child.watch(time.monotonic())

    def run(self, period_seconds: float = 0.25) -> None:
        """Look after the children until told to stop, then stop them."""
        while not self._stopping:
            self.turn()
            time.sleep(period_seconds)
        self.stop()

    def stop(self) -> None:
        """Stop all children, the last started first; kill what does not end in time."""
        self._stopping = True
        for child in reversed(self.children):
            child.signal(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        for child in reversed(self.children):
            child.end(deadline)


def own_command(*arguments: str) -> list[str]:
    """Return the command that runs this very installation with ``arguments``."""
    return [sys.executable, "-m", "sekisho", *arguments]


def quiet_environment(base: Mapping[str, str], **settings: str) -> dict[str, str]:
    """Return ``base`` with our settings set and nothing that would change Python's behaviour."""
    kept = {name: value for name, value in base.items() if not name.startswith("PYTHON")}
    return kept | {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "0"} | settings


def is_running(pid: int) -> bool:
    """Tell whether a process with this number exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

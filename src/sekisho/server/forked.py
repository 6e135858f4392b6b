"""A supervised process that is forked from one in which everything is loaded already (ADR 0016).

Four interpreters that each import the house hold it four times; forked ones share its pages until
they write to them, and start at once. Linux only: elsewhere each process loads for itself.
"""

import gc
import importlib
import logging
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TextIO

from setproctitle import setproctitle

Entry = Callable[[], int]

CAN_FORK = sys.platform == "linux"
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_HOUSE = (
    "sekisho.cli.serve",
    "sekisho.server.bootstrap",
    "sekisho.server.certificates",
    "sekisho.server.chores",
    "sekisho.server.listeners",
    "sekisho.server.outgoing",
    "sekisho.server.worker",
)
_LOOK_SECONDS = 0.02
_GATE = "sekisho.server.gate.process"


def preload(*, has_gate: bool) -> None:
    """Load what web, worker and gate have in common, for processes to be forked from this one.

    Content and words are read too. The collector is told to leave all of it alone: a page that
    it marks would be copied by every child.
    """
    for name in (*_HOUSE, *((_GATE,) if has_gate else ())):
        importlib.import_module(name)
    from sekisho.controls.catalogue import load_catalogue  # noqa: PLC0415 - with the rest
    from sekisho.kernel.i18n import load_japanese  # noqa: PLC0415 - the same

    load_japanese()
    load_catalogue()
    gc.collect()
    gc.freeze()


class ForkedProcess:
    """A forked child with the methods of ``subprocess.Popen`` that a supervisor needs."""

    def __init__(
        self, title: str, entry: Entry, environment: Mapping[str, str], output: int | None
    ) -> None:
        context = multiprocessing.get_context("fork")
        work = (title, entry, environment, output)
        self._process: BaseProcess = context.Process(target=_live, args=work, name=title)
        # Between the fork and the child's own handlers a signal must wait, not be lost in ours.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    @property
    def pid(self) -> int:
        """The process number."""
        return self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        """What it exited with, the negative signal that killed it, or None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return what it exited with, or None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; raises subprocess.TimeoutExpired after ``timeout`` seconds."""
        deadline = time.monotonic() + (math.inf if timeout is None else timeout)
        while (code := self.poll()) is None:
            if time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(self._process.name, timeout or 0.0)
            time.sleep(_LOOK_SECONDS)  # not join(): the child has let go of its pipe to us
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal; nothing if it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def _live(title: str, entry: Entry, environment: Mapping[str, str], output: int | None) -> None:
    """Become a process of its own, as one that was started by a command would be; then work."""
    os.setsid()
    setproctitle(title)  # before the environment changes: it lies beside the arguments in memory
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    _leave_files(output)
    os.environ.clear()  # noqa: TID251 - a command would get it so
    os.environ.update(environment)  # noqa: TID251 - the same
    logging.getLogger().handlers.clear()  # the parent's; this process has its own to make
    sys.exit(entry())


def _leave_files(output: int | None) -> None:
    """Write to ``output`` and let go of every other file of the parent (its lock above all).

    Their numbers stay taken: objects that the parent made still know them, and would close under
    those numbers what is opened here later.
    """
    if output is not None:
        os.dup2(output, 1)
        os.dup2(output, 2)
    nothing = os.open(os.devnull, os.O_RDWR)
    for file in list(Path("/proc/self/fd").iterdir()):
        if file.is_symlink() and int(file.name) not in {0, 1, 2, nothing}:
            os.dup2(nothing, int(file.name))
    sys.stdout = _open_stream(1)
    sys.stderr = _open_stream(2)


def _open_stream(number: int) -> TextIO:
    return os.fdopen(number, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)

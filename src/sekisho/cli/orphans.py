"""A process that ``sekisho up`` started ends when ``up`` is gone, however that ended.

Otherwise a killed ``up`` would leave a web process and a worker behind, which hold the ports
and work on the same data as those of the next start.
"""

import argparse
import os
import signal
import threading
import time

_LOOK_SECONDS = 1.0


def add_supervisor_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--supervisor PID``, which only ``up`` uses; the help does not list it."""
    parser.add_argument("--supervisor", type=int, default=0, help=argparse.SUPPRESS)


def leave_with(supervisor: int) -> None:
    """Ask this process to stop (SIGTERM) once the process that started it is gone; 0: never.

    An orphan is known by its new parent. Windows gives it none, so nothing happens there.
    """
    if supervisor:
        threading.Thread(target=_watch, args=(supervisor,), name="orphan", daemon=True).start()


def _watch(supervisor: int) -> None:
    while os.getppid() == supervisor:
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)

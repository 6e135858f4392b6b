"""Work that a process does in a child of its own, so that what it loads is gone afterwards.

The supervisor lives as long as the server and forks its processes (ADR 0016), so it must have no
threads, connections and keys. What it does once, at the start (open the database, make
certificates, issue a link), would leave some. Where processes load for themselves, 75 MiB of
libraries would stay too: neither this module nor those that the supervisor keeps import them.
"""

import os
import pickle
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from sekisho.kernel.errors import UnavailableError
from sekisho.kernel.i18n import msg

T = TypeVar("T")


def do_apart(work: Callable[[], T]) -> T:
    """Return what ``work`` returns, or raise what it raises, having done it in a forked child.

    The caller must have no threads. Raises UnavailableError if the child dies. Where there is no
    fork (Windows) the work is done here.
    """
    if not hasattr(os, "fork"):
        return work()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _tell(work, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    if not told:
        raise UnavailableError(
            msg("A part of the start ended without a word."),
            hint=msg("Look at what was said above, and at the memory of this machine."),
        )
    fine, outcome = pickle.loads(told)  # noqa: S301 - our own child wrote it
    if not fine:
        raise outcome
    return outcome  # type: ignore[no-any-return]  # what the work returned


def _tell(work: Callable[[], Any], writing: int) -> NoReturn:
    """Do the work in the child, write what came of it and end, without the parent's clean-up."""
    code = 1
    try:
        outcome: tuple[bool, Any]
        try:
            outcome = (True, work())
        except BaseException as error:  # noqa: BLE001 - the parent raises it
            outcome = (False, error)
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(pickle.dumps(outcome))
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        code = 0
    finally:
        os._exit(code)

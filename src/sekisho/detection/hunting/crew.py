"""Processes that share a hunt, any of which may be ended by the system without ending the hunt.

The first process hands out shares and hears of progress and parts over one pipe for each of the
others. No lock is shared, so that one that is killed holds nobody up; what it was reading is
tried once more, file by file, and a file with which that happens again is told.
"""

import multiprocessing
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Any

from sekisho.detection.hunting.collecting import Part
from sekisho.detection.sources.limits import Trouble
from sekisho.detection.sources.walking import Found
from sekisho.kernel.i18n import msg

Share = Sequence[Found]
Work = Callable[[Share, Callable[[int], None]], Part]
"""Reads a share, tells how many bytes were read, and gives what was found."""

_Pipe = Any
"""``multiprocessing.connection.Connection``, which has another name on Windows."""
GLANCE = 0.2
"""Seconds after which progress is told where nobody was heard of."""


@dataclass(slots=True)
class _Member:
    """A process, the pipe to it, and what it is reading."""

    process: Any
    pipe: _Pipe
    share: Share = ()


@dataclass(slots=True)
class Crew:
    """Hands shares out; ``make`` makes the work in each process, ``told`` hears of bytes read."""

    make: Callable[[], Work]
    told: Callable[[int], None]
    waiting: deque[Share] = field(default_factory=deque)
    _members: list[_Member] = field(default_factory=list)
    _lost: set[Found] = field(default_factory=set)

    def run(self, shares: Sequence[Share], jobs: int) -> Generator[Part]:
        """Yield a part for every share, in whatever order they are done."""
        self.waiting.extend(shares)
        try:
            for _ in range(min(jobs, len(shares))):
                self._start()
            while self._members:
                yield from self._hear()
        finally:
            for member in self._members:
                member.process.terminate()
            for member in self._members:
                member.process.join()

    def _start(self) -> None:
        """Start a process with the next share, if there is one left."""
        if not self.waiting:
            return
        method = _method()
        context: Any = multiprocessing.get_context(method)
        ours, theirs = context.Pipe()
        inherited = [*(member.pipe for member in self._members), ours] if method == "fork" else []
        process = context.Process(target=_serve, args=(theirs, inherited, self.make), daemon=True)
        process.start()
        theirs.close()  # so that its end is heard of
        member = _Member(process, ours)
        self._members.append(member)
        self._assign(member)

    def _assign(self, member: _Member) -> None:
        member.share = self.waiting.popleft() if self.waiting else ()
        try:
            member.pipe.send(member.share)
        except OSError:
            return  # it is gone, as reading from it will tell
        if not member.share:
            self._dismiss(member)

    def _dismiss(self, member: _Member) -> None:
        self._members.remove(member)
        member.process.join()
        member.pipe.close()

    def _hear(self) -> Iterator[Part]:
        """Take in what was sent, and yield the parts among it."""
        by_pipe: dict[Any, _Member] = {member.pipe: member for member in self._members}
        heard = wait(list(by_pipe), GLANCE)
        if not heard:
            self.told(0)
        for pipe in heard:
            member = by_pipe[pipe]
            try:
                said = member.pipe.recv()
            except (EOFError, OSError):
                yield self._lose(member)
                continue
            if isinstance(said, Part):
                self._assign(member)
                yield said
            else:
                self.told(said)

    def _lose(self, member: _Member) -> Part:
        """See to what a process was reading that is there no longer."""
        share = member.share
        self._dismiss(member)
        part = Part()
        for found in share:
            if found in self._lost:
                part.troubles.append(_say_lost(found, member.process.exitcode))
                part.read.files_skipped += 1
            else:
                self._lost.add(found)
                self.waiting.append([found])
        self._start()
        return part


def _say_lost(found: Found, code: int | None) -> Trouble:
    known = -(code or 0) in set(signal.Signals)
    why = signal.Signals(-(code or 0)).name if known else str(code)
    return Trouble(
        found.name,
        None,
        msg("The process that read it was ended by the system (%(why)s).", why=why),
        msg("There may have been too little memory; try it again alone, with --jobs 1."),
    )


def _serve(pipe: _Pipe, inherited: Sequence[_Pipe], make: Callable[[], Work]) -> None:
    """Work on shares until there is none left; the first process decides when to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for other in inherited:
        other.close()  # else the end of the first process would go unnoticed
    try:
        work = make()
        while share := pipe.recv():
            pipe.send(work(share, pipe.send))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the first process is gone
    except MemoryError:
        return  # which the first process sees by the end of the pipe


def _method() -> str:
    """Fork where that is safe (one thread, Linux): a matcher's rules need not be read again."""
    safe = sys.platform == "linux" and threading.active_count() == 1
    return "fork" if safe else "spawn"

"""The real web process with a clock that a test moves, and the worker's chores done on demand.

The clock begins at a given instant, goes on as time does, and jumps by what a file says, so that
the server, in a process of its own, and the test agree on what time it is.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sekisho.controls import service as controls
from sekisho.identity import service as identity
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.settings import Address, Settings
from sekisho.server.bootstrap import House, open_house
from sekisho.server.certificates import ensure_certificate
from sekisho.server.chores import make_chores
from sekisho.server.listeners import serve_web
from sekisho.server.outgoing import make_outgoing
from sekisho.server.rulebook import open_rulebook

START = datetime(2026, 11, 26, 1, 0, tzinfo=UTC)  # a Thursday morning in Japan
READY_SECONDS = 90
# What a flow leans on; the others keep house (certificates, checkpoints, sweeping).
CHORES = frozenset({
    "exceptions", "people of exceptions", "stale verdicts", "self-checks", "documents",
    "old reports", "acts on many", "tell owners", "tell newcomers", "hand out notices",
    "send notices",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class FileClock:
    """Goes on from START since ``began`` (seconds of the real clock), plus what the file says."""

    path: Path
    began: float

    def now(self) -> datetime:
        """Return the instant."""
        jumped = float(self.path.read_text() or "0")
        return START + timedelta(seconds=time.time() - self.began + jumped)

    def advance(self, **parts: float) -> None:
        """Jump ahead by ``timedelta(**parts)``."""
        jumped = float(self.path.read_text() or "0") + timedelta(**parts).total_seconds()
        draft = self.path.with_suffix(".new")
        draft.write_text(str(jumped))
        draft.replace(self.path)


@dataclass(frozen=True, slots=True)
class Clocked:
    """A running web process, its house as the worker would have it open, and its clock."""

    house: House
    clock: FileClock

    @property
    def url(self) -> str:
        """Return the address of the admin listener."""
        return self.house.settings.admin_url

    @property
    def public_url(self) -> str:
        """Return the address of the public listener."""
        return self.house.settings.public_url

    @property
    def data(self) -> Path:
        """Return the data folder."""
        return self.house.settings.data

    @property
    def authority(self) -> Path:
        """Return the certificate of the installation's own authority."""
        return self.data / "ca" / "ca.pem"

    def work(self) -> None:
        """Do what the worker would do by now."""
        for chore in [*make_chores(self.house), *make_outgoing(self.house)]:
            if chore.name in CHORES:
                chore.run(self.house)

    def first_admin(self) -> str:
        """Return the address of a first-admin link."""
        with self.house.database.write(SYSTEM) as tx:
            path = identity.issue_first_admin_link(tx)
        assert path is not None
        return f"{self.url}{path}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _settings(folder: Path, ports: list[int]) -> Settings:
    public, intake, admin = (Address("127.0.0.1", port) for port in ports)
    return Settings(
        data=folder, organisation="みなと設計", public_name="localhost", public=public,
        intake=intake, admin=admin, language="en", time_zone="Asia/Tokyo",
    )  # fmt: skip


@contextmanager
def running_clocked(folder: Path) -> Iterator[Clocked]:
    """Run the web process on free ports of loopback until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    clock = FileClock(folder.parent / f"{folder.name}-clock", time.time())
    clock.path.write_text("0")
    ports = [_free_port() for _ in range(3)]
    with open_house(_settings(folder, ports), clock) as house:
        command = [sys.executable, __file__, str(folder), str(clock.path), repr(clock.began),
                   *map(str, ports)]  # fmt: skip
        log = folder.parent / f"{folder.name}.log"
        with log.open("w") as said:
            process = subprocess.Popen(command, stdout=said, stderr=said)
        try:
            _wait_until_open(process, ports, log)
            yield Clocked(house, clock)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(40)


def _wait_until_open(process: subprocess.Popen[bytes], ports: list[int], log: Path) -> None:
    until = time.monotonic() + READY_SECONDS
    waiting = list(ports)
    while waiting:
        assert process.poll() is None, log.read_text()[-4000:]
        assert time.monotonic() < until, log.read_text()[-4000:]
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", waiting[0])) == 0:
                waiting.pop(0)
                continue
        time.sleep(0.1)


def main() -> int:
    """Serve with the file's clock; the arguments are those that ``running_clocked`` gives."""
    folder, path, began, *ports = sys.argv[1:]
    settings = _settings(Path(folder), [int(port) for port in ports])
    controls.put_in_force(open_rulebook(settings))
    with open_house(settings, FileClock(Path(path), float(began))) as house:
        return asyncio.run(serve_web(house, ensure_certificate(house, ask=False)))


if __name__ == "__main__":
    os._exit(main())

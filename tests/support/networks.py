"""Two networks that meet at one wire: an office with the servers, and a home with the device.

Each is a network namespace of the test's own. What a thread opens or starts while it is ``inside``
one belongs there; a command started with ``Place.reach`` finds the office's names as well.
"""

import ctypes
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

OFFICE, HOME = "10.77.0.1", "10.77.0.2"
_NAMES, _SPACES = Path("/etc/netns"), Path("/run/netns")
_CLONE_NEWNET = 0x40000000  # linux/sched.h
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Place:
    """One of the two networks."""

    name: str

    @property
    def reach(self) -> list[str]:
        """Return what a command line begins with that runs here."""
        return ["ip", "netns", "exec", self.name]

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Let what this thread opens, and the processes it starts, be here."""
        with Path(f"/proc/self/task/{threading.get_native_id()}/ns/net").open("rb") as before:
            with (_SPACES / self.name).open("rb") as here:
                _enter(here.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def office_and_home(*names: str) -> Iterator[tuple[Place, Place]]:
    """Make both, joined; at home ``names`` lead to the office. Needs root."""
    mark = os.urandom(3).hex()
    office, home = Place(f"office-{mark}"), Place(f"home-{mark}")
    with ExitStack() as stack:
        for place in (office, home):
            _run("netns", "add", place.name)
            stack.callback(_run, "netns", "del", place.name)
        folder = _NAMES / home.name
        folder.mkdir(parents=True)
        stack.callback(shutil.rmtree, folder)
        (folder / "hosts").write_text(f"127.0.0.1 localhost\n{OFFICE} {' '.join(names)}\n")
        wire = f"o{mark}", f"h{mark}"
        _run("-n", office.name, "link", "add", wire[0], "type", "veth", "peer", wire[1],
             "netns", home.name)  # fmt: skip
        for place, end, address in ((office, wire[0], OFFICE), (home, wire[1], HOME)):
            _run("-n", place.name, "address", "add", f"{address}/24", "dev", end)
            for link in ("lo", end):
                _run("-n", place.name, "link", "set", link, "up")
        yield office, home


def _run(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def write_launcher(path: Path, command: Sequence[str]) -> Path:
    """Write a program that runs ``command`` with whatever it is given."""
    path.write_text(f'#!/bin/sh\nexec {" ".join(command)} "$@"\n')
    path.chmod(0o700)
    return path

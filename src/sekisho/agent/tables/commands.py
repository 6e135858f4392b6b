"""Runs one outside command with everything bounded: time, output, environment; never a shell.

A command that is missing, hangs, floods or is refused raises ``Unreadable``: the table that asked
could not be read. A command that ran and failed gives its exit code; its reader decides.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from sekisho.agent.table import Unreadable

TIMEOUT_SECONDS = 5.0
OUTPUT_LIMIT = 16 * 1024 * 1024
_POSIX_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_WINDOWS_KEPT = ("SYSTEMROOT", "SYSTEMDRIVE", "TEMP", "TMP", "USERPROFILE", "PROGRAMDATA", "PATH")


@dataclass(frozen=True, slots=True)
class Account:
    """The person on whose behalf a command runs: ids, name and home folder."""

    uid: int
    gid: int
    name: str
    home: str


@dataclass(frozen=True, slots=True)
class Output:
    """What a command said: standard output, standard error (both decoded) and its exit code."""

    text: str
    errors: str
    code: int


Run = Callable[..., Output]
"""The shape of :func:`run`: ``run(argv, timeout=…, account=…)``; tests hand in recordings."""


def run(
    argv: Sequence[str],
    *,
    timeout: float = TIMEOUT_SECONDS,
    limit: int = OUTPUT_LIMIT,
    account: Account | None = None,
) -> Output:
    """Run ``argv`` and give back what it said; raise ``Unreadable`` if it could not be heard out.

    ``account`` drops a root process to that person (ids, no extra groups, their home).
    """
    process = _start(argv, account)
    sinks = [_Sink(process, process.stdout, limit), _Sink(process, process.stderr, limit)]
    try:
        code = process.wait(timeout)
    except subprocess.TimeoutExpired:
        _kill(process)
        raise Unreadable(f"{argv[0]} gave no answer within {timeout:g} s; it was stopped") from None
    finally:
        for sink in sinks:
            sink.finish()
    if any(sink.flooded for sink in sinks):
        raise Unreadable(f"{argv[0]} wrote more than {limit} bytes; its answer was thrown away")
    return Output(text=sinks[0].text(), errors=sinks[1].text(), code=code)


def lines(argv: Sequence[str], *, timeout: float = TIMEOUT_SECONDS) -> Iterator[str]:
    """Yield the lines of a long answer one by one, so that it is never held whole.

    Raises ``Unreadable`` where :func:`run` would, and at the end if the command failed.
    """
    process = _start(argv, None)
    late = threading.Event()

    def stop() -> None:
        late.set()
        _kill(process)

    timer = threading.Timer(timeout, stop)
    timer.start()
    try:
        if process.stdout is not None:
            yield from (line.decode("utf-8", errors="replace") for line in process.stdout)
        code = process.wait()
    finally:
        timer.cancel()
        if process.poll() is None:
            _kill(process)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
    if late.is_set():
        raise Unreadable(f"{argv[0]} did not finish within {timeout:g} s; it was stopped")
    if code != 0:
        raise Unreadable(f"{argv[0]} ended with {code}")


Lines = Callable[[Sequence[str]], Iterator[str]]
"""The shape of :func:`lines`; tests hand in recordings."""


def answer(output: Output, command: str) -> str:
    """Return the standard output of a command that must end with 0, else raise ``Unreadable``."""
    if output.code != 0:
        said = (output.errors or output.text).strip().splitlines()
        raise Unreadable(
            f"{command} ended with {output.code}: {said[-1][:200] if said else 'no message'}"
        )
    return output.text


class _Sink:
    """Reads one stream of a process in a thread, up to a limit; more than that ends the process."""

    def __init__(
        self, process: subprocess.Popen[bytes], stream: IO[bytes] | None, limit: int
    ) -> None:
        self._process = process
        self._stream = stream
        self._limit = limit
        self._data = b""
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    @property
    def flooded(self) -> bool:
        """Whether the stream held more than the limit."""
        return len(self._data) > self._limit

    def _drain(self) -> None:
        if self._stream is None:
            return
        self._data = self._stream.read(self._limit + 1)
        if self.flooded:
            _kill(self._process)

    def finish(self) -> None:
        """Wait for the reader (a second at most: a grandchild may keep the pipe open)."""
        self._thread.join(1.0)
        if self._stream is not None and not self._thread.is_alive():
            self._stream.close()

    def text(self) -> str:
        """Return the data as text; bytes that are not UTF-8 become replacement characters."""
        return self._data.decode("utf-8", errors="replace")


def _start(argv: Sequence[str], account: Account | None) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 - fixed argument lists of our own, never a shell
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(account),
            cwd=None if os.name == "nt" else "/",
            start_new_session=os.name != "nt",
            creationflags=0x08000000 if os.name == "nt" else 0,  # no console window
            user=account.uid if account and _is_root() else None,
            group=account.gid if account and _is_root() else None,
            extra_groups=[] if account and _is_root() else None,
        )
    except FileNotFoundError:
        raise Unreadable(f"the command {argv[0]} is not installed on this computer") from None
    except OSError as error:
        raise Unreadable(f"the command {argv[0]} could not be started: {error}") from None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the command and everything it started."""
    if sys.platform == "win32":
        process.kill()
    else:
        try:
            os.killpg(process.pid, 9)
        except (ProcessLookupError, PermissionError):
            process.kill()
    process.wait()


def _is_root() -> bool:
    return sys.platform != "win32" and os.geteuid() == 0


def _environment(account: Account | None) -> dict[str, str]:
    """Return a small environment: plain English output, a trusted path, the person's own home."""
    if os.name == "nt":
        # Windows programs do not start without SystemRoot; the agent has no kernel.settings.
        return {k: v for k, v in os.environ.items() if k.upper() in _WINDOWS_KEPT}  # noqa: TID251
    plain = {"LC_ALL": "C", "LANG": "C", "PATH": _POSIX_PATH}
    if account is None:
        return plain
    runtime = f"/run/user/{account.uid}"
    return plain | {
        "HOME": account.home,
        "USER": account.name,
        "LOGNAME": account.name,
        "XDG_RUNTIME_DIR": runtime,
        "DBUS_SESSION_BUS_ADDRESS": f"unix:path={runtime}/bus",
    }


def system_folder() -> str:
    """Return the folder of Windows, so that its programs are started by their full path."""
    # The agent has no kernel.settings; Windows tells its folder only here.
    return os.environ.get("SYSTEMROOT", r"C:\Windows")  # noqa: TID251

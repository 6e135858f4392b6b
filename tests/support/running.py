"""A real ``sekisho up`` in a folder of its own, started and stopped as a person would."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sekisho.cli.main import main

READY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Running:
    """A running installation: what it said when it was ready, and its process."""

    ready: dict[str, Any]
    process: subprocess.Popen[str]
    log: Path

    @property
    def url(self) -> str:
        return str(self.ready["url"])

    @property
    def public_url(self) -> str:
        return str(self.ready["public_url"])

    @property
    def data(self) -> Path:
        return Path(self.ready["data"])

    @property
    def authority(self) -> Path:
        """Return the certificate of the installation's own authority."""
        return self.data / "ca" / "ca.pem"

    def stop(self) -> int:
        """Ask it to stop and wait until it has."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)


@contextmanager
def running_up(
    folder: Path, *options: str, environment: dict[str, str] | None = None
) -> Iterator[Running]:
    """Run ``sekisho up --data folder …`` on free ports of loopback until the block ends."""
    folder.mkdir(exist_ok=True)
    log = folder.parent / f"{folder.name}-{time.monotonic_ns()}.log"
    command = [
        sys.executable, "-m", "sekisho", "up", "--data", str(folder), "--listen", "127.0.0.1:0",
        "--format", "json", *options,
    ]  # fmt: skip
    with log.open("w") as stderr:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=stderr,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **(environment or {})},
        )
    running = None
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"up ended early ({process.wait(10)}):\n{log.read_text()[-4000:]}"
        running = Running(json.loads(line), process, log)
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
        assert "panicked" not in log.read_text(), f"a thread of granian panicked:\n{log}"


def run_cli(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run one ``sekisho`` command to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "sekisho", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert not check or done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
    return done


def run_here(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run one ``sekisho`` command in this process: another Python takes a second to start.

    What is not ours is raised, where a process of its own would show a trace.
    """
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(arguments)
    done = subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())
    assert not check or code == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
    return done

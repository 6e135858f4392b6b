"""A forked process is one of its own: signals, files, environment and name are not its parent's."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from sekisho.server.forked import CAN_FORK, ForkedProcess
from sekisho.server.supervise import Child

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="processes are forked on Linux alone")
_WAIT_SECONDS = 10


def _fork(entry: object, output: int | None = None) -> ForkedProcess:
    assert callable(entry)
    return ForkedProcess("sekisho serve test", entry, {"SEKISHO_TEST": "1"}, output)


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_the_entry_returns_is_the_exit_code() -> None:
    process = _fork(lambda: 75)
    assert process.wait(_WAIT_SECONDS) == process.poll() == 75


def test_an_error_is_told_and_is_no_success(tmp_path: Path) -> None:
    def fail() -> int:
        raise ValueError("told")

    with (tmp_path / "out").open("wb") as file:
        assert _fork(fail, file.fileno()).wait(_WAIT_SECONDS) == 1
    assert "ValueError: told" in (tmp_path / "out").read_text()


def test_it_is_named_placed_and_equipped_as_a_command_would_be(tmp_path: Path) -> None:
    def tell() -> int:
        found = {
            "environment": dict(os.environ),
            "session": os.getsid(0),
            "words": psutil.Process().cmdline(),
        }
        sys.stdout.write(json.dumps(found))
        return 0

    with (tmp_path / "out").open("wb") as file:
        process = _fork(tell, file.fileno())
        assert process.wait(_WAIT_SECONDS) == 0

    found = json.loads((tmp_path / "out").read_text())
    assert found["environment"] == {"SEKISHO_TEST": "1"}
    assert found["session"] == process.pid
    assert found["words"][0] == "sekisho serve test"


def test_a_lock_of_the_parent_ends_with_the_parent_alone(tmp_path: Path) -> None:
    def stay() -> int:
        (tmp_path / "there").touch()
        time.sleep(60)
        return 0

    with (tmp_path / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        process = _fork(stay)
        _wait_for(tmp_path / "there")
    with (tmp_path / "lock").open("w") as again:
        fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.05)
    process.kill()
    assert process.wait(_WAIT_SECONDS) == -signal.SIGKILL
    process.send_signal(signal.SIGTERM)  # harmless: the number may be another's by now


def test_signals_are_not_handled_by_what_the_parent_set() -> None:
    def stay() -> int:
        time.sleep(60)
        return 0

    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        process = _fork(stay)
        process.send_signal(signal.SIGTERM)
        assert process.wait(_WAIT_SECONDS) == -signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, before)


def test_the_supervisor_watches_a_forked_child_like_any_other() -> None:
    child = Child("c", [sys.executable], {}, start_with=lambda _: _fork(lambda: 3))
    child.start(time.monotonic())
    deadline = time.monotonic() + _WAIT_SECONDS
    while child.process is not None:
        assert time.monotonic() < deadline
        child.watch(time.monotonic())
        time.sleep(0.01)
    assert child.deaths == 1


def test_loading_starts_no_thread_that_a_fork_would_lose() -> None:
    code = (
        "from pathlib import Path; from sekisho.server.forked import preload;"
        "preload(has_gate=True); print(len(list(Path('/proc/self/task').iterdir())))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"

"""Processes are started again when they die, at once when they ask, and stopped in order."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sekisho.server.supervise import START_ANEW, Child


def _child(code: str) -> Child:
    return Child("c", [sys.executable, "-c", code], dict(os.environ))


def _watch_until(child: Child, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not done():
        assert time.monotonic() < deadline
        child.watch(time.monotonic())
        time.sleep(0.02)


def test_a_death_is_followed_by_a_pause_and_a_new_start() -> None:
    child = _child("raise SystemExit(3)")
    child.start(time.monotonic())

    _watch_until(child, lambda: child.deaths == 2)

    assert child.process is None
    assert child.again_at - time.monotonic() > 1.0


def test_the_pause_grows_and_is_bounded() -> None:
    child = _child("raise SystemExit(3)")
    child.deaths = 50
    child.start(time.monotonic())

    _watch_until(child, lambda: child.process is None)

    assert 50 < child.again_at - time.monotonic() <= 60


def test_a_process_that_wants_a_new_start_gets_it_at_once() -> None:
    child = _child(f"raise SystemExit({START_ANEW})")
    child.start(time.monotonic())
    assert child.process is not None
    first = child.process.pid

    _watch_until(child, lambda: child.process is not None and child.process.pid != first)

    assert child.deaths == 0
    child.end(time.monotonic() + 5)


def test_a_process_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    deaf = "import signal,time,pathlib\nsignal.signal(15, signal.SIG_IGN)\n"
    child = _child(f"{deaf}pathlib.Path({str(tmp_path / 'deaf')!r}).touch()\ntime.sleep(60)")
    child.start(time.monotonic())
    assert child.process is not None
    process = child.process
    while not (tmp_path / "deaf").exists():
        time.sleep(0.01)

    child.signal(15)
    child.end(time.monotonic() + 0.2)

    assert process.returncode == -9


@pytest.mark.parametrize("number", [0, 15])
def test_signals_to_a_dead_process_are_harmless(number: int) -> None:
    child = _child("")
    child.start(time.monotonic())
    assert child.process is not None
    child.process.wait(10)

    child.signal(number)

    assert child.process.returncode == 0

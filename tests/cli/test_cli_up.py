"""What a newcomer sees: the ready message stands alone on a terminal, and Ctrl-C stops."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SECONDS = 60


@dataclass(slots=True)
class Terminal:
    """A terminal with one program in it."""

    process: subprocess.Popen[bytes]
    number: int
    seen: str = ""

    def read_until(self, words: str) -> str:
        deadline = time.monotonic() + SECONDS
        while words not in self.seen:
            assert time.monotonic() < deadline, self.seen
            if select.select([self.number], [], [], 0.5)[0]:
                self.seen += os.read(self.number, 4096).decode()
        return self.seen

    def type(self, words: str) -> None:
        os.write(self.number, words.encode())


@contextmanager
def terminal(folder: Path, *options: str, language: str = "C.UTF-8") -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "sekisho", "up", "--data", str(folder),
               "--listen", "127.0.0.1:0", *options]  # fmt: skip
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        env={**os.environ, "LC_ALL": language},
    )  # fmt: skip
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(40)
        os.close(ours)


def test_the_ready_message_stands_alone_and_the_log_is_in_a_file(tmp_path: Path) -> None:
    with terminal(tmp_path / "data", "--no-device") as shown:
        said = shown.read_until("Ctrl-C stops it.").replace("\r", "")
        assert said.strip().startswith("Sekisho is running.\n  Sign in here:")
        assert "/start/" in said
        assert "process started" not in said
        file = tmp_path / "data" / "sekisho.log"
        assert str(file) in said
        assert file.stat().st_mode & 0o777 == 0o600
        assert "process started" in file.read_text()
        assert "\x1b" not in file.read_text()
        token = said.partition("/start/")[2].split()[0]
        assert token not in file.read_text()
        shown.process.send_signal(signal.SIGINT)
        assert shown.process.wait(40) == 0


def test_the_question_is_asked_in_japanese_and_ctrl_c_is_an_answer(tmp_path: Path) -> None:
    with terminal(tmp_path / "data", language="ja_JP.UTF-8") as shown:
        said = shown.read_until("[y/N]")
        assert "関所が動いています。" in said
        shown.process.send_signal(signal.SIGINT)
        assert shown.process.wait(40) == 0
    assert not (tmp_path / "data" / "this-device" / "agent.db").exists()


def test_a_yes_enrols_this_machine(tmp_path: Path) -> None:
    with terminal(tmp_path / "data") as shown:
        shown.read_until("[y/N]")
        shown.type("y\n")
        shown.read_until("This machine is enrolled")
    assert (tmp_path / "data" / "this-device" / "agent.db").exists()

"""Commands are bounded: time, output, environment, and the person they run for."""

import os
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import cast

import pytest

from sekisho.agent.table import UnreadableError
from sekisho.agent.tables.commands import Account, answer, lines, run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="starts POSIX programs")
NOBODY = Account(uid=65534, gid=65534, name="nobody", home="/nonexistent")


def test_output_errors_and_code_are_told_apart() -> None:
    output = run(["/bin/sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (output.text, output.errors, output.code) == ("out\n", "err\n", 3)


def test_a_hanging_command_is_stopped_with_all_its_children() -> None:
    started = time.monotonic()
    with pytest.raises(UnreadableError, match=r"no answer within 0\.3 s"):
        run(["/bin/sh", "-c", "sleep 30 & sleep 30; wait"], timeout=0.3)
    assert time.monotonic() - started < 3


def test_a_flood_is_cut_off_and_thrown_away() -> None:
    with pytest.raises(UnreadableError, match="more than 100000 bytes"):
        run(["/bin/sh", "-c", "while :; do echo flood; done"], limit=100_000)


def test_a_missing_command_is_unreadable() -> None:
    with pytest.raises(UnreadableError, match="not installed"):
        run(["/nonexistent/tool"])


def test_bytes_that_are_not_utf8_do_not_break_the_answer() -> None:
    assert run(["/bin/sh", "-c", r"printf 'a\377b'"]).text == "a\ufffdb"


def test_the_environment_is_plain_english_and_small() -> None:
    lines = dict(line.split("=", 1) for line in run(["/usr/bin/env"]).text.splitlines())
    assert lines["LC_ALL"] == "C"
    assert set(lines) <= {"LC_ALL", "LANG", "PATH", "PWD", "SHLVL", "_"}
    assert "." not in lines["PATH"].split(":")


def test_a_failed_command_is_unreadable_with_its_last_words() -> None:
    with pytest.raises(UnreadableError, match="tool ended with 2: permission denied"):
        answer(run(["/bin/sh", "-c", "echo permission denied >&2; exit 2"]), "tool")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root may become another")
def test_root_drops_to_the_person_it_asks_for() -> None:
    asked = run(["/bin/sh", "-c", 'echo "$(id -u) $(id -G) $HOME"'], account=NOBODY)
    assert asked.text.split() == ["65534", "65534", "/nonexistent"]


def test_no_shell_reads_the_arguments() -> None:
    assert run(["/bin/echo", "$HOME;id"]).text == "$HOME;id\n"
    assert not Path("/nonexistent").exists()


class TestLines:
    def test_a_long_answer_comes_line_by_line(self) -> None:
        assert sum(1 for _ in lines(["/usr/bin/seq", "200000"])) == 200_000

    def test_a_reader_that_stops_early_leaves_no_process(self) -> None:
        source = cast("Generator[str]", lines(["/bin/sh", "-c", "while :; do echo flood; done"]))
        assert next(source) == "flood\n"
        source.close()

    def test_a_hanging_or_failing_command_is_unreadable(self) -> None:
        with pytest.raises(UnreadableError, match=r"did not finish within 0\.2 s"):
            list(lines(["/bin/sh", "-c", "echo a; sleep 30"], timeout=0.2))
        with pytest.raises(UnreadableError, match="ended with 4"):
            list(lines(["/bin/sh", "-c", "echo a; exit 4"]))

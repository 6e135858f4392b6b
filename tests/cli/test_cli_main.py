"""The command line speaks the terminal's language, also where its locale was never generated."""

import os
import subprocess
import sys

import pytest

_LANGUAGE = ("LC_ALL", "LC_MESSAGES", "LANG", "LC_CTYPE", "LANGUAGE")


def _help(**environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name not in _LANGUAGE}
    done = subprocess.run(
        [sys.executable, "-m", "sekisho", "--help"], env={**kept, **environment},
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    return done.stdout.decode(environment.get("PYTHONIOENCODING", "utf-8"))


@pytest.mark.parametrize(
    ("environment", "japanese"),
    [
        ({}, False),
        ({"LANG": "C"}, False),
        ({"LANG": "ja_JP.UTF-8"}, True),
        ({"LANG": "ja"}, True),
        ({"LANG": "JA_JP"}, True),
        ({"LANG": "xx_XX.UTF-8"}, False),
        ({"LC_MESSAGES": "ja_JP.UTF-8", "LANG": "en_US.UTF-8"}, True),
        ({"LC_MESSAGES": "en_US.UTF-8", "LANG": "ja_JP.UTF-8"}, False),
        ({"LC_ALL": "ja_JP.UTF-8", "LC_MESSAGES": "en_US.UTF-8", "LANG": "C"}, True),
        ({"LC_ALL": "C.UTF-8", "LC_MESSAGES": "ja_JP.UTF-8", "LANG": "ja_JP.UTF-8"}, False),
        ({"LC_ALL": "", "LC_MESSAGES": "", "LANG": "ja_JP.UTF-8"}, True),
    ],
)
def test_the_first_variable_that_is_set_decides(
    environment: dict[str, str], japanese: bool
) -> None:
    said = _help(**environment)

    assert ("関所" in said) is japanese
    assert ("telework security" in said) is not japanese


@pytest.mark.parametrize("encoding", ["ascii", "cp932", "euc_jp", "latin-1"])
def test_a_terminal_without_the_characters_still_gets_an_answer(encoding: str) -> None:
    said = _help(LANG="ja_JP.UTF-8", PYTHONIOENCODING=encoding)

    assert "doctor" in said
    assert ("関所" in said) is (encoding in {"cp932", "euc_jp"})

"""Work in a child of its own: what it returns and raises comes back, what it loads does not."""

import os
import subprocess
import sys

import pytest

from sekisho.kernel.errors import ConflictError, UnavailableError
from sekisho.kernel.i18n import Text, msg
from sekisho.server.apart import do_apart

HEAVY = ("sqlalchemy", "alembic", "litestar", "httpx", "webauthn", "cryptography", "http.client")


def test_what_the_work_returns_comes_back() -> None:
    pid, answer = do_apart(lambda: (os.getpid(), {"link": "/start/x"}))
    assert pid != os.getpid()
    assert answer == {"link": "/start/x"}


def test_an_error_of_ours_comes_back_with_its_words() -> None:
    def work() -> None:
        raise ConflictError(msg("taken by %(pid)s", pid=7), hint=msg("Stop it first."))

    with pytest.raises(ConflictError) as caught:
        do_apart(work)
    assert isinstance(caught.value.message, Text)
    assert str(caught.value.message) == "taken by 7"
    assert str(caught.value.hint) == "Stop it first."


def test_a_child_that_dies_is_no_success() -> None:
    with pytest.raises(UnavailableError, match="without a word"):
        do_apart(lambda: os.kill(os.getpid(), 9))


def test_a_child_that_cannot_say_what_it_found_is_no_success() -> None:
    with pytest.raises(UnavailableError, match="without a word"):
        do_apart(lambda: lambda: None)


def test_the_supervisor_holds_none_of_the_servers_libraries() -> None:
    look = f"import sekisho.cli.up, sys; print([n for n in {HEAVY!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"

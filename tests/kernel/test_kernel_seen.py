"""A form says from what it was filled in, the same in every process."""

import subprocess
import sys

import pytest

from sekisho.kernel.errors import ConflictError
from sekisho.kernel.seen import mark_of, require_unchanged


def test_a_mark_is_the_same_in_another_process_and_differs_with_what_it_marks() -> None:
    values = "frozenset({'b', 'a', 'c'}), {'y': 1, 'x': 2}, b'k', None"
    code = f"from sekisho.kernel.seen import mark_of; print(mark_of({values}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == mark_of(frozenset("abc"), {"x": 2, "y": 1}, b"k", None)
    assert mark_of("a", "b") != mark_of("ab", "")


def test_only_whoever_saw_another_state_is_refused() -> None:
    require_unchanged(None, "b", "x")
    require_unchanged("b", "b", "x")
    with pytest.raises(ConflictError, match="x was changed"):
        require_unchanged("", "b", "x")

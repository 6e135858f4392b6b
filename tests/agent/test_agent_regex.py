"""Regular expressions in SQL: useful ones run, those that could take for ever are refused."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.agent.builtin import Identity
from sekisho.agent.regex import compile_for
from sekisho.agent.sql import Engine


@pytest.mark.parametrize(
    ("text", "pattern", "group", "expected"),
    [
        ("Chrome 151.0.7", r"(\d+)\.(\d+)", 2, "0"),
        ("KB5068861 (x64)", r"KB(\d{6,8})", 1, "5068861"),
        ("PermitRootLogin  no", r"^PermitRootLogin\s+(yes|no)$", 1, "no"),
        ("a=1;b=2", r"b=(.*)", 1, "2"),
        ("ab", r"(?=a)a(?!c)", 0, "a"),
        ("x" * 5_000, r"x*y", 0, ""),
    ],
)
def test_patterns_of_everyday_run(text: str, pattern: str, group: int, expected: str) -> None:
    engine = Engine({}, Identity("linux"))
    sql = f"SELECT regex_match('{text}', '{pattern}', {group}) AS found"

    found = engine.run(sql)

    assert found.rows == ({"found": expected},), found.message


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a|aa)+$",
        "(a*)*b",
        "((a?){50}){50}b",
        "a?" * 40 + "a{40}",
        "(.*)(.*)(.*)(.*)(.*)b",
        "(a|a)(a|a)" * 40 + "b",
        r"(a)\1*b",
        "(?=(a+)+$)b",
    ],
)
def test_patterns_that_could_take_for_ever_are_refused(pattern: str) -> None:
    engine = Engine({}, Identity("linux"))
    began = time.monotonic()

    found = engine.run(f"SELECT regex_match('{'a' * 2_000}', '{pattern}', 0)")

    assert found.status == 1
    assert "could take too long" in found.message
    assert time.monotonic() - began < 1


@given(
    st.text("ab()|*+?.{2}1,^$", max_size=14),
    st.text("ab", max_size=300),
)
def test_what_is_let_through_ends_soon(pattern: str, text: str) -> None:
    try:
        compiled = compile_for(pattern, text)
    except ValueError:
        return
    began = time.monotonic()
    compiled.search(text)
    assert time.monotonic() - began < 10

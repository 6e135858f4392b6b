"""The gate on a private device, hostile questions first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.agent.builtin import Identity
from sekisho.agent.manifest import Gate, answer, find_waiting, reduce_answer
from sekisho.agent.sql import Answer, Engine
from sekisho.wire.kit import Ownership
from support.agent import sample_tables

ENGINE = Engine(sample_tables(), Identity("linux"))
APPROVED = frozenset({("os_version", "major"), ("os_version", "name")})
OFFERED = APPROVED | {("users", "uid")}
PRIVATE = Gate(Ownership.PRIVATE, APPROVED, OFFERED)
COMPANY = Gate(Ownership.COMPANY)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT 1 FROM users WHERE username='hanako'", "does not name users(username)"),
        ("SELECT 1 FROM users WHERE uid=0", "waiting for the owner's approval to read users(uid)"),
        ("SELECT count(*) FROM users", "waiting for the owner's approval"),
        ("SELECT 1 FROM os_version JOIN users ON 1", "waiting"),
        ("SELECT name FROM os_version", "only be answered by 1"),
        ("SELECT major, 1 FROM os_version", "only be answered by 1"),
        ("SELECT major FROM os_version", "only be answered by 1"),
        ("SELECT 1, 2", "only be answered by 1"),
        ("SELECT 0 FROM os_version", "only be answered by 1"),
        ("SELECT NULL FROM os_version", "only be answered by 1"),
        ("SELECT '1 ' FROM os_version", "only be answered by 1"),
        ("SELECT count(*)+1 FROM os_version", "only be answered by 1"),
        ("SELECT 1; SELECT username FROM users", "users(username)"),
        ("SELECT 1; SELECT 1", "more than one statement"),
        ("SELECT * FROM nope", "no such table: nope"),
        ("SELECT 1 FROM locked", "does not name locked(number of rows)"),
        ("SELECT 1 FROM os_version a JOIN os_version b USING (version)", "os_version(version)"),
    ],
)
def test_a_private_device_refuses(sql: str, message: str) -> None:
    found = answer(ENGINE, PRIVATE, sql)

    assert found.status == 1
    assert found.rows == ()
    assert message in found.message


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT 1 FROM os_version WHERE major=12", ({"1": "1"},)),
        ("SELECT 1 FROM os_version WHERE major=99", ()),
        ("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM os_version WHERE major=99)", ({"1": "1"},)),
        ("SELECT 1 FROM os_version UNION ALL SELECT 1", ({"1": "1"},)),
        ("SELECT 1 FROM osquery_registry WHERE name='users'", ({"1": "1"},)),
    ],
)
def test_a_private_device_answers_yes_or_nothing(
    sql: str, rows: tuple[dict[str, str], ...]
) -> None:
    found = answer(ENGINE, PRIVATE, sql)

    assert (found.status, found.rows) == (0, rows)


def test_a_company_device_answers_in_full() -> None:
    found = answer(ENGINE, COMPANY, "SELECT username FROM users ORDER BY uid")

    assert found.rows == ({"username": "root"}, {"username": "hanako"})


def test_nothing_approved_means_nothing_read() -> None:
    nobody = Gate(Ownership.PRIVATE)

    assert answer(ENGINE, nobody, "SELECT 1 FROM os_version").status == 1
    assert answer(ENGINE, nobody, "SELECT 1").rows == ({"1": "1"},)


def test_what_waits_is_listed_with_its_columns() -> None:
    waiting = find_waiting(
        ENGINE,
        PRIVATE,
        {
            "ok": "SELECT 1 FROM os_version WHERE major=1",
            "new": "SELECT 1 FROM users WHERE uid=0",
            "bad": "SELECT nonsense",
        },
    )

    assert waiting == {"new": (("users", "uid"),)}


TEXTS = st.text(max_size=3) | st.just("1")
ROWS = st.lists(st.dictionaries(TEXTS, TEXTS, max_size=2), max_size=4)


@given(ROWS)
def test_only_a_bare_one_ever_leaves_a_private_device(rows: list[dict[str, str]]) -> None:
    reduced = reduce_answer(Answer(tuple(rows)))

    assert len(reduced.rows) <= 1
    assert all(list(row.values()) == ["1"] for row in reduced.rows)
    assert reduced.status in {0, 1}
    assert bool(reduced.rows) <= (reduced.status == 0)

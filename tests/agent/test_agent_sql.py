"""The agent's SQL: osquery's ways, bounds, and nothing but reading."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.agent.builtin import Identity
from sekisho.agent.sql import MAX_ROWS, Engine, QueryError
from sekisho.agent.table import Column, Row, Table, Where
from sekisho.agent.vtable import coerce, wanted_texts
from support.agent import sample_tables

ASKED: list[Where] = []


def recording_table() -> Table:
    """A table that notes what was handed down and ignores it, as a lazy reader may."""

    def rows(where: Where) -> Iterable[Row]:
        ASKED.append(dict(where))
        return [
            {"path": "/a", "size": "5"},
            {"path": "/b", "size": "6"},
            {"path": "/b", "size": "6"},
        ]

    columns = (Column("path"), Column("size", "BIGINT"))
    return Table("item", columns, rows, frozenset({"path", "size"}))


@pytest.fixture
def engine() -> Engine:
    ASKED.clear()
    return Engine(sample_tables() | {"item": recording_table()}, Identity("linux", "i", "u"))


@pytest.mark.parametrize(
    ("sql", "handed_down", "rows"),
    [
        ("SELECT path FROM item WHERE path='/a'", [{"path": ("/a",)}], 1),
        ("SELECT path FROM item WHERE path IN ('/b','/a')", [{"path": ("/a", "/b")}], 3),
        ("SELECT path FROM item WHERE path LIKE '/b%'", [{"path~": ("/b%",)}], 2),
        ("SELECT path FROM item WHERE size=5", [{"size": ("5",)}], 1),
        ("SELECT path FROM item WHERE size=5.0", [{"size": ("5",)}], 1),
        ("SELECT path FROM item WHERE path='/A' COLLATE NOCASE", [{"path": ("/A",)}], 1),
        ("SELECT path FROM item WHERE path='1' COLLATE version", [{}], 0),
        ("SELECT path FROM item WHERE path=NULL", [], 0),
        ("SELECT path FROM item WHERE path>'/a'", [{}], 2),
        (
            "SELECT path FROM item WHERE (path='/a' AND size=5) OR (path='/b' AND size=6)",
            [{"path": ("/a",), "size": ("5",)}, {"path": ("/b",), "size": ("6",)}],
            3,
        ),
    ],
)
def test_constraints_are_handed_down_and_checked_again(
    engine: Engine, sql: str, handed_down: list[Where], rows: int
) -> None:
    found = engine.run(sql)

    assert found.status == 0, found.message
    assert len(found.rows) == rows
    assert handed_down == ASKED


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("NULL", ""),
        ("1.5", "1.5"),
        ("x'00ff'", "00ff"),
        ("'12.10' > '12.9' COLLATE version", "1"),
        ("version_compare('1:1.0','2.0','DPKG')", "1"),
        ("version_compare('1.0~rc1','1.0','DPKG')", "-1"),
        ("version_compare('1.0', '1.0')", "0"),
        ("version_compare(NULL, '1.0')", ""),
        ("split('a,b;c', ',;', 2)", "c"),
        ("split('a', ',', 5)", ""),
        ("regex_match('Zoom 6.5.9', '(\\d+)\\.(\\d+)', 2)", "5"),
        ("regex_match('x', '(y)?x', 1)", ""),
        ("regex_split('a--b', '-+', 1)", "b"),
        ("concat('a', NULL, 1)", "a1"),
        ("concat_ws('-', 'a', NULL, 'b')", "a-b"),
        ("inet_aton('10.0.0.1')", "167772161"),
        ("inet_aton('10.0.0.256')", ""),
        ("sha256('a')", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
        ("md5('a')", "0cc175b9c0f1b6a831c399e269772661"),
        ("sha1('a')", "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"),
        ("to_base64('関')", "6Zai"),
        ("from_base64('6Zai')", "関"),
        ("from_base64('!')", ""),
    ],
)
def test_values_and_functions_are_osquerys(engine: Engine, expression: str, expected: str) -> None:
    found = engine.run(f"SELECT {expression} AS v")

    assert found.rows == ({"v": expected},), found.message


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT * FROM nope", "no such table: nope"),
        ("SELECT * FROM sqlite_master", "no such table: sqlite_master"),
        ("SELECT * FROM pragma_table_info('users')", "no such table: pragma_table_info"),
        ("SELECT nope FROM users", "no such column: nope"),
        ("SELECT 1; SELECT username FROM users", "more than one statement"),
        ("", "empty"),
        ("-- nothing", "empty"),
        ("garbage", "syntax error"),
        ("SELECT 1 FROM locked", "permission denied"),
        ("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM locked)", "permission denied"),
        ("SELECT 1 FROM users LEFT JOIN locked", "permission denied"),
        ("CREATE TABLE x(a)", "not authorized"),
        ("INSERT INTO users VALUES (1, 'x')", "not authorized"),
        ("DELETE FROM users", "may not be modified"),
        ("EXPLAIN SELECT 1", "EXPLAIN"),
        ("ATTACH '/etc/passwd' AS p", "not authorized"),
        ("PRAGMA writable_schema=1", "not authorized"),
        ("BEGIN", "not authorized"),
        ("VACUUM INTO '/tmp/x'", "not authorized"),
        ("SELECT load_extension('x')", "not authorized"),
        ("SELECT zeroblob(100000000)", "too big"),
        ("SELECT regex_match('a', '(', 0)", "not a regular expression"),
        ("SELECT version_compare('1','2','GEM')", "expected DPKG"),
        ("SELECT ?", "ind"),
    ],
)
def test_what_gives_no_answer_is_a_failure_and_says_why(
    engine: Engine, sql: str, message: str
) -> None:
    found = engine.run(sql)

    assert found.status == 1
    assert found.rows == ()
    assert message in found.message


def test_too_many_rows_and_too_long_are_failures(engine: Engine) -> None:
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT "

    rows = engine.run(endless + "x FROM c")
    seconds = engine.run(endless + "count(*) FROM c")

    assert (rows.status, rows.rows) == (1, ())
    assert str(MAX_ROWS) in rows.message
    assert seconds.status == 1
    assert "took longer than 5 seconds" in seconds.message


def test_a_reader_that_breaks_fails_its_query_and_no_other() -> None:
    def broken(_where: Where) -> Iterable[Row]:
        yield {"a": 1}
        raise ZeroDivisionError

    engine = Engine({"b": Table("b", (Column("a"),), broken)}, Identity("linux"))

    assert engine.run("SELECT * FROM b").status == 1
    assert engine.run("SELECT 1").rows == ({"1": "1"},)


@pytest.mark.parametrize(
    ("sql", "reads"),
    [
        ("SELECT 1", set()),
        ("SELECT 1 FROM users WHERE uid=0", {("users", "uid")}),
        ("SELECT count(*) FROM users", {("users", "")}),
        ("SELECT * FROM users", {("users", "uid"), ("users", "username")}),
        ("WITH c AS (SELECT uid n FROM users) SELECT n FROM c", {("users", "uid")}),
        (
            "SELECT 1 FROM users WHERE EXISTS (SELECT 1 FROM item WHERE path=username)",
            {("users", "username"), ("item", "path")},
        ),
        ("SELECT value FROM json_each('[1]')", set()),
        # Of these SQLite's authorizer does not tell the joined columns.
        ("SELECT 1 FROM users a JOIN users b USING (username)", {("users", "username")}),
        ("SELECT 1 FROM users a NATURAL JOIN users b", {("users", "uid"), ("users", "username")}),
    ],
)
def test_what_a_query_reads_is_computed_without_running_it(
    engine: Engine, sql: str, reads: set[tuple[str, str]]
) -> None:
    computed = engine.compute_reads(sql)

    assert reads <= computed <= reads | {("users", "")}
    assert ASKED == []


def test_bad_sql_has_no_reads(engine: Engine) -> None:
    with pytest.raises(QueryError, match="no such table: nope"):
        engine.compute_reads("SELECT * FROM nope")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT username FROM users",
        "SELECT 1 FROM users WHERE username LIKE 'h%'",
        "SELECT 1 FROM users a JOIN users b USING (username)",
        "SELECT 1 FROM users a NATURAL JOIN users b",
        "SELECT 1 FROM (SELECT username AS x FROM users) WHERE x='hanako'",
        "SELECT 1 WHERE (SELECT username FROM users LIMIT 1) = 'root'",
        "SELECT 1 FROM USERS ORDER BY UserName",
        "SELECT 1 FROM users GROUP BY username",
        "SELECT 1 FROM users AS os_version WHERE os_version.username='hanako'",
    ],
)
def test_a_column_that_is_not_permitted_cannot_be_reached(engine: Engine, sql: str) -> None:
    found = engine.run(sql, lambda read: read[1] != "username")

    assert found.status == 1
    assert found.message == "not permitted by the approved manifest: users(username)"


def test_permission_is_asked_every_time(engine: Engine) -> None:
    sql = "SELECT uid FROM users"

    assert engine.run(sql).status == 0
    assert engine.run(sql, lambda _read: False).status == 1
    assert engine.run(sql).status == 0


def test_the_agent_tells_about_itself(engine: Engine) -> None:
    info = engine.run("SELECT version, platform_mask, uuid FROM osquery_info").rows[0]
    names = [row["name"] for row in engine.run("SELECT name FROM osquery_registry").rows]
    now = engine.run("SELECT unix_time > 1700000000 AS ok FROM time").rows

    assert info["version"].startswith("sekisho-agent/")
    assert (info["platform_mask"], info["uuid"]) == ("9", "u")
    assert {"users", "item", "time", "osquery_info"} <= set(names)
    assert now == ({"ok": "1"},)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("INTEGER", "14", 14),
        ("INTEGER", " 14 ", 14),
        ("INTEGER", "", None),
        ("INTEGER", "abc", None),
        ("INTEGER", True, 1),
        ("BIGINT", 3.7, 3),
        ("DOUBLE", "1.5", 1.5),
        ("DOUBLE", "x", None),
        ("TEXT", 5, "5"),
        ("TEXT", False, "0"),
        ("TEXT", None, None),
    ],
)
def test_values_take_their_columns_type(kind: str, value: object, expected: object) -> None:
    assert coerce(kind, value) == expected


@given(st.text(max_size=60))
def test_any_text_as_sql_gives_an_answer_or_a_reason(sql: str) -> None:
    found = _ENGINE.run(sql)

    assert (found.status, bool(found.message)) in {(0, False), (1, True)}


@given(st.one_of(st.none(), st.text(), st.integers(), st.floats(), st.binary()))
def test_constraints_become_texts(value: object) -> None:
    texts = wanted_texts(value)

    assert len(texts) == (0 if value is None else 1)
    assert all(isinstance(text, str) for text in texts)


_ENGINE = Engine(sample_tables(), Identity("linux"))

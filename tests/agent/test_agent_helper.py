"""The user's helper: what it offers, to whom, and what the service believes."""

import json
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sekisho.agent.helper import (
    SOCKET_NAME,
    Helper,
    ask_helper,
    delegate,
    helper_folders,
    peer_uid,
    read_reply,
    receive_line,
)
from sekisho.agent.table import Column, Row, Table, Unreadable, UnreadableError, Where
from support.agent import sample_tables

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Unix sockets")


def gsettings(rows: Callable[[Where], Iterable[Row]]) -> Table:
    columns = (Column("schema"), Column("key"), Column("value"))
    return Table("gsettings", columns, rows, frozenset({"schema"}))


def own_rows(where: Where) -> Iterable[Row]:
    return [{"schema": where.get("schema", ("",))[0], "key": "lock-enabled", "value": "true"}]


def refuse(_where: Where) -> Iterable[Row]:
    raise Unreadable("this needs the user's session")


@contextmanager
def serving(helper: Helper, questions: int = 1) -> Iterator[None]:
    def work() -> None:
        for _ in range(questions):
            helper.serve_once()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        helper.close()


@pytest.fixture
def tables() -> dict[str, Table]:
    return {"gsettings": gsettings(own_rows)} | sample_tables()


def test_the_service_gets_from_the_helper_what_it_cannot_read(
    tmp_path: Path, tables: dict[str, Table]
) -> None:
    helper = Helper(tmp_path, tables, frozenset({os.getuid()}))
    service = delegate({"gsettings": gsettings(refuse)}, lambda: [tmp_path])

    with serving(helper):
        rows = list(service["gsettings"].rows({"schema": ("org.gnome",)}))

    assert rows == [{"schema": "org.gnome", "key": "lock-enabled", "value": "true"}]
    assert not helper.path.exists()


def test_what_the_service_can_read_itself_needs_no_helper(tmp_path: Path) -> None:
    service = delegate({"gsettings": gsettings(own_rows)}, lambda: [tmp_path])

    assert len(list(service["gsettings"].rows({}))) == 1


def test_without_a_helper_the_table_is_unreadable_and_not_empty(tmp_path: Path) -> None:
    service = delegate({"gsettings": gsettings(refuse)}, lambda: [tmp_path])

    with pytest.raises(UnreadableError, match="no helper runs"):
        list(service["gsettings"].rows({}))


def test_the_helper_offers_no_other_table(tmp_path: Path, tables: dict[str, Table]) -> None:
    helper = Helper(tmp_path, tables, frozenset({os.getuid()}))

    with serving(helper), pytest.raises(UnreadableError, match="does not offer"):
        ask_helper(helper.path, "users", {})


def test_a_helper_that_cannot_read_says_so(tmp_path: Path) -> None:
    helper = Helper(tmp_path, {"gsettings": gsettings(refuse)}, frozenset({os.getuid()}))

    with serving(helper), pytest.raises(UnreadableError, match="user's session"):
        ask_helper(helper.path, "gsettings", {})


def test_the_helper_answers_only_those_it_may(tmp_path: Path, tables: dict[str, Table]) -> None:
    helper = Helper(tmp_path, tables, frozenset({os.getuid() + 1}))

    with serving(helper), pytest.raises(UnreadableError, match="did not answer"):
        ask_helper(helper.path, "gsettings", {})


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to give a folder to another user")
def test_the_service_believes_only_the_owner_of_the_folder(
    tmp_path: Path, tables: dict[str, Table]
) -> None:
    helper = Helper(tmp_path, tables, frozenset({0}))
    os.chown(tmp_path, 65534, 65534)

    with serving(helper), pytest.raises(UnreadableError, match="belongs to user 0"):
        ask_helper(helper.path, "gsettings", {})


def test_the_socket_is_closed_to_others(tmp_path: Path, tables: dict[str, Table]) -> None:
    helper = Helper(tmp_path, tables, frozenset())

    assert (tmp_path / SOCKET_NAME).stat().st_mode & 0o777 == 0o660
    helper.close()


@pytest.mark.parametrize(
    "raw", [b"nonsense\n", b"[]\n", b'{"table": 5}\n', b'{"table": "gsettings", "where": 3}\n', b""]
)
def test_nonsense_does_not_stop_the_helper(
    tmp_path: Path, tables: dict[str, Table], raw: bytes
) -> None:
    helper = Helper(tmp_path, tables, frozenset({os.getuid()}))

    with serving(helper, 2):
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(str(helper.path))
            link.sendall(raw)
        assert ask_helper(helper.path, "gsettings", {}) != []


@pytest.mark.parametrize("reply", [None, [], "x", {}, {"rows": 5}, {"rows": [1]}, {"rows": None}])
def test_a_reply_that_is_no_list_of_rows_is_unreadable(reply: object) -> None:
    with pytest.raises(UnreadableError):
        read_reply(json.loads(json.dumps(reply)), Path("x"))


def test_a_message_without_end_is_cut_off() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"x" * 100)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(ValueError, match="cut off"):
            receive_line(ours)


def test_the_peer_is_told_by_the_system() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert peer_uid(ours) == os.getuid()


def test_helpers_are_looked_for_in_the_users_run_folders(tmp_path: Path) -> None:
    (tmp_path / "run/user/1000").mkdir(parents=True)
    (tmp_path / "run/user/1001").mkdir()

    assert [path.name for path in helper_folders(tmp_path)] == ["1000", "1001"]

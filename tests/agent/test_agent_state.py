"""The agent's memory: bounds, durability of what was promised, and who may read it."""

from pathlib import Path

import pytest

from sekisho.agent.state import State, StateError
from sekisho.wire.errors import MessageError


def lines(count: int) -> list[dict[str, object]]:
    return [{"n": n} for n in range(count)]


def test_the_oldest_lines_go_first_and_their_number_is_told(tmp_path: Path) -> None:
    state = State(tmp_path / "a.db", max_lines=3)

    assert state.add_lines("result", lines(3)) == 0
    assert state.add_lines("result", [{"n": 3}, {"n": 4}]) == 2

    assert [line.body["n"] for line in state.list_lines("result", 10)] == [2, 3, 4]


def test_bytes_are_bounded_too(tmp_path: Path) -> None:
    state = State(tmp_path / "a.db", max_bytes=1_000)

    purged = state.add_lines("result", [{"x": "y" * 300} for _ in range(5)])

    assert purged == 2
    assert state.count_lines() == 3


def test_a_line_over_one_mebibyte_is_not_kept(tmp_path: Path) -> None:
    state = State(tmp_path / "a.db")

    state.add_lines("result", [{"x": "y" * (1024 * 1024)}, {"n": 1}])

    assert [line.body for line in state.list_lines("result", 10)] == [{"n": 1}]


def test_lines_go_in_order_in_bounded_batches_and_only_what_was_taken_is_deleted(
    tmp_path: Path,
) -> None:
    state = State(tmp_path / "a.db")
    state.add_lines("result", lines(5))
    state.add_lines("status", [{"s": 1}])

    first = state.list_lines("result", 2)
    state.forget_lines(first)
    state.close()
    again = State(tmp_path / "a.db")

    assert [line.body["n"] for line in first] == [0, 1]
    assert [line.body["n"] for line in again.list_lines("result", 10)] == [2, 3, 4]
    assert again.count_lines() == 4
    assert len(again.list_lines("result", 10, max_bytes=1)) == 1


def test_a_result_that_changed_after_sending_stays(tmp_path: Path) -> None:
    state = State(tmp_path / "a.db")
    state.put_results({"a": {"rows": []}, "b": {"rows": []}})
    sent = state.list_results()
    state.put_results({"a": {"rows": [{"1": "1"}]}})

    state.forget_results(sent)

    assert state.list_results() == {"a": '{"rows": [{"1": "1"}]}'}


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    state = State(tmp_path / "deep" / "a.db")
    state.put(kit="secret")

    assert (tmp_path / "deep" / "a.db").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "deep").stat().st_mode & 0o777 == 0o700
    for name in ("a.db-wal", "a.db-shm"):
        assert (tmp_path / "deep" / name).stat().st_mode & 0o077 == 0


def test_a_folder_in_the_place_of_the_memory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.db").mkdir()

    with pytest.raises(StateError, match="cannot be opened"):
        State(tmp_path / "a.db")


def test_a_damaged_entry_is_an_error_and_no_empty_one(tmp_path: Path) -> None:
    state = State(tmp_path / "a.db")
    state.put(manifest_approved="[]")

    with pytest.raises(MessageError, match="enrol this device again"):
        state.get_json("manifest_approved")


def test_erase_forgets_everything(tmp_path: Path) -> None:
    state = State(tmp_path / "a.db")
    state.put(kit="x")
    state.put_results({"a": {}})
    state.add_lines("result", lines(2))

    state.erase()

    assert (state.get("kit"), state.list_results(), state.count_lines()) == ("", {}, 0)

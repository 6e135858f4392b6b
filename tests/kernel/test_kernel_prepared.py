"""A query that goes to the driver as it is says what the same query says the usual way."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import bindparam, select

from fakes.clock import FakeClock
from sekisho.kernel.db import Database
from sekisho.kernel.errors import UnavailableError
from sekisho.kernel.installation import installation, set_fact
from sekisho.kernel.prepared import Prepared, Remembered, among_given
from sekisho.kernel.principal import SYSTEM

_ALL = select(installation).order_by(installation.c.name)
_NAMED = Prepared(
    select(installation)
    .where(
        among_given(installation.c.name, "names"),
        installation.c.changed_at < bindparam("before"),
        installation.c.name != "never",
    )
    .order_by(installation.c.name)
)
_LATE = datetime(2027, 1, 1, tzinfo=UTC)


def test_rows_are_the_same_both_ways(database: Database) -> None:
    values = {"a": {"ja": "関所", "n": [1, None]}, "b": 2, "never": 3, "%s": "%(x)s", '"]': ":c"}
    with database.write(SYSTEM) as tx:
        for name, value in values.items():
            set_fact(tx, name, value)
        usual = tx.rows(_ALL)
        wanted = [row for row in usual if row.name != "never"]
        for names in (sorted(values), tuple(values), set(values)):
            found = _NAMED.rows(tx, {"names": names, "before": _LATE})
            assert [tuple(row) for row in found] == [tuple(row) for row in wanted]
            assert [row._asdict() for row in found] == [row._asdict() for row in wanted]
            assert [row._mapping for row in found] == [row._asdict() for row in wanted]  # noqa: SLF001 - as SQLAlchemy calls it
        assert _NAMED.rows(tx, {"names": [], "before": _LATE}) == []
        assert _NAMED.rows(tx, {"names": ["b"], "before": tx.now}) == []
        assert [r.value for r in _NAMED.rows(tx, {"names": ["b"], "before": _LATE})] == [2]
        assert len(Prepared(_ALL).rows(tx)) == len(values)


def test_what_was_made_of_equal_rows_is_given_again_and_little_is_kept(database: Database) -> None:
    made = Remembered(_NAMED, lambda rows: {row.name: row.value for row in rows}, most=2)
    with database.write(SYSTEM) as tx:
        for name in ("a", "b", "c"):
            set_fact(tx, name, [name])

        def ask(name: str) -> dict[str, list[str]]:
            return made.of(tx, _NAMED.words(tx, {"names": [name], "before": _LATE}))

        first = ask("a")
        assert first == {"a": ["a"]}
        assert ask("a") is first
        set_fact(tx, "a", ["other"])
        assert ask("a") == {"a": ["other"]}
        assert ask("c") == {"c": ["c"]}
        set_fact(tx, "a", ["a"])
        assert ask("a") == first
        assert ask("a") is not first  # two others came meanwhile


def test_a_driver_that_cannot_is_said_as_usual() -> None:
    empty = Database("sqlite://", FakeClock())
    with pytest.raises(UnavailableError), empty.read(SYSTEM) as tx:
        _NAMED.rows(tx, {"names": ["a"], "before": _LATE})

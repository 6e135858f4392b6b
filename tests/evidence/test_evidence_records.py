"""A record exists exactly if its act does, and keeps the order of the acts."""

import pytest

from sekisho.evidence.model import NewRecord, Record, RecordFilter
from sekisho.evidence.service import (
    get_record,
    list_records,
    record,
    record_many,
    seal_records,
    sort_records,
)
from sekisho.evidence.service.records import _increment
from sekisho.kernel.db import Database
from sekisho.kernel.errors import (
    InvalidInputError,
    NotFoundError,
    TooLargeError,
    UnauthenticatedError,
)
from sekisho.kernel.installation import get_fact, set_fact
from sekisho.kernel.principal import ANONYMOUS, SYSTEM, Principal


def test_a_record_is_read_as_it_was_written(database: Database, admin: Principal) -> None:
    with database.write(admin) as tx:
        made = record(tx, kind="device.enrolled", subject="device:dev_1",
                      detail={"名": "端末", "n": [1, None, True]}, person="per_1")  # fmt: skip

    with database.read(admin) as tx:
        found = get_record(tx, made)
    assert found.detail == {"名": "端末", "n": [1, None, True]}
    assert (found.kind, found.subject, found.actor) == (
        "device.enrolled", "device:dev_1", "person:per_admin",
    )  # fmt: skip
    assert (found.seq, found.person, found.at) == (None, "per_1", database.clock.now())


def test_what_was_said_in_confidence_is_for_whom_it_was_meant(
    database: Database, admin: Principal
) -> None:
    with database.write(admin) as tx:
        record(tx, kind="case.reported", subject="report:1", detail={"text": "a strange mail"})
        record(tx, kind="selfcheck.answered", subject="selfcheck:t", detail={"replies": "no"})
        record(tx, kind="x.acted", subject="x:1", detail={"text": "a strange act"})
    auditor = Principal(admin.kind, "per_a", "a", frozenset({"evidence.read", "cases.read"}))
    with database.read(auditor) as tx:
        found = {r.kind: (r.detail, r.needs) for r in list_records(tx)}
        assert list_records(tx, search="replies") == [], "nor is it found by its words"
        assert len(list_records(tx, search="strange")) == 2
        asked = list_records(tx, kind="selfcheck.answered")[0]
        assert get_record(tx, asked.id).detail is None
    assert found == {
        "case.reported": ({"text": "a strange mail"}, None),
        "selfcheck.answered": (None, "selfchecks.write"),
        "x.acted": ({"text": "a strange act"}, None),
    }
    with database.read(admin) as tx:
        assert all(r.detail and r.needs is None for r in list_records(tx))


@pytest.mark.parametrize("sort", ["time", "kind", "-kind", "subject", "-subject", "-time", "x"])
def test_records_are_sorted_and_each_is_on_one_page(
    database: Database, admin: Principal, sort: str
) -> None:
    with database.write(admin) as tx:
        for number in range(11):
            record(tx, kind=f"k.{number % 3}", subject=f"s:{number % 2}", detail={"n": number})
        seal_records(tx)
    seen: list[Record] = []
    with database.read(admin) as tx:
        while page := sort_records(
            tx, RecordFilter(kind="k.*"), sort, after=seen[-1].seq if seen else None, limit=4
        ):
            seen += page
        assert sort_records(tx, RecordFilter(), "kind", after=10**9) == []

    def key(found: Record) -> tuple[str, int]:
        words = {"kind": found.kind, "subject": found.subject}
        return words.get(sort.removeprefix("-"), ""), found.seq or 0

    assert len(seen) == 11
    assert seen == sorted(seen, key=key, reverse=sort == "x" or sort.startswith("-"))


def test_an_act_that_is_rolled_back_leaves_no_record(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write(SYSTEM) as tx:
        set_fact(tx, "act", 1)
        record(tx, kind="x.acted", subject="x:1", detail={})
        raise ZeroDivisionError

    with database.read(SYSTEM) as tx:
        assert get_fact(tx, "act") is None
        assert list_records(tx) == []


def test_records_are_sealed_in_the_order_of_their_acts(database: Database) -> None:
    for step in range(5):
        with database.write(SYSTEM) as tx:
            record_many(tx, [NewRecord("x.acted", f"x:{step}", {"i": i}) for i in range(40)])
    with database.write(SYSTEM) as tx:
        assert seal_records(tx, limit=150) == 150
        assert seal_records(tx) == 50
        assert seal_records(tx) == 0

    with database.read(SYSTEM) as tx:
        found = list_records(tx, limit=500)
    assert [r.seq for r in found] == list(range(200, 0, -1))
    assert [(r.subject, r.detail) for r in reversed(found)] == [
        (f"x:{step}", {"i": i}) for step in range(5) for i in range(40)
    ]


@pytest.mark.parametrize(("before", "after"), [("rec_01A", "rec_01B"), ("rec_0ZZ", "rec_100")])
def test_the_next_id_is_greater(before: str, after: str) -> None:
    assert _increment(before) == after


@pytest.mark.parametrize(
    ("kind", "subject", "detail", "error"),
    [
        ("", "x:1", {}, InvalidInputError),
        ("x.y", "x:\x00", {}, InvalidInputError),
        ("x.y", "x" * 301, {}, InvalidInputError),
        ("x.y", "x:\ud800", {}, InvalidInputError),
        ("x.y", "x:1", {"a": object()}, InvalidInputError),
        ("x.y", "x:1", {"a": "\ud800"}, InvalidInputError),
        ("x.y", "x:1", {"a": "a" * 1_100_000}, TooLargeError),
    ],
)
def test_what_cannot_be_kept_is_refused(
    database: Database, kind: str, subject: str, detail: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error), database.write(SYSTEM) as tx:
        record(tx, kind=kind, subject=subject, detail=detail)

    with database.read(SYSTEM) as tx:
        assert list_records(tx) == []


def test_records_are_found_by_kind_subject_and_words(database: Database) -> None:
    with database.write(SYSTEM) as tx:
        record(tx, kind="device.enrolled", subject="device:a", detail={"why": "100%_sure"})
        record(tx, kind="device.removed", subject="device:b", detail={"why": "lost"})
        record(tx, kind="devices.counted", subject="device:a", detail={})
        seal_records(tx)

    with database.read(SYSTEM) as tx:
        assert [r.kind for r in list_records(tx, kind="device.*")] == [
            "device.removed", "device.enrolled",
        ]  # fmt: skip
        assert [r.seq for r in list_records(tx, subject="device:a")] == [3, 1]
        assert [r.seq for r in list_records(tx, search="%_SURE")] == [1]
        assert [r.seq for r in list_records(tx, before=3, limit=1)] == [2]
        assert list_records(tx, search="' OR 1=1 --") == []


def test_a_stranger_reads_nothing(database: Database) -> None:
    with database.read(ANONYMOUS) as tx:
        for read in (list_records, lambda t: get_record(t, 1)):
            with pytest.raises(UnauthenticatedError):
                read(tx)


def test_a_record_that_is_not_there_is_said_so(database: Database) -> None:
    with database.read(SYSTEM) as tx, pytest.raises(NotFoundError, match="99"):
        get_record(tx, 99)

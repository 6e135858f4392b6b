"""The same key is the same finding: raised, refreshed, closed, raised again."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fakes.clock import FakeClock
from sekisho.evidence import service as evidence
from sekisho.findings import service, store
from sekisho.findings.model import FindingFilter, FindingStatus, NewFinding, Severity
from sekisho.kernel.db import Database
from sekisho.kernel.errors import InvalidInputError, NotFoundError, NotPermittedError
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind

DISK = NewFinding(
    kind="compliance",
    key="compliance:dev_1:disk-encrypted",
    subject="device:dev_1",
    title={"ja": "ディスクの暗号化が無効", "en": "The disk is not encrypted"},
    severity="high",
    topic="disk",
)
LOCK = replace(DISK, key="compliance:dev_1:screen-lock", severity="low", topic="lock")


def _kinds(database: Database) -> list[str]:
    with database.read(SYSTEM) as tx:
        return [record.kind for record in evidence.list_records(tx)]


def test_seen_twice_it_is_one_finding(database: Database, clock: FakeClock) -> None:
    with database.write(SYSTEM) as tx:
        service.raise_findings(tx, [DISK, DISK])
        first = tx.now
    clock.advance(hours=1)
    with database.write(SYSTEM) as tx:
        service.raise_findings(tx, [replace(DISK, severity="critical")])
        found = service.list_findings(tx).findings

    assert [(f.first_seen_at, f.last_seen_at, f.severity) for f in found] == [
        (first, clock.now(), Severity.CRITICAL)
    ]
    assert _kinds(database).count("finding.opened") == 1


def test_what_comes_back_starts_anew(database: Database, clock: FakeClock) -> None:
    with database.write(SYSTEM) as tx:
        service.raise_findings(tx, [DISK])
        (only,) = service.list_findings(tx).findings
        service.assign_finding(tx, only.id, "per_1")
        assert service.close_findings(tx, [DISK.key, "compliance:other"], "passed") == 1
        assert service.close_findings(tx, [DISK.key], "passed") == 0
        assert service.count_open(tx) == 0
    clock.advance(days=1)
    with database.write(SYSTEM) as tx:
        service.raise_findings(tx, [DISK])
        (again,) = service.list_findings(tx).findings

    assert (again.id, again.times, again.owner) == (only.id, 2, None)
    assert (again.first_seen_at, again.status) == (clock.now(), FindingStatus.OPEN)
    assert _kinds(database).count("finding.opened") == 2


def test_lists_are_worst_first_and_paged(database: Database) -> None:
    with database.write(SYSTEM) as tx:
        service.raise_findings(tx, [LOCK, DISK])
        page = service.list_findings(tx, page_size=1)
        second = service.list_findings(tx, page=2, page_size=1)

    assert (page.total, page.findings[0].key, second.findings[0].key) == (2, DISK.key, LOCK.key)


@pytest.mark.parametrize(
    ("wanted", "keys"),
    [
        (FindingFilter(search="暗号"), {DISK.key, LOCK.key}),
        (FindingFilter(search="100%"), set()),
        (FindingFilter(search="暗号", not_called=["disk"]), {LOCK.key}),
        (FindingFilter(search="nowhere", called=["disk"]), {DISK.key}),
        (FindingFilter(search="nowhere", found=["device:dev_1"]), {DISK.key, LOCK.key}),
        (FindingFilter(search="暗号", called=["lock"], not_called=["disk"]), {LOCK.key}),
        (FindingFilter(severity="low"), {LOCK.key}),
        (FindingFilter(owner=""), {DISK.key, LOCK.key}),
        (FindingFilter(owner="per_9"), set()),
        (FindingFilter(subject="device:dev_2"), set()),
        (FindingFilter(status=FindingStatus.CLOSED), set()),
    ],
)
def test_filters(database: Database, wanted: FindingFilter, keys: set[str]) -> None:
    with database.write(SYSTEM) as tx:
        service.raise_findings(tx, [LOCK, DISK])

        assert {f.key for f in service.list_findings(tx, wanted).findings} == keys


@pytest.mark.parametrize("narrow", [{}, {"topic": "lock"}, {"severity": "high"}, {"status": None}])
def test_looked_for_once_is_the_same_as_looked_for_twice(
    database: Database, clock: FakeClock, narrow: dict[str, Any]
) -> None:
    for number, due in enumerate((None, 5, 1, 3, None, 2)):
        base = (DISK, LOCK)[number % 2]
        key = f"compliance:dev_{number}:{base.topic}"
        until = None if due is None else clock.now() + timedelta(days=due)
        with database.write(SYSTEM) as tx:
            service.raise_findings(tx, [replace(base, key=key, due_at=until)])
        clock.advance(hours=1)
    wanted = FindingFilter(search="compliance", **narrow)
    with database.write(SYSTEM) as tx:
        service.close_findings(tx, ["compliance:dev_0:disk"], "passed")
        every = store.count_kinds(tx, replace(wanted, topic="", severity=""))
        for sort in (*service.SORTS, *(f"-{name}" for name in service.SORTS)):
            asked: dict[str, Any] = {"page": 2, "page_size": 2, "sort": sort}
            plain = service.list_findings(tx, wanted, **asked)
            assert service.read_page(tx, wanted, **asked) == (plain, every), sort
    assert sum(every.values()) == (6 if wanted.status is None else 5)


def test_a_subject_is_closed_at_once(database: Database) -> None:
    with database.write(SYSTEM) as tx:
        service.raise_findings(tx, [DISK, LOCK])

        assert service.close_subject(tx, "device:dev_1", "withdrawn") == 2
        assert service.count_open_by_severity(tx) == {}


def test_rights_are_asked_for(database: Database) -> None:
    nobody = Principal(PrincipalKind.PERSON, "per_2", "B")
    with database.read(nobody) as tx, pytest.raises(NotPermittedError):
        service.list_findings(tx)
    with database.write(SYSTEM) as tx, pytest.raises(NotFoundError):
        service.assign_finding(tx, "fnd_x", "per_1")


@pytest.mark.parametrize(
    "wrong", [{"kind": "x"}, {"severity": "x"}, {"key": ""}, {"title": {"ja": "題"}}]
)
def test_what_could_not_be_listed_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        replace(DISK, **wrong)  # type: ignore[arg-type]  # the mistakes under test


def test_what_the_gate_asks_all_day_is_found_by_its_subject(database: Database) -> None:
    """Among tens of thousands of open findings the index of the inbox would be the wrong one."""
    asked: list[str] = []
    with database.write(SYSTEM) as tx:
        service.raise_findings(tx, [replace(DISK, kind="detection"), LOCK])
        if database.dialect == "sqlite":  # PostgreSQL plans by its own statistics
            line: Any = tx.connection.connection.dbapi_connection
            line.set_trace_callback(asked.append)
        assert service.count_severe(tx, ["device:dev_1"]) == {"device:dev_1": 1}
        if database.dialect == "sqlite":
            line.set_trace_callback(None)
            explained = tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked[-1]}")
            assert "ix_findings_subject (subject=?)" in str(explained.fetchall())

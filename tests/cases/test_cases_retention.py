"""Reports end: after the time set, or by order; what stays is that they were erased."""

from datetime import timedelta
from pathlib import Path

import pytest

from cases.test_cases_pictures import JPEG
from cases.test_cases_reports import Office
from fakes.clock import FakeClock
from sekisho.cases import service
from sekisho.cases.model import NewPhoto, ReportFilter
from sekisho.cases.service import retention
from sekisho.evidence import service as evidence
from sekisho.identity.model import Role
from sekisho.kernel.db import Database
from sekisho.kernel.errors import (
    InvalidInputError,
    NotFoundError,
    NotPermittedError,
    StepUpNeededError,
)
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind

WORDS = "取引先の名前が書かれたメールのリンクを開きました"


@pytest.fixture
def office(database: Database, tmp_path: Path) -> Office:
    return Office(database, tmp_path / "shelf")


def _finished(office: Office) -> str:
    haruka, csirt = office.add("haruka"), office.add("csirt", Role.CSIRT)
    report = office.report(haruka, "clicked", WORDS, NewPhoto("a.jpg", JPEG))
    with office.database.write(csirt) as tx:
        service.answer_report(tx, report, "LANケーブルを抜いてください。")
        service.close_report(tx, report)
    return report


def _forget(office: Office) -> int:
    with office.database.write(SYSTEM) as tx:
        return service.forget_old_reports(tx)


def _kept(office: Office) -> int:
    with office.database.read(SYSTEM) as tx:
        return service.list_reports(tx, ReportFilter()).total


def test_a_finished_report_is_erased_after_its_time_and_says_so(
    office: Office, clock: FakeClock
) -> None:
    report = _finished(office)
    clock.advance(days=364)
    assert _forget(office) == 0
    clock.advance(days=2)
    assert _forget(office) == 1

    assert _kept(office) == 0
    with office.database.write(SYSTEM) as tx:
        evidence.seal_records(tx)
        records = evidence.list_records(tx, subject=f"report:{report}")
        said = {record.kind: record.detail for record in records}
        assert evidence.list_artifacts(tx, subject=f"report:{report}") == []
    assert {kind for kind, detail in said.items() if detail is not None} == {"case.erased"}
    assert said["case.erased"] == {"reason": "kept for 365 days after it was finished", "photos": 1}
    with office.database.read(SYSTEM) as tx:
        assert evidence.verify(tx, shelf=office.shelf).problems == ()
        evidence.remove_orphans(tx, shelf=office.shelf)


def test_what_is_open_stays_and_so_does_everything_without_an_end(
    office: Office, clock: FakeClock
) -> None:
    office.report(office.add("ren"))
    _finished(office)
    with office.database.write(SYSTEM) as tx:
        service.set_kept_days(tx, retention.FOR_EVER)
    clock.advance(days=4_000)
    assert _forget(office) == 0
    with office.database.write(SYSTEM) as tx:
        service.set_kept_days(tx, 30)
    assert _forget(office) == 1
    assert _kept(office) == 1


@pytest.mark.parametrize("days", [-1, 1, 29, 3_651])
def test_a_time_that_is_too_short_or_endless_is_refused(office: Office, days: int) -> None:
    with pytest.raises(InvalidInputError), office.database.write(SYSTEM) as tx:
        service.set_kept_days(tx, days)


def _eraser(clock: FakeClock, *rights: str, age: int = 0) -> Principal:
    proved = clock.now() - timedelta(minutes=age)
    return Principal(PrincipalKind.PERSON, "per_x", "x", frozenset(rights), "ses_x", proved)


def test_erased_by_order_with_a_reason_by_whom_may(office: Office, clock: FakeClock) -> None:
    report = _finished(office)
    both = ("cases.write", "evidence.erase")
    for who, reason, error in (
        (_eraser(clock, "cases.write"), "依頼", NotPermittedError),
        (_eraser(clock, "evidence.erase"), "依頼", NotPermittedError),
        (_eraser(clock, *both, age=16), "依頼", StepUpNeededError),
        (_eraser(clock, *both), "  ", InvalidInputError),
    ):
        with pytest.raises(error), office.database.write(who) as tx:
            service.erase_report(tx, report, reason)
    assert _kept(office) == 1
    with office.database.write(_eraser(clock, *both)) as tx:
        service.erase_report(tx, report, "本人の依頼")
    assert _kept(office) == 0
    with pytest.raises(NotFoundError), office.database.read(SYSTEM) as tx:
        service.get_report(tx, report)

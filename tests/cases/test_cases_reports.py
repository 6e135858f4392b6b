"""Reports: made by anyone, seen by few, answered, and never the way in for anything hostile."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from cases.test_cases_pictures import JPEG, PNG, SECRET
from fakes.clock import FakeClock
from sekisho.cases import service
from sekisho.cases.model import NewPhoto, ReportFilter, ReportKind, ReportStatus
from sekisho.evidence import service as evidence
from sekisho.identity import service as identity
from sekisho.identity.engine.rights import rights_of
from sekisho.identity.model import PersonState, Role
from sekisho.kernel.db import Database
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    NotPermittedError,
    RateLimitedError,
    TooLargeError,
    UnauthenticatedError,
)
from sekisho.kernel.principal import ANONYMOUS, SYSTEM, Principal, PrincipalKind
from sekisho.notices.model import Holders, Kind, People, Urgency
from sekisho.notices.store import posts


@dataclass(slots=True)
class Office:
    """A database with people, and a shelf for what they send."""

    database: Database
    shelf: Path

    def add(self, name: str, *roles: Role) -> Principal:
        with self.database.write(SYSTEM) as tx:
            person = identity.add_person(
                tx, name=name, email=f"{name}@example.jp", language="ja",
                roles=roles or [Role.TELEWORKER], state=PersonState.ACTIVE,
            )  # fmt: skip
        rights = rights_of(roles or [Role.TELEWORKER])
        return Principal(PrincipalKind.PERSON, person.id, person.name, rights, "ses_x")

    def report(
        self, who: Principal, kind: str = "clicked", text: str = "リンクを開きました",
        *photos: NewPhoto,
    ) -> str:  # fmt: skip
        with self.database.write(who) as tx:
            made = service.make_report(tx, shelf=self.shelf, kind=kind, text=text, photos=photos)
        return made.id

    def told(self, kind: Kind) -> list[posts.OpenPost]:
        with self.database.read(SYSTEM) as tx:
            return [one for one in posts.list_open(tx, 100) if one.post.kind is kind]


@pytest.fixture
def office(database: Database, tmp_path: Path) -> Office:
    return Office(database, tmp_path / "shelf")


def test_a_report_is_kept_told_at_once_and_answered(office: Office) -> None:
    haruka, csirt = office.add("haruka"), office.add("csirt", Role.CSIRT)
    report_id = office.report(haruka)
    (told,) = office.told(Kind.REPORT_MADE)
    assert told.reach == Holders("cases.write")
    assert (told.post.urgency, told.post.link) == (Urgency.URGENT, f"/reports/{report_id}")
    assert "リンクを開きました" not in repr(told.post)
    with office.database.write(csirt) as tx:
        service.answer_report(tx, report_id, "LANケーブルを抜いてください。")
        service.answer_report(tx, report_id, "URLはフィッシング", internal=True)
    (answered,) = office.told(Kind.REPORT_ANSWERED)
    assert answered.reach == People([haruka.id])
    with office.database.read(haruka) as tx:
        mine = service.get_own_report(tx, report_id)
    assert [m.text for m in mine.messages] == ["LANケーブルを抜いてください。"]
    assert (mine.report.status, mine.report.handler_id) == (ReportStatus.OPEN, csirt.id)
    with office.database.read(csirt) as tx:
        assert len(service.get_report(tx, report_id).messages) == 2
    with office.database.write(csirt) as tx:
        service.close_report(tx, report_id)
    with pytest.raises(ConflictError), office.database.write(csirt) as tx:
        service.close_report(tx, report_id)
    with office.database.write(haruka) as tx:
        service.reply_own(tx, report_id, "もう一通届きました")
    with office.database.read(haruka) as tx:
        assert service.get_own_report(tx, report_id).report.status is ReportStatus.OPEN
    assert office.told(Kind.REPORT_MADE)[-1].reach == People([csirt.id])
    with office.database.read(SYSTEM) as tx:
        kinds = [r.kind for r in evidence.list_records(tx, subject=f"report:{report_id}")]
    assert kinds[::-1] == ["case.reported", "case.answered", "case.noted", "case.closed",
                           "case.replied"]  # fmt: skip


def test_nobody_else_sees_a_report(office: Office) -> None:
    haruka, ren = office.add("haruka"), office.add("ren")
    trainer = office.add("trainer", Role.TRAINER)
    report_id = office.report(haruka)
    refused = (NotFoundError, NotPermittedError, UnauthenticatedError)
    for stranger in (ren, trainer, ANONYMOUS):
        with pytest.raises(refused) as caught, office.database.read(stranger) as tx:
            service.get_own_report(tx, report_id)
        assert "haruka" not in str(caught.value)
        for act in (service.get_report, service.take_report, service.close_report):
            with pytest.raises(refused[1:]), office.database.write(stranger) as tx:
                act(tx, report_id)
    with office.database.read(ren) as tx:
        assert service.list_own_reports(tx).total == 0
        with pytest.raises(NotPermittedError):
            service.list_reports(tx, ReportFilter())


def test_an_auditor_reads_and_does_not_answer(office: Office) -> None:
    auditor = office.add("auditor", Role.AUDITOR)
    report_id = office.report(office.add("haruka"))
    with office.database.read(auditor) as tx:
        assert service.get_report(tx, report_id).report.id == report_id
    with pytest.raises(NotPermittedError), office.database.write(auditor) as tx:
        service.answer_report(tx, report_id, "x")


def test_photos_are_cleaned_kept_as_evidence_and_opened_on_record(office: Office) -> None:
    haruka, csirt = office.add("haruka"), office.add("csirt", Role.CSIRT)
    report_id = office.report(
        haruka, "mail", "届きました", NewPhoto("../../etc/画面 1.html", JPEG),
        NewPhoto("evil\u202egnp.exe", PNG), NewPhoto("", PNG),
    )  # fmt: skip
    with office.database.read(csirt) as tx:
        photos = service.get_report(tx, report_id).photos
    assert [p.name for p in photos] == ["画面 1.jpg", "evilgnp.png", "photo.png"]
    with office.database.write(csirt) as tx:
        name, content = service.open_photo(
            tx, shelf=office.shelf, report_id=report_id, photo_id=photos[0].id
        )
    assert name == "画面 1.jpg"
    assert SECRET not in content
    with office.database.read(SYSTEM) as tx:
        (opened,) = evidence.list_records(tx, kind="evidence.artifact_opened")
    assert opened.actor == csirt.reference
    with pytest.raises(NotPermittedError), office.database.write(haruka) as tx:
        service.open_photo(tx, shelf=office.shelf, report_id=report_id, photo_id=photos[0].id)
    other = office.report(haruka)
    with pytest.raises(NotFoundError), office.database.write(csirt) as tx:
        service.open_photo(tx, shelf=office.shelf, report_id=other, photo_id=photos[0].id)


@pytest.mark.parametrize(
    ("kind", "text", "photos", "error"),
    [
        ("hacked", "x", 0, InvalidInputError),
        ("mail", " \n ", 0, InvalidInputError),
        ("mail", "x" * 10_001, 0, InvalidInputError),
        ("mail", "x", 4, InvalidInputError),
    ],
)
def test_what_cannot_be_taken_leaves_nothing(
    office: Office, kind: str, text: str, photos: int, error: type[Exception]
) -> None:
    haruka = office.add("haruka")
    with pytest.raises(error):
        office.report(haruka, kind, text, *[NewPhoto("a.png", PNG)] * photos)
    with office.database.read(haruka) as tx:
        assert service.list_own_reports(tx).total == 0
    assert office.told(Kind.REPORT_MADE) == []


def test_pictures_that_are_none_or_too_large_are_refused(office: Office) -> None:
    haruka = office.add("haruka")
    with pytest.raises(InvalidInputError):
        office.report(haruka, "mail", "x", NewPhoto("a.png", b"<svg onload=alert(1)>"))
    with pytest.raises(TooLargeError):
        office.report(haruka, "mail", "x", NewPhoto("a.png", PNG + bytes(10 * 1024 * 1024)))


def test_a_flood_is_stopped(office: Office, clock: FakeClock) -> None:
    haruka = office.add("haruka")
    for _ in range(20):
        office.report(haruka, "question", "?")
    with pytest.raises(RateLimitedError):
        office.report(haruka, "question", "?")
    office.report(office.add("ren"), "lost", "電車で")
    clock.advance(hours=1, seconds=1)
    office.report(haruka, "question", "?")


def test_the_manager_is_told_only_if_the_organisation_wants_it(office: Office) -> None:
    boss, haruka = office.add("boss", Role.ADMIN), office.add("haruka")
    with office.database.write(SYSTEM) as tx:
        identity.change_profile(
            tx, haruka.id, version=identity.get_person(tx, haruka.id).version, name="haruka",
            email="haruka@example.jp", language="ja", manager_id=boss.id,
        )  # fmt: skip
    office.report(haruka)
    assert office.told(Kind.REPORT_TOLD_MANAGER) == []
    with pytest.raises(NotPermittedError), office.database.write(haruka) as tx:
        service.set_tells_manager(tx, True)
    with office.database.write(boss) as tx:
        service.set_tells_manager(tx, True)
    report_id = office.report(haruka, "lost", "鞄ごと")
    (told,) = office.told(Kind.REPORT_TOLD_MANAGER)
    assert told.reach == People([boss.id])
    assert "鞄ごと" not in repr(told.post)
    with office.database.read(haruka) as tx:
        assert service.get_own_report(tx, report_id).report.told_manager


def test_the_list_is_searched_sorted_and_narrowed(office: Office, clock: FakeClock) -> None:
    haruka, csirt = office.add("haruka"), office.add("csirt", Role.CSIRT)
    first = office.report(haruka, "lost", "100%_の電車")
    clock.advance(minutes=1)
    second = office.report(office.add("ren"), "question", "VPNがつながりません")
    with office.database.write(csirt) as tx:
        service.close_report(tx, second)

    def listed(wanted: ReportFilter, sort: str = "-created") -> list[str]:
        with office.database.read(csirt) as tx:
            return [r.id for r in service.list_reports(tx, wanted, sort=sort).reports]

    assert listed(ReportFilter()) == [second, first]
    assert listed(ReportFilter(), "created") == [first, second]
    assert listed(ReportFilter(open_only=True)) == [first]
    assert listed(ReportFilter(search="%_の")) == [first]
    assert listed(ReportFilter(search="ren")) == [second]
    assert listed(ReportFilter(kind=ReportKind.LOST)) == [first]
    with pytest.raises(InvalidInputError):
        listed(ReportFilter(), "text; DROP TABLE")

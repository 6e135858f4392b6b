"""Documents: two people, two days, hostile files, spread over devices, told before they end."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from fakes.clock import FakeClock
from sekisho.controls import service as controls
from sekisho.controls.documents import Document, DocumentScope, DocumentState, tell_kind
from sekisho.controls.model import Proof, Subject, Verdict, VerdictKind
from sekisho.controls.service import documents
from sekisho.evidence import service as evidence
from sekisho.kernel.db import Database
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    NotPermittedError,
    StepUpNeededError,
    TooLargeError,
)
from sekisho.kernel.ids import DeviceID
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind
from sekisho.notices.store import posts

RULE = "restore-test"
PDF = b"%PDF-1.7\n..."
DAY = timedelta(days=1)


@pytest.fixture
def other() -> Principal:
    """Somebody else who is responsible for security."""
    return Principal(PrincipalKind.PERSON, "per_other", "森下 彩", frozenset({"*"}))


def new(clock: FakeClock, **changes: object) -> documents.NewDocument:
    made = documents.NewDocument(
        control_id=RULE, title="復元テスト 2026年11月", valid_from=clock.now() - DAY,
        valid_until=clock.now() + 90 * DAY, file_name="記録.pdf", content=PDF,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type] # fields of the class


def hand_in(
    database: Database, by: Principal, clock: FakeClock, shelf: Path, **changes: object
) -> Document:
    with database.write(by) as tx:
        return documents.submit_document(tx, new(clock, **changes), shelf=shelf)


def accept(database: Database, by: Principal, document: Document) -> None:
    fresh = replace(by, authenticated_at=database.clock.now())
    with database.write(fresh) as tx:
        documents.review_document(tx, document.id, accept=True, note="")


def verdict(database: Database, device: str = "dev_1") -> Verdict:
    with database.read(SYSTEM) as tx:
        found = controls.list_verdicts(tx, DeviceID(device))
    return next(v for v in found if v.control_id == RULE)


@pytest.fixture
def enrolled(database: Database, laptop: Subject) -> Subject:
    with database.write(SYSTEM) as tx:
        controls.start_device(tx, laptop)
        controls.start_device(tx, replace(laptop, device_id=DeviceID("dev_3")))
    return laptop


def test_a_document_proves_a_rule_once_somebody_else_has_looked(
    database: Database, admin: Principal, other: Principal, enrolled: Subject, clock: FakeClock,
    tmp_path: Path,
) -> None:  # fmt: skip
    made = hand_in(database, admin, clock, tmp_path)
    assert verdict(database).kind is VerdictKind.UNKNOWN
    with database.write(admin) as tx, pytest.raises(NotPermittedError, match="does not review"):
        documents.review_document(tx, made.id, accept=True, note="fine")
    accept(database, other, made)

    for device in ("dev_1", "dev_3"):
        found = verdict(database, device)
        assert (found.kind, found.proof) == (VerdictKind.PASS, Proof.DOCUMENT)
        assert found.expires_at == made.valid_until
    with database.write(other) as tx:
        artefact, content = documents.open_file(tx, made.id, shelf=tmp_path)
        kinds = {record.kind for record in evidence.list_records(tx)}
        with pytest.raises(ConflictError):
            documents.review_document(tx, made.id, accept=False, note="no")
    assert (artefact.digest, content) == (made.artefact, PDF)
    assert {"document.submitted", "document.accepted", "evidence.artifact_opened"} <= kinds
    del enrolled


def test_whoever_signed_in_long_ago_accepts_nothing(
    database: Database, admin: Principal, other: Principal, clock: FakeClock, tmp_path: Path
) -> None:
    made = hand_in(database, admin, clock, tmp_path)
    late = replace(other, authenticated_at=clock.now() - DAY)
    with pytest.raises(StepUpNeededError), database.write(late) as tx:
        documents.review_document(tx, made.id, accept=True, note="")
    with database.write(late) as tx:  # what changes no verdict asks for no more
        documents.review_document(tx, made.id, accept=False, note="other year")


def test_an_expired_document_proves_nothing_and_was_told_of_before(
    database: Database, admin: Principal, other: Principal, enrolled: Subject, clock: FakeClock,
    tmp_path: Path,
) -> None:  # fmt: skip
    made = hand_in(database, admin, clock, tmp_path)
    accept(database, other, made)
    clock.advance(seconds=80 * 86400)
    with database.write(SYSTEM) as tx:
        assert documents.remind_documents(tx) == 1
        assert documents.remind_documents(tx) == 0
        (told,) = [p for p in posts.list_open(tx, 9) if p.post.kind.value == "document.ends"]
    assert sorted(told.reach.ids) == sorted([admin.id, other.id])  # type: ignore[union-attr] # people
    clock.advance(seconds=11 * 86400)
    assert verdict(database).kind is VerdictKind.UNKNOWN
    with database.write(SYSTEM) as tx:
        controls.expire_stale(tx)
        documents.spread_documents(tx)
        assert controls.count_verdicts(tx).by_kind["pass"] == 0
    del enrolled


def test_a_rule_that_wants_newer_proof_ends_a_long_document_for_itself(
    database: Database, admin: Principal, other: Principal, enrolled: Subject, clock: FakeClock,
    tmp_path: Path,
) -> None:  # fmt: skip
    long = {"valid_until": clock.now() + 900 * DAY}
    accept(database, other, hand_in(database, admin, clock, tmp_path, **long))
    assert verdict(database).expires_at == clock.now() + 190 * DAY
    del enrolled


def test_a_document_that_is_taken_back_proves_nothing_at_once(
    database: Database, admin: Principal, other: Principal, enrolled: Subject, clock: FakeClock,
    tmp_path: Path,
) -> None:  # fmt: skip
    made = hand_in(database, admin, clock, tmp_path)
    accept(database, other, made)
    with database.write(admin) as tx:
        documents.end_document(tx, made.id)
        with pytest.raises(ConflictError):
            documents.end_document(tx, made.id)
    assert verdict(database).kind is VerdictKind.UNKNOWN
    del enrolled


def test_a_document_for_one_device_speaks_for_no_other_and_new_devices_get_theirs(
    database: Database, admin: Principal, other: Principal, enrolled: Subject, clock: FakeClock,
    tmp_path: Path,
) -> None:  # fmt: skip
    one = {"scope": DocumentScope.DEVICE, "scope_id": "dev_1"}
    accept(database, other, hand_in(database, admin, clock, tmp_path, **one))
    assert verdict(database, "dev_1").kind is VerdictKind.PASS
    assert verdict(database, "dev_3").kind is VerdictKind.UNKNOWN

    accept(database, other, hand_in(database, admin, clock, tmp_path))
    with database.write(SYSTEM) as tx:
        controls.start_device(tx, replace(enrolled, device_id=DeviceID("dev_new")))
        assert documents.spread_documents(tx) == 1
    assert verdict(database, "dev_new").kind is VerdictKind.PASS


def test_a_refusal_needs_a_reason_and_proves_nothing(
    database: Database, admin: Principal, other: Principal, enrolled: Subject, clock: FakeClock,
    tmp_path: Path,
) -> None:  # fmt: skip
    made = hand_in(database, admin, clock, tmp_path)
    with database.write(other) as tx:
        with pytest.raises(InvalidInputError):
            documents.review_document(tx, made.id, accept=False, note=" ")
        refused = documents.review_document(tx, made.id, accept=False, note="日付がありません")
    assert refused.state is DocumentState.REFUSED
    assert verdict(database).kind is VerdictKind.UNKNOWN
    del enrolled


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"control_id": "disk-encrypted"}, "proven by machine"),
        ({"title": " "}, "title of 1"),
        ({"title": "x" * 300}, "title of 1"),
        ({"content": b"<html><script>"}, "not kept"),
        ({"content": b"<svg onload=x>"}, "not kept"),
        ({"content": b"MZ\x90"}, "not kept"),
        ({"content": b""}, "Either a file or a link"),
        ({"address": "https://example.jp/x"}, "not both"),
        ({"content": b"", "address": "javascript:alert(1)"}, "no link"),
        ({"content": b"", "address": "http://example.jp"}, "no link"),
        ({"content": b"", "address": "https://example.jp/ x"}, "no link"),
    ],
)
def test_what_cannot_be_a_document_is_refused_and_told(
    database: Database, admin: Principal, clock: FakeClock, tmp_path: Path,
    changes: dict[str, object], said: str,
) -> None:  # fmt: skip
    with database.write(admin) as tx, pytest.raises(InvalidInputError, match=said):
        documents.submit_document(tx, new(clock, **changes), shelf=tmp_path)


@pytest.mark.parametrize(("first", "last"), [(-10, -1), (5, 5), (5, 1), (0, 5 * 366 + 1)])
def test_days_that_cannot_be_are_refused(
    database: Database, admin: Principal, clock: FakeClock, tmp_path: Path, first: int, last: int
) -> None:
    def day(number: int) -> datetime:
        return clock.now() + number * DAY

    days = {"valid_from": day(first), "valid_until": day(last)}
    with database.write(admin) as tx, pytest.raises(InvalidInputError):
        documents.submit_document(tx, new(clock, **days), shelf=tmp_path)


def test_strangers_and_too_large_files_are_refused(
    database: Database, admin: Principal, clock: FakeClock, tmp_path: Path
) -> None:
    reader = Principal(PrincipalKind.PERSON, "per_r", "r", frozenset({"controls.read"}))
    with database.write(reader) as tx, pytest.raises(NotPermittedError):
        documents.submit_document(tx, new(clock), shelf=tmp_path)
    with database.write(admin) as tx:
        with pytest.raises(TooLargeError):
            huge = PDF + bytes(documents.LARGEST_FILE)
            documents.submit_document(tx, new(clock, content=huge), shelf=tmp_path)
        with pytest.raises(NotFoundError):
            bad = new(clock, scope=DocumentScope.DEVICE, scope_id="dev_none")
            documents.submit_document(tx, bad, shelf=tmp_path)
        with pytest.raises(NotFoundError):
            documents.get_document(tx, "doc_none")


def test_a_name_that_climbs_is_only_a_name(
    database: Database, admin: Principal, clock: FakeClock, tmp_path: Path
) -> None:
    made = hand_in(database, admin, clock, tmp_path, file_name="../../\n<b>x</b>.pdf")
    assert "/" not in made.file_name.replace("</", "")
    assert "\n" not in made.file_name


def test_office_files_and_pictures_are_known_by_their_first_bytes() -> None:
    assert tell_kind(b"PK\x03\x04...") == "application/zip"
    assert tell_kind(b"\xff\xd8\xff\xe0") == "image/jpeg"

"""What others say weighed against what the machine proved: pure, then on real databases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.answering_device import Replies
from fakes.clock import FakeClock
from sekisho.controls import engine, service
from sekisho.controls.catalogue import load_catalogue
from sekisho.controls.model import Control, Platform, Proof, Subject, Verdict, VerdictKind
from sekisho.controls.service.judging import settle_device
from sekisho.controls.statements import Statement, contradicts, uncover, weigh
from sekisho.controls.store import statements as store
from sekisho.kernel.db import Database
from sekisho.kernel.ids import ControlID, DeviceID
from sekisho.kernel.principal import SYSTEM

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
CATALOGUE = load_catalogue()
DISK = CATALOGUE.controls[ControlID("disk-encrypted")]
PAPER = CATALOGUE.controls[ControlID("restore-test")]
DAY = timedelta(days=1)
PASS, FAIL, UNKNOWN = VerdictKind.PASS, VerdictKind.FAIL, VerdictKind.UNKNOWN


def say(
    proof: Proof, said: VerdictKind = PASS, *, at: datetime = NOW - DAY, control: Control = DISK,
    until: datetime = NOW + 30 * DAY, version: int | None = None,
) -> Statement:  # fmt: skip
    return Statement(
        DeviceID("dev_1"), control.id, version or control.version, proof, said, "test",
        stated_at=at, received_at=max(at, NOW - DAY), valid_until=until,
    )  # fmt: skip


def machine(kind: VerdictKind, *, at: datetime = NOW - timedelta(hours=1)) -> Verdict:
    started = engine.start_verdict(DISK, at)
    if kind is UNKNOWN:
        return started
    return replace(
        started, kind=kind, judged=kind, checked_at=at, received_at=at, machine_at=at,
        expires_at=at + DISK.max_age, first_failed_at=at if kind is FAIL else None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("own", "said", "expected"),
    [
        (machine(PASS), [say(Proof.SELF, FAIL)], (PASS, Proof.MACHINE)),
        (machine(FAIL), [say(Proof.SELF)], (FAIL, Proof.MACHINE)),
        (machine(FAIL), [say(Proof.THIRD_PARTY, at=NOW)], (FAIL, Proof.MACHINE)),
        (machine(UNKNOWN), [say(Proof.SELF)], (PASS, Proof.SELF)),
        (machine(UNKNOWN), [say(Proof.SELF, FAIL)], (FAIL, Proof.SELF)),
        (machine(UNKNOWN), [say(Proof.SELF), say(Proof.THIRD_PARTY, FAIL)],
         (FAIL, Proof.THIRD_PARTY)),
        (machine(UNKNOWN), [say(Proof.DOCUMENT)], (UNKNOWN, Proof.MACHINE)),
        (machine(UNKNOWN), [say(Proof.SELF, until=NOW)], (UNKNOWN, Proof.MACHINE)),
        (machine(UNKNOWN), [say(Proof.SELF, at=NOW + DAY)], (UNKNOWN, Proof.MACHINE)),
        (machine(UNKNOWN), [say(Proof.SELF, version=99)], (UNKNOWN, Proof.MACHINE)),
        (machine(UNKNOWN), [], (UNKNOWN, Proof.MACHINE)),
    ],
    ids=[
        "machine-pass-beats-self", "machine-fail-beats-self", "machine-fail-beats-export",
        "self-where-nothing-else", "self-says-no", "export-beats-self",
        "no-document-for-machine-rules", "ended", "of-the-future", "other-version", "nothing",
    ],
)  # fmt: skip
def test_the_strongest_proof_decides(
    own: Verdict, said: list[Statement], expected: tuple[VerdictKind, Proof]
) -> None:
    found = weigh(DISK, own, said, NOW)

    assert (found.judged, found.proof) == expected


def test_silence_after_a_failure_makes_nothing_fine() -> None:
    failed = machine(FAIL, at=NOW - 20 * DAY)
    stale = weigh(DISK, failed, [say(Proof.SELF)], NOW)

    assert (stale.judged, stale.proof) == (UNKNOWN, Proof.MACHINE)
    assert stale.first_failed_at == failed.first_failed_at
    older = weigh(DISK, failed, [say(Proof.THIRD_PARTY, at=NOW - 21 * DAY)], NOW)
    newer = weigh(DISK, failed, [say(Proof.THIRD_PARTY, at=NOW - 2 * DAY)], NOW)
    assert older.judged is UNKNOWN
    assert (newer.judged, newer.proof) == (PASS, Proof.THIRD_PARTY)


def test_what_is_covered_comes_back_when_the_statement_ends() -> None:
    covered = weigh(DISK, machine(FAIL, at=NOW - 20 * DAY), [say(Proof.THIRD_PARTY)], NOW)

    own = uncover(DISK, covered, NOW)
    assert own.judged is UNKNOWN
    assert own.machine_at == covered.machine_at == NOW - 20 * DAY
    later = weigh(DISK, covered, [say(Proof.THIRD_PARTY)], NOW + 40 * DAY)
    assert later.judged is UNKNOWN
    assert engine.is_stale(later), "it is told as a proof that grew too old"


def test_a_document_proves_a_paper_rule_and_outweighs_a_word() -> None:
    start = engine.start_verdict(PAPER, NOW - DAY)
    words = say(Proof.SELF, FAIL, control=PAPER)
    paper = say(Proof.DOCUMENT, control=PAPER)

    assert weigh(PAPER, start, [words], NOW).judged is FAIL
    found = weigh(PAPER, start, [words, paper], NOW)
    assert (found.judged, found.proof) == (PASS, Proof.DOCUMENT)
    assert weigh(PAPER, found, [], NOW).judged is UNKNOWN, "taken back"


proofs = st.sampled_from([Proof.DOCUMENT, Proof.THIRD_PARTY, Proof.SELF])
statements = st.builds(
    say, proofs, st.sampled_from([PASS, FAIL]),
    at=st.integers(-40, 5).map(lambda n: NOW + n * DAY),
    until=st.integers(-10, 60).map(lambda n: NOW + n * DAY),
)  # fmt: skip


@given(st.sampled_from([PASS, FAIL]), st.integers(0, 20), st.lists(statements, max_size=4))
def test_words_never_outweigh_a_machine_that_answered(
    kind: VerdictKind, days: int, said: list[Statement]
) -> None:
    own = machine(kind, at=NOW - days * DAY)
    found = weigh(DISK, own, said, NOW)

    assert found.proof is not Proof.SELF
    assert found.proof is not Proof.DOCUMENT
    if own.expires_at is not None and own.expires_at > NOW:
        assert (found.judged, found.proof) == (kind, Proof.MACHINE)
    if found.proof is Proof.THIRD_PARTY:
        assert found.checked_at is not None
        assert found.checked_at > NOW - days * DAY
    assert weigh(DISK, found, said, NOW) == found, "weighing again changes nothing"


@given(st.lists(statements, max_size=4))
def test_nothing_is_ever_fine_without_a_statement_that_says_so(said: list[Statement]) -> None:
    found = weigh(DISK, machine(UNKNOWN), said, NOW)

    fine = [s for s in said if s.counts(DISK, NOW) and s.said is PASS]
    assert found.judged is not PASS or found.proof in {s.proof for s in fine}


def test_only_a_yes_against_a_machines_no_is_a_contradiction() -> None:
    no = machine(FAIL)
    assert contradicts(DISK, no, say(Proof.SELF), NOW)
    assert contradicts(DISK, no, say(Proof.THIRD_PARTY), NOW)
    assert not contradicts(DISK, no, say(Proof.SELF, FAIL), NOW)
    assert not contradicts(DISK, machine(PASS), say(Proof.SELF), NOW)
    assert not contradicts(DISK, machine(FAIL, at=NOW - 30 * DAY), say(Proof.SELF), NOW)
    assert not contradicts(DISK, no, say(Proof.SELF, until=NOW), NOW)


def _state(database: Database, subject: Subject) -> tuple[Verdict, Statement | None]:
    with database.read(SYSTEM) as tx:
        verdict = next(
            v for v in service.list_verdicts(tx, subject.device_id) if v.control_id == DISK.id
        )
        return verdict, next(iter(store.find_statements(tx, subject.device_id)), None)


def _say(database: Database, subject: Subject, statement: Statement) -> None:
    with database.write(SYSTEM) as tx:
        store.save_statements(tx, [replace(statement, device_id=subject.device_id)])
        settle_device(tx, subject.device_id)


def test_a_contradiction_is_noted_with_the_answer_that_makes_it(
    database: Database, laptop: Subject, replies: Replies, clock: FakeClock
) -> None:
    with database.write(SYSTEM) as tx:
        service.start_device(tx, laptop)
    now = clock.now()
    yes = replace(say(Proof.SELF), stated_at=now, received_at=now, valid_until=now + 90 * DAY)
    _say(database, laptop, yes)
    verdict, kept = _state(database, laptop)
    assert (verdict.kind, verdict.proof) == (PASS, Proof.SELF)
    assert kept is not None
    assert kept.against_since is None

    with database.write(SYSTEM) as tx:
        answers = replies.about(DISK.id, Platform.WINDOWS, passed=False)
        service.judge_answers(tx, laptop, answers, tx.now)
    verdict, kept = _state(database, laptop)
    assert (verdict.kind, verdict.proof) == (FAIL, Proof.MACHINE)
    assert kept is not None
    assert kept.against_since == now

    clock.advance(hours=1)
    with database.write(SYSTEM) as tx:
        answers = replies.about(DISK.id, Platform.WINDOWS, passed=True)
        service.judge_answers(tx, laptop, answers, tx.now)
    _, kept = _state(database, laptop)
    assert kept is not None
    assert kept.against_since is None


def test_a_statement_that_ends_is_unknown_at_once_and_written_down_by_the_worker(
    database: Database, laptop: Subject, clock: FakeClock
) -> None:
    with database.write(SYSTEM) as tx:
        service.start_device(tx, laptop)
    now = clock.now()
    _say(database, laptop, replace(
        say(Proof.THIRD_PARTY), stated_at=now, received_at=now, valid_until=now + 2 * DAY,
    ))  # fmt: skip
    assert _state(database, laptop)[0].kind is PASS

    clock.advance(seconds=int((3 * DAY).total_seconds()))
    assert _state(database, laptop)[0].kind is UNKNOWN
    with database.write(SYSTEM) as tx:
        assert service.expire_stale(tx) == 1
        counts = service.count_verdicts(tx)
    assert counts.by_kind["pass"] == 0
    verdict, _ = _state(database, laptop)
    assert (verdict.kind, verdict.proof) == (UNKNOWN, Proof.MACHINE)

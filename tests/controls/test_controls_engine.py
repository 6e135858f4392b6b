"""Unknown is never pass, whatever is missing, old, replayed or strange."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.controls import engine
from sekisho.controls.model import (
    Answer,
    Check,
    Control,
    DataSet,
    Evidence,
    Exemption,
    Platform,
    Probe,
    Proof,
    Severity,
    Verdict,
    VerdictKind,
)
from sekisho.kernel.ids import ControlID
from sekisho.wire.kit import Ownership

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
ROW = ({"1": "1"},)
BOTH = {"ja": "例", "en": "example"}
CHECK = Check(Platform.LINUX, Probe("SELECT 1 FROM alf", "SELECT 1 FROM uptime"))
CONTROL = Control(
    id=ControlID("example"), version=3, title=BOTH, statement=BOTH, why=BOTH, guideline=BOTH,
    theme="x", ownership=frozenset(Ownership), severity=Severity.HIGH, grace=timedelta(days=7),
    max_age=timedelta(days=2), proof=Proof.MACHINE, checks={Platform.LINUX: CHECK}, fix={},
)  # fmt: skip
NAME, READY = CONTROL.policy_name, CHECK.probe.ready_name


def said(*, rows: bool = True, ready: bool = True, at: datetime | None = None) -> Evidence:
    return Evidence(
        Answer(NAME, ROW if rows else (), device_time=at), Answer(READY, ROW if ready else ())
    )


def judged(evidence: Evidence, previous: Verdict | None = None, now: datetime = NOW) -> Verdict:
    return engine.judge(CONTROL, evidence, previous, now)


BEGIN, END = (datetime(year, 1, 1) for year in (2020, 2033))  # noqa: DTZ001 - Hypothesis adds the zone
FIRST, LAST = (datetime(2026, month, 1) for month in (11, 12))  # noqa: DTZ001 - the same

answers = st.none() | st.builds(
    Answer,
    name=st.sampled_from([NAME, READY, "fleet_policy_query_example@2", "strange"]),
    rows=st.sampled_from([(), ROW, ROW * 3]),
    status=st.sampled_from([0, 1, -1, 9]),
    message=st.text(max_size=20),
    device_time=st.none() | st.datetimes(BEGIN, END, timezones=st.just(UTC)),
)
moments = st.datetimes(FIRST, LAST, timezones=st.just(UTC))


def is_whole(evidence: Evidence) -> bool:
    check, ready = evidence.check, evidence.ready
    return (
        check is not None
        and check.name == NAME
        and check.status == 0
        and ready is not None
        and ready.status == 0
        and bool(ready.rows)
    )


def test_rows_are_a_pass_and_no_rows_a_failure() -> None:
    assert judged(said()).kind is VerdictKind.PASS
    failed = judged(said(rows=False))
    assert failed.kind is VerdictKind.FAIL
    assert failed.fix_by == NOW + timedelta(days=7)


@pytest.mark.parametrize(
    "evidence",
    [
        Evidence(),
        Evidence(ready=Answer(READY, ROW)),
        Evidence(Answer(NAME, ROW)),
        Evidence(Answer(NAME, ROW), Answer(READY)),
        Evidence(Answer(NAME, ROW), Answer(READY, ROW, status=1, message="denied")),
        Evidence(Answer(NAME, ROW, status=1, message="no such table: alf"), Answer(READY, ROW)),
        Evidence(Answer(NAME, (), status=1), Answer(READY, ROW)),
        Evidence(Answer("fleet_policy_query_example@2", ROW), Answer(READY, ROW)),
    ],
)
def test_any_missing_piece_is_unknown_and_says_why(evidence: Evidence) -> None:
    verdict = judged(evidence)

    assert verdict.kind is VerdictKind.UNKNOWN
    assert verdict.message is not None
    assert verdict.expires_at is None


@given(check=answers, ready=answers, detail=answers, now=moments)
def test_only_a_whole_proof_can_pass(
    check: Answer | None, ready: Answer | None, detail: Answer | None, now: datetime
) -> None:
    evidence = Evidence(check, ready, detail)

    verdict = judged(evidence, now=now)

    assert (verdict.kind is VerdictKind.UNKNOWN) == (not is_whole(evidence))
    if verdict.kind is VerdictKind.PASS:
        assert check is not None
        assert check.rows


@given(st.lists(st.tuples(answers, answers, moments), max_size=8))
def test_time_only_goes_forward(steps: list[tuple[Answer | None, Answer | None, datetime]]) -> None:
    verdict: Verdict | None = None
    for check, ready, now in steps:
        before, verdict = verdict, judged(Evidence(check, ready), verdict, now)
        assert verdict.received_at is not None
        assert verdict.checked_at is not None
        assert verdict.checked_at <= verdict.received_at, "no clock makes anything fresher"
        if verdict.expires_at is not None:
            assert verdict.expires_at <= verdict.received_at + CONTROL.max_age
        if before is not None and before.received_at is not None:
            assert verdict.received_at >= before.received_at
            if before.first_failed_at is not None and verdict.kind is not VerdictKind.PASS:
                assert verdict.first_failed_at == before.first_failed_at
        assert (verdict.fix_by is not None) == (verdict.kind is VerdictKind.FAIL)


@given(check=answers, ready=answers, later=st.timedeltas(timedelta(0), timedelta(days=9)))
def test_growing_old_never_makes_a_pass(
    check: Answer | None, ready: Answer | None, later: timedelta
) -> None:
    verdict = judged(Evidence(check, ready))

    settled = engine.settle(verdict, None, NOW + later)

    assert settled.kind in {verdict.kind, VerdictKind.UNKNOWN}
    if later >= CONTROL.max_age:
        assert settled.kind is VerdictKind.UNKNOWN
    assert engine.settle(settled, None, NOW + later) == settled


def test_an_older_answer_never_replaces_a_newer_one() -> None:
    stands = judged(said(rows=False, at=NOW))

    assert judged(said(at=NOW - timedelta(minutes=1)), stands, NOW + timedelta(hours=1)) is stands
    assert judged(said(), stands, NOW - timedelta(seconds=1)) is stands
    old = Evidence(Answer("fleet_policy_query_example@2", ROW), Answer(READY, ROW))
    assert judged(old, stands, NOW + timedelta(hours=1)) is stands


def test_a_clock_ahead_is_noted_and_gains_nothing() -> None:
    verdict = judged(said(at=NOW + timedelta(days=900)))

    assert verdict.checked_at == NOW
    assert verdict.expires_at == NOW + CONTROL.max_age
    assert "minutes ahead" in str(verdict.message)
    again = judged(said(rows=False, at=NOW + timedelta(hours=1)), verdict, NOW + timedelta(hours=1))
    assert again.kind is VerdictKind.FAIL, "a corrected clock is heard again"


def test_a_buffered_answer_is_as_old_as_the_device_says() -> None:
    verdict = judged(said(at=NOW - timedelta(days=3)))

    assert engine.settle(verdict, None, NOW).kind is VerdictKind.UNKNOWN


def test_a_failure_keeps_its_first_day_until_a_pass() -> None:
    failed = judged(said(rows=False))
    silent = judged(Evidence(), failed, NOW + timedelta(days=1))
    again = judged(said(rows=False), silent, NOW + timedelta(days=2))
    passed = judged(said(), again, NOW + timedelta(days=3))

    assert silent.first_failed_at == again.first_failed_at == NOW
    assert again.since == NOW + timedelta(days=2)
    assert passed.first_failed_at is None


def test_an_old_list_can_fail_but_not_pass() -> None:
    data = DataSet("minimum_versions", NOW - timedelta(days=200), NOW - timedelta(days=20))
    leaning = replace(CONTROL, data=(data,))

    assert engine.judge(leaning, said(), None, NOW).kind is VerdictKind.UNKNOWN
    assert engine.judge(leaning, said(rows=False), None, NOW).kind is VerdictKind.FAIL
    fresh = replace(data, stale_after=NOW + timedelta(hours=1))
    verdict = engine.judge(replace(CONTROL, data=(fresh,)), said(), None, NOW)
    assert verdict.expires_at == fresh.stale_after


@given(until=st.timedeltas(timedelta(days=-3), timedelta(days=3)), rows=st.booleans())
def test_an_exception_hides_no_pass_and_ends(until: timedelta, rows: bool) -> None:
    exemption = Exemption(CONTROL.id, NOW + until, "exc_1")
    verdict = judged(said(rows=rows))

    settled = engine.settle(verdict, exemption, NOW)

    exempt = until > timedelta(0) and not rows
    assert (settled.kind is VerdictKind.EXEMPT) == exempt
    assert settled.judged is verdict.judged
    after = engine.settle(settled, exemption, NOW + timedelta(days=3))
    assert after.kind is not VerdictKind.EXEMPT


def test_a_changed_rule_starts_again() -> None:
    passed = judged(said())

    again = engine.restart(passed, replace(CONTROL, version=4), NOW + timedelta(hours=1))

    assert again.kind is VerdictKind.UNKNOWN
    assert engine.restart(passed, CONTROL, NOW) is passed


def test_a_private_device_keeps_its_words() -> None:
    found = {
        NAME: Answer(NAME, ({"path": "/home/tanaka"},), message="tanaka"),
        READY: Answer(READY, ROW),
        CONTROL.detail_name: Answer(CONTROL.detail_name, ({"name": "tanaka"},)),
    }

    evidence = engine.gather_evidence(CONTROL, CHECK, found, Ownership.PRIVATE)

    assert "tanaka" not in repr(evidence)
    assert judged(evidence).kind is VerdictKind.PASS

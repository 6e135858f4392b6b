"""From answers to stored verdicts, figures, findings and evidence, on both databases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fakes.answering_device import Replies
from fakes.clock import FakeClock
from sekisho.controls import service
from sekisho.controls.model import Answer, Catalogue, Platform, Proof, Subject, Verdict, VerdictKind
from sekisho.evidence import service as evidence
from sekisho.findings import service as findings
from sekisho.findings.model import FindingFilter, FindingStatus
from sekisho.kernel.db import Database
from sekisho.kernel.errors import InvalidInputError, NotFoundError, NotPermittedError
from sekisho.kernel.ids import ControlID, DeviceID
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind
from sekisho.wire.kit import Ownership

UAC = ControlID("uac-on")
BACKUP = ControlID("backup")


def _verdict(database: Database, subject: Subject, control: str) -> Verdict:
    with database.read(SYSTEM) as tx:
        return next(
            v for v in service.list_verdicts(tx, subject.device_id) if v.control_id == control
        )


def _judge(database: Database, subject: Subject, answers: list[Answer]) -> list[str]:
    with database.write(SYSTEM) as tx:
        changes = service.judge_answers(tx, subject, answers, tx.now)
    return [f"{c.control_id} {c.before} {c.after.kind}" for c in changes]


def _counts(database: Database) -> dict[str, int]:
    with database.read(SYSTEM) as tx:
        return dict(service.count_verdicts(tx).by_kind)


def test_a_new_device_is_unknown_everywhere_and_nothing_else(
    database: Database, laptop: Subject, catalogue: Catalogue
) -> None:
    with database.write(SYSTEM) as tx:
        service.start_device(tx, laptop)

    with database.read(SYSTEM) as tx:
        found = service.list_verdicts(tx, laptop.device_id)
        assert evidence.list_records(tx) == []
        assert findings.count_open(tx) == 0
    assert {v.kind for v in found} == {VerdictKind.UNKNOWN}
    assert len(found) == len(catalogue.applying(laptop.platform, laptop.ownership))
    assert "gatekeeper-sip" not in {v.control_id for v in found}, "it is for Macs"


def test_a_pass_is_stored_counted_and_recorded(
    database: Database, laptop: Subject, replies: Replies
) -> None:
    changed = _judge(database, laptop, replies.about(UAC, laptop.platform, passed=True))

    assert changed == ["uac-on None pass"]
    assert _verdict(database, laptop, UAC).kind is VerdictKind.PASS
    assert _counts(database)["pass"] == 1
    with database.read(SYSTEM) as tx:
        assert [r.kind for r in evidence.list_records(tx)] == ["control.verdict_changed"]


def test_a_failure_becomes_a_finding_and_a_pass_closes_it(
    database: Database, laptop: Subject, replies: Replies, clock: FakeClock
) -> None:
    _judge(database, laptop, replies.about(UAC, laptop.platform, passed=False))
    with database.read(SYSTEM) as tx:
        (finding,) = findings.list_findings(tx).findings
    assert finding.key == "compliance:dev_1:uac-on"
    assert finding.due_at == clock.now() + timedelta(days=7)
    assert finding.title["ja"].startswith("未対応：")

    clock.advance(hours=2)
    _judge(database, laptop, replies.about(UAC, laptop.platform, passed=True))

    with database.read(SYSTEM) as tx:
        assert findings.count_open(tx) == 0


def test_the_same_answer_again_only_moves_the_times(
    database: Database, laptop: Subject, replies: Replies, clock: FakeClock
) -> None:
    _judge(database, laptop, replies.about(UAC, laptop.platform, passed=True))
    first = _verdict(database, laptop, UAC)
    clock.advance(hours=5)

    assert _judge(database, laptop, replies.about(UAC, laptop.platform, passed=True)) == []

    second = _verdict(database, laptop, UAC)
    assert second.received_at == clock.now()
    assert second.since == first.since
    with database.read(SYSTEM) as tx:
        assert len(evidence.list_records(tx)) == 1
        assert len(service.list_changes(tx, laptop.device_id)) == 1


def test_replayed_and_late_answers_change_nothing(
    database: Database, laptop: Subject, replies: Replies, clock: FakeClock
) -> None:
    looked = clock.now()
    _judge(database, laptop, replies.about(UAC, laptop.platform, passed=False, at=looked))
    clock.advance(hours=1)
    old = replies.about(UAC, laptop.platform, passed=True, at=looked - timedelta(hours=3))

    assert _judge(database, laptop, old) == []
    assert _verdict(database, laptop, UAC).kind is VerdictKind.FAIL


def test_no_answer_for_too_long_is_unknown_before_and_after_the_worker(
    database: Database, laptop: Subject, replies: Replies, clock: FakeClock
) -> None:
    _judge(database, laptop, replies.about(UAC, laptop.platform, passed=True))
    clock.advance(days=4)

    assert _verdict(database, laptop, UAC).kind is VerdictKind.UNKNOWN
    assert _counts(database)["pass"] == 0
    with database.read(SYSTEM) as tx:
        assert service.count_standings(tx) == {"fail": 0, "unknown": 1, "pass": 0}
        assert service.list_devices_with(tx, "unknown") == [laptop.device_id]
        before = service.count_verdicts(tx)
    with database.write(SYSTEM) as tx:
        assert service.expire_stale(tx) == 1
        assert service.expire_stale(tx) == 0

    with database.read(SYSTEM) as tx:
        assert service.count_verdicts(tx) == before
        (finding,) = findings.list_findings(tx).findings
    assert finding.title["en"].startswith("No longer proven")


def test_going_silent_buys_no_new_grace(
    database: Database, laptop: Subject, replies: Replies, clock: FakeClock
) -> None:
    _judge(database, laptop, replies.about(UAC, laptop.platform, passed=False))
    began = clock.now()
    clock.advance(days=10)
    with database.write(SYSTEM) as tx:
        service.expire_stale(tx)
    clock.advance(days=1)

    _judge(database, laptop, replies.about(UAC, laptop.platform, passed=False))

    verdict = _verdict(database, laptop, UAC)
    assert verdict.first_failed_at == began
    assert verdict.fix_by == began + timedelta(days=7)


def test_a_private_devices_words_are_not_kept(
    database: Database, own_pc: Subject, replies: Replies
) -> None:
    control = replies.control("os-supported")
    check = control.find_check(Platform.LINUX)
    assert check is not None
    error = "open /home/tanaka/秘密: permission denied"
    answers = [
        Answer(control.policy_name, status=1, message=error),
        Answer(check.probe.ready_name, ({"1": "1"},)),
        Answer(control.detail_name, ({"name": "Debian of Tanaka"},)),
    ]

    _judge(database, own_pc, answers)

    verdict = _verdict(database, own_pc, "os-supported")
    assert verdict.kind is VerdictKind.UNKNOWN
    assert "tanaka" not in repr(verdict).lower()
    with database.read(SYSTEM) as tx:
        assert all("anaka" not in repr(r) or "per_" in repr(r) for r in evidence.list_records(tx))


def test_details_of_a_company_device_are_shown_cut(
    database: Database, laptop: Subject, replies: Replies
) -> None:
    detail = Answer(replies.control(UAC).detail_name, ({"user_account_control": "x" * 5000},) * 99)

    _judge(database, laptop, [*replies.about(UAC, laptop.platform, passed=False), detail])

    rows = _verdict(database, laptop, UAC).rows
    assert len(rows) == 20
    assert len(rows[0]["user_account_control"]) == 300


def test_strange_answers_are_left_alone(database: Database, laptop: Subject) -> None:
    answers = [
        Answer("fleet_policy_query_no-such@1", ({"1": "1"},)),
        Answer("fleet_policy_query_gatekeeper-sip@1", ({"1": "1"},)),
        Answer("fleet_policy_query_backup@1", ({"1": "1"},)),
        Answer("fleet_policy_query_", ({"1": "1"},)),
        Answer("live:42", ({"1": "1"},)),
    ]

    assert _judge(database, laptop, answers) == []
    assert _counts(database)["pass"] == 0


def test_an_answer_to_an_old_version_is_no_proof(
    database: Database, laptop: Subject, replies: Replies
) -> None:
    ready = replies.about(UAC, laptop.platform, passed=True)[1]

    _judge(database, laptop, [Answer("fleet_policy_query_uac-on@0", ({"1": "1"},)), ready])

    verdict = _verdict(database, laptop, UAC)
    assert verdict.kind is VerdictKind.UNKNOWN
    assert "version 0" in str(verdict.message)


def test_a_document_proves_what_no_machine_can(
    database: Database, laptop: Subject, admin: Principal, clock: FakeClock
) -> None:
    with database.write(SYSTEM) as tx:
        service.start_device(tx, laptop)
    with database.write(admin) as tx:
        service.submit_document(
            tx, laptop.device_id, BACKUP, "月次バックアップの記録",
            clock.now() + timedelta(days=20), "sha256:aa",
        )  # fmt: skip

    verdict = _verdict(database, laptop, BACKUP)
    assert (verdict.kind, verdict.proof) == (VerdictKind.PASS, Proof.DOCUMENT)
    with database.read(SYSTEM) as tx:
        assert service.count_verdicts(tx).by_proof == {"document": 1}
    clock.advance(days=21)
    assert _verdict(database, laptop, BACKUP).kind is VerdictKind.UNKNOWN


def test_a_bare_statement_is_shown_as_such(
    database: Database, laptop: Subject, admin: Principal, clock: FakeClock
) -> None:
    with database.write(admin) as tx:
        service.start_device(tx, laptop)
        service.submit_document(
            tx, laptop.device_id, BACKUP, "取っています", clock.now() + timedelta(days=300)
        )

    verdict = _verdict(database, laptop, BACKUP)
    assert verdict.proof is Proof.SELF
    assert verdict.expires_at == clock.now() + timedelta(days=35), "the rule's own limit counts"


def test_no_document_for_what_a_machine_proves(
    database: Database, laptop: Subject, admin: Principal, clock: FakeClock
) -> None:
    tomorrow = clock.now() + timedelta(days=1)
    visitor = Principal(PrincipalKind.PERSON, "per_x", "x", frozenset({"controls.read"}))
    with database.write(admin) as tx:
        service.start_device(tx, laptop)
        with pytest.raises(InvalidInputError):
            service.submit_document(tx, laptop.device_id, UAC, "on", tomorrow)
        with pytest.raises(InvalidInputError):
            service.submit_document(tx, laptop.device_id, BACKUP, " ", tomorrow)
        with pytest.raises(InvalidInputError):
            service.submit_document(tx, laptop.device_id, BACKUP, "x", tx.now)
        with pytest.raises(NotFoundError):
            service.submit_document(tx, DeviceID("dev_no"), BACKUP, "x", tomorrow)
    with database.write(visitor) as tx, pytest.raises(NotPermittedError):
        service.submit_document(tx, laptop.device_id, BACKUP, "x", tomorrow)


def test_counts_stay_right_through_everything(
    database: Database, laptop: Subject, own_pc: Subject, replies: Replies, clock: FakeClock
) -> None:
    for passed in (True, False, True):
        for subject in (laptop, own_pc):
            _judge(database, subject, replies.all_of(subject, passed=passed))
        clock.advance(hours=1)
        with database.read(SYSTEM) as tx:
            counted = service.count_verdicts(tx)
            shown = [
                v.kind.value
                for s in (laptop, own_pc)
                for v in service.list_verdicts(tx, s.device_id)
            ]
        assert counted.by_kind == {k.value: shown.count(k.value) for k in VerdictKind}
    with database.write(SYSTEM) as tx:
        service.forget_device(tx, laptop.device_id)
        service.forget_device(tx, own_pc.device_id)
        assert service.count_verdicts(tx).total == 0
        assert service.count_standings(tx) == {"fail": 0, "unknown": 0, "pass": 0}
        assert service.list_verdicts(tx, laptop.device_id) == []


def test_daily_figures(
    database: Database, laptop: Subject, replies: Replies, clock: FakeClock
) -> None:
    _judge(database, laptop, replies.about(UAC, laptop.platform, passed=True))
    with database.write(SYSTEM) as tx:
        service.write_trend(tx)
        service.write_trend(tx)
    clock.advance(days=1)
    _judge(database, laptop, replies.about(UAC, laptop.platform, passed=False))
    with database.write(SYSTEM) as tx:
        service.write_trend(tx)

    with database.read(SYSTEM) as tx:
        days = service.list_trend(tx, 30)
        only = service.list_trend(tx, 30, UAC)
    assert [(d.day, d.by_kind["pass"], d.by_kind["fail"]) for d in days] == [
        ("2026-11-24", 1, 0), ("2026-11-25", 0, 1),
    ]  # fmt: skip
    assert [sum(d.by_kind.values()) for d in only] == [1, 1]


def test_the_worst_control_comes_first(
    database: Database, laptop: Subject, replies: Replies, admin: Principal
) -> None:
    low = replies.about("vpn-up", laptop.platform, passed=False)
    critical = replies.about("os-supported", laptop.platform, passed=False)
    _judge(database, laptop, low + critical)

    with database.read(admin) as tx:
        names = [status.control_id for status in service.list_controls_status(tx)]
        listed = service.list_control_devices(tx, "vpn-up", VerdictKind.FAIL)
    assert names[:2] == ["os-supported", "vpn-up"]
    assert [each.device_id for each in listed] == [laptop.device_id]


def _take_over(database: Database, catalogue: Catalogue) -> bool:
    service.put_in_force(catalogue)
    with database.write(SYSTEM) as tx:
        takeover = service.find_takeover(tx)
        return takeover is not None and takeover.step(tx)


def test_a_removed_control_is_closed_and_a_changed_one_starts_again(
    database: Database, laptop: Subject, replies: Replies, catalogue: Catalogue
) -> None:
    assert _take_over(database, catalogue)
    _judge(database, laptop, replies.about(UAC, laptop.platform, passed=False))
    _judge(database, laptop, replies.about("firewall", laptop.platform, passed=True))
    changed = dict(catalogue.controls)
    del changed[UAC]
    firewall = changed[ControlID("firewall")]
    changed[ControlID("firewall")] = replace(firewall, version=firewall.version + 1)

    try:
        newer = replace(catalogue, controls=changed, digest="2")
        assert _take_over(database, newer)
        with database.read(SYSTEM) as tx:
            found = {v.control_id: v for v in service.list_verdicts(tx, laptop.device_id)}
            assert findings.list_findings(tx).total == 0
            closed = findings.list_findings(tx, FindingFilter(status=FindingStatus.CLOSED))
            counted = service.count_verdicts(tx)
        assert UAC not in found
        assert found[ControlID("firewall")].kind is VerdictKind.UNKNOWN
        assert closed.total == 1
        assert counted.total == len(found)
        assert not _take_over(database, newer)
    finally:
        service.put_in_force(catalogue)


def test_a_device_that_speaks_before_its_turn_is_judged_by_the_changed_control(
    database: Database, laptop: Subject, replies: Replies, catalogue: Catalogue
) -> None:
    firewall = catalogue.controls[ControlID("firewall")]
    _judge(database, laptop, replies.about("firewall", laptop.platform, passed=True))
    newer = replace(firewall, version=firewall.version + 1)
    changed = dict(catalogue.controls) | {firewall.id: newer}

    service.put_in_force(replace(catalogue, controls=changed, digest="2"))
    try:
        _judge(database, laptop, replies.about(UAC, laptop.platform, passed=True))
        with database.read(SYSTEM) as tx:
            found = {v.control_id: v for v in service.list_verdicts(tx, laptop.device_id)}
    finally:
        service.put_in_force(catalogue)
    assert found[firewall.id].kind is VerdictKind.UNKNOWN
    assert found[firewall.id].control_version == newer.version


def test_a_device_gets_new_controls_at_its_next_word(
    database: Database, laptop: Subject, catalogue: Catalogue
) -> None:
    fewer = {k: c for k, c in catalogue.controls.items() if k != UAC}
    with database.write(SYSTEM) as tx:
        service.judge_answers(tx, laptop, [], tx.now, catalogue=replace(catalogue, controls=fewer))
    with database.write(SYSTEM) as tx:
        service.judge_answers(tx, laptop, [], tx.now, catalogue=catalogue)

    assert _verdict(database, laptop, UAC).kind is VerdictKind.UNKNOWN


@pytest.mark.parametrize("agent", [True, False])
@pytest.mark.parametrize("ownership", list(Ownership))
@pytest.mark.parametrize("platform", list(Platform))
def test_what_is_due_is_asked_with_its_precondition(
    catalogue: Catalogue, platform: Platform, ownership: Ownership, agent: bool
) -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)

    every = service.due_queries(catalogue, platform, ownership, {}, now, sekisho_agent=agent)
    asked = dict.fromkeys(catalogue.controls, now)
    none = service.due_queries(catalogue, platform, ownership, asked, now, sekisho_agent=agent)
    later = service.due_queries(
        catalogue, platform, ownership, asked, now - timedelta(days=1), sekisho_agent=agent
    )

    assert list(every) == sorted(every)
    assert none == {}
    assert later == every, "a clock that was set back asks again"
    details = [name for name in every if name.startswith("sekisho_detail_")]
    assert bool(details) == (ownership is Ownership.COMPANY)
    tables = " ".join(every.values())
    assert ("nftables_chains" in tables) == (
        agent and platform is Platform.LINUX and ownership is Ownership.COMPANY
    )

"""From answers to stored verdicts, figures, findings and evidence, on both databases."""

from datetime import timedelta

import pytest

from fakes.answering_device import Replies
from fakes.clock import FakeClock
from sekisho.controls import service
from sekisho.controls.model import Answer, Catalogue, Platform, Proof, Subject, VerdictKind
from sekisho.evidence import service as evidence
from sekisho.findings import service as findings
from sekisho.kernel.db import Database
from sekisho.kernel.errors import InvalidInputError, NotFoundError, NotPermittedError
from sekisho.kernel.ids import ControlID, DeviceID
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind
from support.judged import judge_all, verdict_of

UAC = ControlID("uac-on")

BACKUP = ControlID("backup")


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
    changed = judge_all(database, laptop, replies.about(UAC, laptop.platform, passed=True))

    assert changed == ["uac-on None pass"]
    assert verdict_of(database, laptop, UAC).kind is VerdictKind.PASS
    assert _counts(database)["pass"] == 1
    with database.read(SYSTEM) as tx:
        assert [r.kind for r in evidence.list_records(tx)] == ["control.verdict_changed"]


def test_a_failure_becomes_a_finding_and_a_pass_closes_it(
    database: Database, laptop: Subject, replies: Replies, clock: FakeClock
) -> None:
    judge_all(database, laptop, replies.about(UAC, laptop.platform, passed=False))
    with database.read(SYSTEM) as tx:
        (finding,) = findings.list_findings(tx).findings
    assert finding.key == "compliance:dev_1:uac-on"
    assert finding.due_at == clock.now() + timedelta(days=7)
    assert finding.title["ja"].startswith("未対応：")

    clock.advance(hours=2)
    judge_all(database, laptop, replies.about(UAC, laptop.platform, passed=True))

    with database.read(SYSTEM) as tx:
        assert findings.count_open(tx) == 0


def test_the_same_answer_again_only_moves_the_times(
    database: Database, laptop: Subject, replies: Replies, clock: FakeClock
) -> None:
    judge_all(database, laptop, replies.about(UAC, laptop.platform, passed=True))
    first = verdict_of(database, laptop, UAC)
    clock.advance(hours=5)

    assert judge_all(database, laptop, replies.about(UAC, laptop.platform, passed=True)) == []

    second = verdict_of(database, laptop, UAC)
    assert second.received_at == clock.now()
    assert second.since == first.since
    with database.read(SYSTEM) as tx:
        assert len(evidence.list_records(tx)) == 1
        assert len(service.list_changes(tx, laptop.device_id)) == 1


def test_replayed_and_late_answers_change_nothing(
    database: Database, laptop: Subject, replies: Replies, clock: FakeClock
) -> None:
    looked = clock.now()
    judge_all(database, laptop, replies.about(UAC, laptop.platform, passed=False, at=looked))
    clock.advance(hours=1)
    old = replies.about(UAC, laptop.platform, passed=True, at=looked - timedelta(hours=3))

    assert judge_all(database, laptop, old) == []
    assert verdict_of(database, laptop, UAC).kind is VerdictKind.FAIL


def test_no_answer_for_too_long_is_unknown_before_and_after_the_worker(
    database: Database, laptop: Subject, replies: Replies, clock: FakeClock
) -> None:
    judge_all(database, laptop, replies.about(UAC, laptop.platform, passed=True))
    clock.advance(days=4)

    assert verdict_of(database, laptop, UAC).kind is VerdictKind.UNKNOWN
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
    judge_all(database, laptop, replies.about(UAC, laptop.platform, passed=False))
    began = clock.now()
    clock.advance(days=10)
    with database.write(SYSTEM) as tx:
        service.expire_stale(tx)
    clock.advance(days=1)

    judge_all(database, laptop, replies.about(UAC, laptop.platform, passed=False))

    verdict = verdict_of(database, laptop, UAC)
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

    judge_all(database, own_pc, answers)

    verdict = verdict_of(database, own_pc, "os-supported")
    assert verdict.kind is VerdictKind.UNKNOWN
    assert "tanaka" not in repr(verdict).lower()
    with database.read(SYSTEM) as tx:
        assert all("anaka" not in repr(r) or "per_" in repr(r) for r in evidence.list_records(tx))


def test_details_of_a_company_device_are_shown_cut(
    database: Database, laptop: Subject, replies: Replies
) -> None:
    detail = Answer(replies.control(UAC).detail_name, ({"user_account_control": "x" * 5000},) * 99)

    judge_all(database, laptop, [*replies.about(UAC, laptop.platform, passed=False), detail])

    rows = verdict_of(database, laptop, UAC).rows
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

    assert judge_all(database, laptop, answers) == []
    assert _counts(database)["pass"] == 0


def test_an_answer_to_an_old_version_is_no_proof(
    database: Database, laptop: Subject, replies: Replies
) -> None:
    ready = replies.about(UAC, laptop.platform, passed=True)[1]

    judge_all(database, laptop, [Answer("fleet_policy_query_uac-on@0", ({"1": "1"},)), ready])

    verdict = verdict_of(database, laptop, UAC)
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

    verdict = verdict_of(database, laptop, BACKUP)
    assert (verdict.kind, verdict.proof) == (VerdictKind.PASS, Proof.DOCUMENT)
    with database.read(SYSTEM) as tx:
        assert service.count_verdicts(tx).by_proof == {"document": 1}
    clock.advance(days=21)
    assert verdict_of(database, laptop, BACKUP).kind is VerdictKind.UNKNOWN


def test_a_bare_statement_is_shown_as_such(
    database: Database, laptop: Subject, admin: Principal, clock: FakeClock
) -> None:
    with database.write(admin) as tx:
        service.start_device(tx, laptop)
        service.submit_document(
            tx, laptop.device_id, BACKUP, "取っています", clock.now() + timedelta(days=300)
        )

    verdict = verdict_of(database, laptop, BACKUP)
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
            judge_all(database, subject, replies.all_of(subject, passed=passed))
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
    judge_all(database, laptop, replies.about(UAC, laptop.platform, passed=True))
    with database.write(SYSTEM) as tx:
        service.write_trend(tx)
        service.write_trend(tx)
    clock.advance(days=1)
    judge_all(database, laptop, replies.about(UAC, laptop.platform, passed=False))
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
    judge_all(database, laptop, low + critical)

    with database.read(admin) as tx:
        names = [status.control_id for status in service.list_controls_status(tx)]
        listed = service.list_control_devices(tx, "vpn-up", VerdictKind.FAIL)
    assert names[:2] == ["os-supported", "vpn-up"]
    assert [each.device_id for each in listed] == [laptop.device_id]


def test_devices_whose_proof_grew_old_are_listed_before_anybody_wrote_it_down(
    database: Database, laptop: Subject, replies: Replies, admin: Principal, clock: FakeClock
) -> None:
    judge_all(database, laptop, replies.about("vpn-up", laptop.platform, passed=True))
    clock.advance(days=400)

    with database.read(admin) as tx:
        old = service.list_control_devices(tx, "vpn-up", VerdictKind.UNKNOWN)
        assert [each.device_id for each in old] == [laptop.device_id]
        assert service.list_control_devices(tx, "vpn-up", VerdictKind.PASS) == []
        assert service.list_control_devices(tx, "vpn-up", VerdictKind.UNKNOWN, offset=1) == []


def test_titles_are_searched_in_the_catalogue_where_they_are_all_alike() -> None:
    control = service.catalogue_in_force().controls[ControlID("vpn-up")]
    every, none = service.search_titles(control.title["ja"].upper())
    assert "vpn-up" in every
    assert "os-supported" in none
    assert service.search_titles("未対応") == ([], [])  # some are called so: they are read
    assert service.search_titles("未対応：" + control.title["ja"])[0] == []
    assert service.search_titles("no such words")[0] == []

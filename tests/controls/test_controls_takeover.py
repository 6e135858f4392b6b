"""Changed and removed controls are taken over, one device at a time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fakes.answering_device import Replies
from sekisho.controls import service
from sekisho.controls.model import Catalogue, Platform, Subject, VerdictKind
from sekisho.findings import service as findings
from sekisho.findings.model import FindingFilter, FindingStatus
from sekisho.kernel.db import Database
from sekisho.kernel.ids import ControlID
from sekisho.kernel.principal import SYSTEM
from sekisho.wire.kit import Ownership
from support.judged import judge_all, verdict_of

UAC = ControlID("uac-on")


def _take_over(database: Database, catalogue: Catalogue) -> bool:
    service.put_in_force(catalogue)
    with database.write(SYSTEM) as tx:
        takeover = service.find_takeover(tx)
        return takeover is not None and takeover.step(tx)


def test_a_removed_control_is_closed_and_a_changed_one_starts_again(
    database: Database, laptop: Subject, replies: Replies, catalogue: Catalogue
) -> None:
    assert _take_over(database, catalogue)
    judge_all(database, laptop, replies.about(UAC, laptop.platform, passed=False))
    judge_all(database, laptop, replies.about("firewall", laptop.platform, passed=True))
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
    judge_all(database, laptop, replies.about("firewall", laptop.platform, passed=True))
    newer = replace(firewall, version=firewall.version + 1)
    changed = dict(catalogue.controls) | {firewall.id: newer}

    service.put_in_force(replace(catalogue, controls=changed, digest="2"))
    try:
        judge_all(database, laptop, replies.about(UAC, laptop.platform, passed=True))
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

    assert verdict_of(database, laptop, UAC).kind is VerdictKind.UNKNOWN


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

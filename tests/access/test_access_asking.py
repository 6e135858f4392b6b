"""Temporary access, policy versions, and who would lose access if: by two people and the clock."""

from dataclasses import replace
from datetime import timedelta

import pytest

from access.town import Town
from fakes.clock import FakeClock
from sekisho.access import service
from sekisho.access.engine.forms import write_form
from sekisho.access.model import Resource
from sekisho.access.policies import Effect, Policy, PolicyForm, VersionState
from sekisho.access.service import portal, whatif
from sekisho.access.service.portal import AppState
from sekisho.controls import service as controls
from sekisho.identity.model import Role
from sekisho.kernel.db import Database
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotPermittedError,
    StepUpNeededError,
)
from sekisho.kernel.principal import SYSTEM, Principal


@pytest.fixture
def town(database: Database, clock: FakeClock) -> Town:
    return Town(database, clock)


@pytest.fixture
def boss(town: Town) -> Principal:
    return town.add("boss", Role.ADMIN)


@pytest.fixture
def ledger(town: Town, boss: Principal) -> Resource:
    made = town.publish(boss, key="ledger")
    form = PolicyForm(needs_grant=True)
    town.rule(boss, Policy("ledger", write_form("ledger", form), "申請で使えます", "On request"))
    return made


def _state(town: Town, who: Principal) -> AppState:
    with town.database.read(who) as tx:
        (app,) = portal.list_own_apps(tx)
    return app.state


def test_asked_granted_by_another_used_and_cut_at_the_end(
    town: Town, boss: Principal, ledger: Resource, clock: FakeClock
) -> None:
    hanako = town.add("hanako")
    town.give(hanako)
    assert _state(town, hanako) is AppState.REQUEST
    with town.database.write(hanako) as tx:
        ask = service.ask_for_access(tx, ledger.id, "決算", 10)
        with pytest.raises(ConflictError):
            service.ask_for_access(tx, ledger.id, "もう一度", 10)
    assert _state(town, hanako) is AppState.WAITING
    with pytest.raises(NotPermittedError), town.database.write(hanako) as tx:
        service.decide_ask(tx, ask.id, grant=True)
    with town.database.write(boss) as tx:
        service.decide_ask(tx, ask.id, grant=True)
    assert _state(town, hanako) is AppState.OPEN
    with town.database.write(SYSTEM) as tx:
        assert service.open_session(tx, town.request(hanako, ledger)).session is not None
    clock.advance(minutes=10)
    with town.database.write(SYSTEM) as tx:
        (cut,) = service.find_due(tx)
        assert service.end_granted(tx) == 1
        assert cut.decision.reasons[0].id == "sekisho.needs-request"
    assert _state(town, hanako) is AppState.REQUEST


@pytest.mark.parametrize(("reason", "minutes"), [("", 5), ("x" * 1_001, 5), ("x", 0), ("x", 1_441)])
def test_a_request_without_reason_or_end_is_refused(
    town: Town, ledger: Resource, reason: str, minutes: int
) -> None:
    with pytest.raises(InvalidInputError), town.database.write(town.add("hanako")) as tx:
        service.ask_for_access(tx, ledger.id, reason, minutes)


def test_a_version_waits_for_somebody_else_and_can_be_rolled_back(
    town: Town, boss: Principal
) -> None:
    second = town.add("second", Role.SECURITY)
    first = Policy("a", write_form("a", PolicyForm()))
    with town.database.write(boss) as tx:
        made = service.propose_policies(tx, [first], note="", based_on=0)
        assert made.state is VersionState.WAITING
        with pytest.raises(NotPermittedError):
            service.approve_version(tx, made.number)
    with town.database.write(second) as tx:
        assert service.approve_version(tx, made.number).state is VersionState.IN_FORCE
        with pytest.raises(ConflictError):
            service.propose_policies(tx, [], note="", based_on=0)
        empty = service.propose_policies(tx, [], note="", based_on=1)
    with town.database.write(boss) as tx:
        service.approve_version(tx, empty.number)
        back = service.roll_back(tx, made.number)
    assert [policy.id for policy in back.policies] == ["a"]


def test_a_stale_proof_and_a_faulty_policy_change_nothing(
    town: Town, boss: Principal, clock: FakeClock
) -> None:
    bad = Policy("a", '@id("a") permit(principal, action, resource) when { context.typo };')
    with town.database.write(boss) as tx:
        with pytest.raises(InvalidInputError, match="typo"):
            service.propose_policies(tx, [bad], note="", based_on=0)
        assert service.version_in_force(tx) is None
    clock.advance(minutes=16)
    with pytest.raises(StepUpNeededError), town.database.write(boss) as tx:
        service.propose_policies(tx, [], note="", based_on=0)


def test_whoever_signed_in_long_ago_changes_no_resource(
    town: Town, boss: Principal, ledger: Resource, clock: FakeClock
) -> None:
    clock.advance(minutes=16)
    with pytest.raises(StepUpNeededError), town.database.write(boss) as tx:
        service.change_resource(tx, replace(ledger, guards_admins=True), ledger.version)


def test_a_policy_that_shuts_out_every_administrator_is_refused(
    town: Town, boss: Principal
) -> None:
    town.publish(boss, guards_admins=True)
    number = town.rule(boss)
    staff = Policy("staff", write_form("staff", PolicyForm()))
    for form in (
        PolicyForm(effect=Effect.FORBID, roles=("admin",)),
        PolicyForm(effect=Effect.FORBID, controls=("no-such-rule",)),
        PolicyForm(effect=Effect.FORBID),
    ):
        with (
            pytest.raises(ConflictError, match="no administrator"),
            town.database.write(boss) as tx,
        ):
            shut = Policy("shut", write_form("shut", form))
            service.propose_policies(tx, [staff, shut], note="", based_on=number)
    rule = min(controls.catalogue_in_force().controls)
    hours = PolicyForm(effect=Effect.FORBID, weekdays=(1, 2, 3), controls=(rule,))
    with town.database.write(boss) as tx:
        kept = Policy("hours", write_form("hours", hours))
        service.propose_policies(tx, [staff, kept], note="", based_on=number)


def test_who_would_lose_access_is_counted_over_real_devices(town: Town, boss: Principal) -> None:
    wiki = town.publish(boss)
    town.rule(boss)
    for n, name in enumerate(["hanako", "taro", "jiro"]):
        person = town.add(name)
        town.give(person, f"dev_{n}")
        with town.database.write(SYSTEM) as tx:
            assert service.open_session(tx, town.request(person, wiki, f"dev_{n}")).session
    rule = town.fail("dev_0")
    with town.database.write(SYSTEM) as tx:
        service.record_cuts(tx, service.find_cuts(tx))
    narrow = Policy("staff", write_form("staff", PolicyForm(controls=("no-such-rule",))))
    with town.database.write(boss) as tx:
        for strange in ("no-such-rule", "a\0b"):
            with pytest.raises(InvalidInputError, match="no rule"):
                whatif.ask_whatif(tx, [], controls=[strange])
        job = whatif.ask_whatif(tx, [narrow])
        same = whatif.ask_whatif(tx, service.get_version(tx, 1).policies, controls=[rule])
    whatif.advance_whatifs(town.database)
    with town.database.read(boss) as tx:
        found, kept = whatif.get_whatif(tx, job.id), whatif.get_whatif(tx, same.id)
    assert (found.state, found.done, found.total) == ("done", 3, 3)
    assert (found.result["lost"], found.result["gained"]) == (2, 0)
    assert len(found.result["sessions"]) == 2
    assert {row["name"] for row in found.result["rows"]} == {"taro", "jiro"}
    assert (kept.result["lost"], kept.result["kept"]) == (0, 2)


def test_forgotten_questions_are_gone(town: Town, boss: Principal) -> None:
    with town.database.write(boss) as tx:
        job = whatif.ask_whatif(tx, [])
        whatif.forget_whatifs(tx, tx.now + timedelta(seconds=1))
    with pytest.raises(Exception, match="question"), town.database.read(boss) as tx:
        whatif.get_whatif(tx, job.id)

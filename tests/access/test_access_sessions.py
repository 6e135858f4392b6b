"""What the gate calls: decided, opened durably, asked again at every change, cut, recorded."""

from dataclasses import replace
from datetime import timedelta

import pytest

from access.town import Town
from fakes.clock import FakeClock
from sekisho.access import service
from sekisho.access.engine.forms import write_form
from sekisho.access.model import Outcome, Resource, ResourceKind, Trust
from sekisho.access.policies import Policy, PolicyForm
from sekisho.controls import service as controls
from sekisho.controls.access import Bar
from sekisho.evidence import service as evidence
from sekisho.identity import service as identity
from sekisho.identity.model import Role
from sekisho.kernel.changes import list_changes, newest_change
from sekisho.kernel.db import Database
from sekisho.kernel.errors import NotPermittedError
from sekisho.kernel.i18n import translate
from sekisho.kernel.ids import DeviceID
from sekisho.kernel.principal import SYSTEM, Principal
from sekisho.notices.model import Kind
from sekisho.notices.store import posts


@pytest.fixture
def town(database: Database, clock: FakeClock) -> Town:
    return Town(database, clock)


@pytest.fixture
def boss(town: Town) -> Principal:
    return town.add("boss", Role.ADMIN)


@pytest.fixture
def wiki(town: Town, boss: Principal) -> Resource:
    made = town.publish(boss)
    town.rule(boss)
    return made


def _reasons(town: Town, who: Principal, where: Resource, device: str = "dev_1") -> list[str]:
    with town.database.read(SYSTEM) as tx:
        decision = service.decide_access(tx, town.request(who, where, device))
    assert decision.allow is (decision.reasons[0].id == "staff")
    return [reason.id for reason in decision.reasons]


def test_a_good_device_comes_in_and_every_doubt_keeps_out(
    town: Town, wiki: Resource, boss: Principal
) -> None:
    hanako = town.add("hanako")
    town.give(hanako)
    assert _reasons(town, hanako, wiki) == ["staff"]
    assert _reasons(town, hanako, wiki, device="") == ["sekisho.trust-too-low"]
    assert _reasons(town, hanako, wiki, device="dev_9") == [
        "sekisho.certificate",
        "sekisho.trust-too-low",
    ]
    assert _reasons(town, boss, wiki) == ["sekisho.other-owner"]
    control = town.fail()
    with town.database.read(SYSTEM) as tx:
        decision = service.decide_access(tx, town.request(hanako, wiki))
    assert [(r.id, r.controls) for r in decision.reasons] == [("sekisho.failing", (control,))]


def test_a_session_is_opened_cut_by_a_verdict_and_told_with_the_reason(
    town: Town, wiki: Resource
) -> None:
    hanako = town.add("hanako")
    town.give(hanako)
    with town.database.write(SYSTEM) as tx:
        opened = service.open_session(tx, town.request(hanako, wiki))
    assert opened.session is not None
    with town.database.read(SYSTEM) as tx:
        assert service.find_cuts(tx, ["device:dev_1", "report:x"]) == []
    town.fail()
    with town.database.read(SYSTEM) as tx:
        assert service.find_cuts(tx, ["device:dev_2", "kit:x"]) == []
        cuts = service.find_cuts(tx, ["device:dev_1"])
    assert [cut.session.id for cut in cuts] == [opened.session.id]
    with town.database.write(SYSTEM) as tx:
        service.record_cuts(tx, cuts)
        service.record_cuts(tx, cuts)
        assert service.list_live(tx) == []
        (denied,) = service.deny_list(tx, tx.now - timedelta(minutes=1))
        assert denied.id == opened.session.id
        assert service.refresh_session(tx, opened.session.id).session is None
        kinds = [r.kind for r in evidence.list_records(tx, kind="access.*")]
    assert kinds[:2] == ["access.cut", "access.opened"]
    with town.database.read(hanako) as tx:
        log = service.list_own_decisions(tx)
    assert [(e.outcome, e.reasons[0].id) for e in log.entries] == [
        (Outcome.CUT, "sekisho.failing"),
        (Outcome.ALLOW, "staff"),
    ]


def test_repeated_denials_share_a_line_and_a_record(
    town: Town, wiki: Resource, boss: Principal, clock: FakeClock
) -> None:
    hanako = town.add("hanako")
    town.give(hanako)
    town.fail()
    for _ in range(3):
        with town.database.write(SYSTEM) as tx:
            assert service.open_session(tx, town.request(hanako, wiki)).session is None
    clock.advance(minutes=11)
    with town.database.write(SYSTEM) as tx:
        service.open_session(tx, town.request(hanako, wiki))
    with town.database.read(boss) as tx:
        log = service.list_decisions(tx, service.EntryFilter(outcome="deny"))
        records = evidence.list_records(tx, kind="access.denied")
    assert [entry.times for entry in log.entries] == [1, 3]
    assert len(records) == 2


def test_a_refresh_renews_and_leaves_no_record(
    town: Town, wiki: Resource, clock: FakeClock
) -> None:
    hanako = town.add("hanako")
    town.give(hanako)
    with town.database.write(SYSTEM) as tx:
        opened = service.open_session(tx, town.request(hanako, wiki)).session
    assert opened is not None
    clock.advance(minutes=16)
    with town.database.write(SYSTEM) as tx:
        before = len(evidence.list_records(tx))
        assert service.find_due(tx) == []
        renewed = service.refresh_session(tx, opened.id).session
        assert len(evidence.list_records(tx)) == before
    assert renewed is not None
    assert renewed.valid_until > clock.now()
    clock.advance(minutes=46)
    with town.database.write(SYSTEM) as tx:
        assert service.find_due(tx) == []
        assert service.list_live(tx) == []  # a web app that nobody used


def test_what_has_an_open_stream_is_in_use_and_a_desktop_without_one_is_idle(
    town: Town, boss: Principal, wiki: Resource, clock: FakeClock
) -> None:
    """A WebSocket asks for no cookie; closed as idle it would live on where nobody cuts it."""
    hanako = town.add("hanako")
    town.give(hanako)
    desk = town.publish(boss, key="desk", kind=ResourceKind.RDP, public_host="desk.example.jp")
    with town.database.write(SYSTEM) as tx:
        app, held, left = (
            service.open_session(tx, town.request(hanako, where)).session
            for where in (wiki, desk, desk)
        )
    assert app is not None
    assert held is not None
    assert left is not None
    for _ in range(3):
        clock.advance(minutes=16)
        with town.database.write(SYSTEM) as tx:
            service.find_due(tx, {app.id, held.id})
            live = {session.id for session in service.list_live(tx)}
    assert live == {app.id, held.id}


@pytest.mark.parametrize(
    "what", ["sign-out", "disabled", "policy", "resource", "paused", "shut out"]
)
def test_every_event_that_matters_is_noted_and_cuts(
    town: Town, wiki: Resource, boss: Principal, what: str
) -> None:
    hanako = town.add("hanako")
    town.give(hanako)
    with town.database.write(SYSTEM) as tx:
        assert service.open_session(tx, town.request(hanako, wiki)).session is not None
        cursor = newest_change(tx)
    with town.database.write(boss) as tx:
        if what == "sign-out":
            identity.sign_person_out(tx, hanako.id)
        elif what == "disabled":
            identity.disable_person(tx, hanako.id)
        elif what == "policy":
            form = PolicyForm(roles=("admin",))
            narrow = Policy("narrow", write_form("narrow", form))
            service.propose_policies(tx, [narrow], note="", based_on=1)
        elif what == "resource":
            service.remove_resource(tx, wiki.id)
        elif what == "shut out":
            hers = town.request(hanako, wiki).address
            identity.shut_out(replace(tx, principal=SYSTEM), hers, "many odd requests", 7)
        else:
            controls.set_device_bar(tx, DeviceID("dev_1"), Bar.PAUSED)
            evidence.record(tx, kind="device.paused", subject="device:dev_1", detail={})
    with town.database.read(SYSTEM) as tx:
        subjects = {change.subject for change in list_changes(tx, cursor)}
        assert len(service.find_cuts(tx, subjects)) == 1
        assert _reasons(town, hanako, wiki)[0] != "staff", "nor is it opened anew"


def test_a_stolen_or_foreign_sign_in_opens_nothing(town: Town, wiki: Resource) -> None:
    hanako, taro = town.add("hanako"), town.add("taro")
    town.give(hanako)
    town.sign_ins[hanako.id] = town.sign_ins[taro.id]
    assert _reasons(town, hanako, wiki) == ["sekisho.not-signed-in", "sekisho.mfa-too-weak"]
    town.sign_ins[hanako.id] = ""
    assert _reasons(town, hanako, wiki)[0] == "sekisho.not-signed-in"


def test_one_person_cuts_one_and_two_cut_all(town: Town, wiki: Resource, boss: Principal) -> None:
    hanako, second = town.add("hanako"), town.add("second", Role.SECURITY)
    town.give(hanako)
    with town.database.write(SYSTEM) as tx:
        opened = service.open_session(tx, town.request(hanako, wiki)).session
        cursor = newest_change(tx)
    assert opened is not None
    with town.database.write(boss) as tx:
        service.cut_session(tx, opened.id, "端末の紛失")
    with town.database.read(SYSTEM) as tx:
        subjects = {change.subject for change in list_changes(tx, cursor)}
        (cut,) = service.find_cuts(tx, subjects)
        again = service.refresh_session(tx, opened.id)
    for told in (cut.decision, again.decision):
        assert told.reasons[0].id == "cut-by-hand"
        assert translate(told.reasons[0].fix, "ja") == "端末の紛失"
    with town.database.write(SYSTEM) as tx:
        assert service.open_session(tx, town.request(hanako, wiki)).session is not None
    with town.database.write(boss) as tx:
        order = service.ask_to_cut_all(tx, "侵害の疑い")
    with pytest.raises(NotPermittedError), town.database.write(boss) as tx:
        service.confirm_cut_all(tx, order.id)
    with town.database.write(second) as tx:
        assert service.confirm_cut_all(tx, order.id) == 1
        assert service.list_live(tx) == []


def test_a_browser_is_enough_where_the_resource_says_so(town: Town, boss: Principal) -> None:
    desk = town.publish(boss, least_trust=Trust.BROWSER, most_mfa_age=timedelta(minutes=60))
    town.rule(boss)
    hanako = town.add("hanako")
    assert _reasons(town, hanako, desk, device="") == ["staff"]
    town.clock.advance(minutes=61)
    assert "sekisho.not-signed-in" in _reasons(town, hanako, desk, device="")


def test_a_refused_configuration_is_an_alarm_until_all_is_well(database: Database) -> None:
    with database.write(SYSTEM) as tx:
        assert service.find_alarm(tx) is None
        service.raise_alarm(tx, "type.googleapis.com/envoy.x.Listener", "no " * 5_000)
        found = service.find_alarm(tx)
        assert found is not None
        assert (found.kind, found.since) == ("Listener", tx.now)
        assert len(found.why) == 2000
        service.raise_alarm(tx, "type.googleapis.com/envoy.x.Listener", "no " * 5_000)
        service.raise_alarm(tx, "", "")
        assert service.find_alarm(tx) is None
        (told,) = posts.list_open(tx, 10)  # the same again within a day is not told
        assert told.post.kind is Kind.GATE_REFUSED

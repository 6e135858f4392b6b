"""Exceptions as pure judgement: asked for, decided by somebody else, always ended."""

import contextlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.controls import exceptions as engine
from sekisho.controls.exception_rules import load_rules, read_rules
from sekisho.controls.exceptions import (
    Actor,
    Covered,
    ExceptionState,
    RuleException,
    Scope,
    ScopeKind,
    Wish,
)
from sekisho.controls.faults import CatalogueError
from sekisho.controls.model import Severity
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotPermittedError,
    SekishoError,
)
from sekisho.kernel.ids import ControlID, DeviceID
from sekisho.wire.kit import Ownership

NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)
TOKYO = ZoneInfo("Asia/Tokyo")
RULES = load_rules()
ASKER = Actor("per_tanaka", "田中 結衣", frozenset({"teleworker", "security"}))
SECURITY = Actor("per_saeki", "佐伯 航", frozenset({"security"}))
CHIEF = Actor("per_mori", "森 友紀", frozenset({"executive"}))
DEVICE = Scope(ScopeKind.DEVICE, "dev_1")
WISH = Wish(
    ControlID("uac-on"), DEVICE, "古い業務ソフトのため", "社内網に接続しない",
    NOW + timedelta(days=5),
)  # fmt: skip

severities = st.sampled_from(list(Severity))
moments = st.datetimes(datetime(2024, 1, 1), datetime(2032, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds
zones = st.sampled_from(
    [ZoneInfo(n) for n in ("Asia/Tokyo", "America/New_York", "Europe/Berlin", "America/Havana",
                           "Asia/Beirut", "Australia/Lord_Howe", "Pacific/Apia", "UTC")]
)  # fmt: skip


def asked(
    severity: Severity = Severity.HIGH, wish: Wish = WISH, by: Actor = ASKER, now: datetime = NOW
) -> RuleException:
    limit = engine.latest_end(severity, RULES, now, TOKYO)
    return engine.request("exc_1", wish, severity, by, limit, now)


def granted(severity: Severity = Severity.HIGH) -> RuleException:
    return engine.approve(asked(severity), CHIEF, RULES, NOW + timedelta(hours=1))


def test_what_is_approved_ends_at_its_very_second() -> None:
    exception = granted()

    last = exception.until - timedelta(microseconds=1)
    assert engine.state_at(exception, last) is ExceptionState.APPROVED
    assert engine.state_at(exception, exception.until) is ExceptionState.EXPIRED
    assert engine.expire(exception).ended_at == exception.until


@given(severity=severities, now=moments, zone=zones, over=st.timedeltas(timedelta(microseconds=1)))
def test_longer_than_allowed_is_refused(
    severity: Severity, now: datetime, zone: ZoneInfo, over: timedelta
) -> None:
    limit = engine.latest_end(severity, RULES, now, zone)
    kept = engine.request("exc_1", replace(WISH, until=limit), severity, ASKER, limit, now)
    assert kept.until == limit
    try:
        beyond = limit + over
    except OverflowError:
        return
    with pytest.raises(InvalidInputError):
        engine.request("exc_1", replace(WISH, until=beyond), severity, ASKER, limit, now)


@given(now=moments, back=st.timedeltas(timedelta(0), timedelta(days=400)))
def test_an_end_that_is_past_is_refused(now: datetime, back: timedelta) -> None:
    with pytest.raises(InvalidInputError):
        asked(wish=replace(WISH, until=now - back), now=now)


@given(
    day=st.dates(date(2024, 1, 1), date(2032, 12, 31)), zone=zones,
)  # fmt: skip
def test_a_day_holds_to_its_last_second_everywhere(day: date, zone: ZoneInfo) -> None:
    """Also on leap days, across both clock changes, and where midnight is left out."""
    end = engine.end_of_day(day, zone)

    assert (end - timedelta(microseconds=1)).astimezone(zone).date() <= day
    assert end.astimezone(zone).date() > day
    assert engine.end_of_day(day - timedelta(days=1), zone) <= end


@pytest.mark.parametrize(
    ("day", "zone", "end"),
    [
        (date(2028, 2, 29), "Asia/Tokyo", "2028-02-29T15:00:00+00:00"),
        (date(2028, 2, 28), "UTC", "2028-02-29T00:00:00+00:00"),
        (date(2026, 3, 8), "America/New_York", "2026-03-09T04:00:00+00:00"),
        (date(2026, 11, 1), "America/New_York", "2026-11-02T05:00:00+00:00"),
        # In Havana the clock goes from 0:00 to 1:00: the day begins at the moment of the change.
        (date(2026, 3, 7), "America/Havana", "2026-03-08T05:00:00+00:00"),
    ],
)
def test_days_that_are_odd(day: date, zone: str, end: str) -> None:
    assert engine.end_of_day(day, ZoneInfo(zone)) == datetime.fromisoformat(end)


@given(severity=severities, roles=st.frozensets(st.sampled_from(
    ["admin", "security", "executive", "manager", "csirt", "auditor"])))  # fmt: skip
def test_nobody_approves_what_they_asked_for(severity: Severity, roles: frozenset[str]) -> None:
    """Not by any other role either, nor if the request is for themselves."""
    request = asked(severity)
    with pytest.raises(NotPermittedError):
        engine.approve(request, replace(ASKER, roles=roles), RULES, NOW)
    profits = Actor("per_owner", "持ち主", roles)
    with pytest.raises(NotPermittedError):
        engine.approve(request, profits, RULES, NOW, profiting=frozenset({"per_owner"}))
    with pytest.raises(NotPermittedError):
        engine.reject(request, replace(ASKER, roles=roles), NOW, "だめです、理由は…")


@given(severity=severities, roles=st.frozensets(st.sampled_from(
    ["admin", "security", "executive", "manager", "csirt", "auditor"])))  # fmt: skip
def test_only_a_role_named_for_the_severity_approves(
    severity: Severity, roles: frozenset[str]
) -> None:
    other = Actor("per_other", "別の人", roles)
    if roles & RULES.limits[severity].approvers:
        assert engine.approve(asked(severity), other, RULES, NOW).settled_by == "per_other"
    else:
        with pytest.raises(NotPermittedError):
            engine.approve(asked(severity), other, RULES, NOW)


ACTS = ("approve", "reject", "withdraw", "revoke", "expire")


def _do(exception: RuleException, act: str, by: Actor, now: datetime) -> RuleException:
    if act == "approve":
        return engine.approve(exception, by, RULES, now)
    if act == "reject":
        return engine.reject(exception, by, now, "理由があります")
    if act == "withdraw":
        return engine.withdraw(exception, by, now)
    if act == "revoke":
        return engine.revoke(exception, by, now, "理由があります")
    over = engine.state_at(exception, now) is ExceptionState.EXPIRED
    return engine.expire(exception) if over else exception


def _expected(state: ExceptionState, act: str, by: Actor, now: datetime) -> ExceptionState:
    """Say by a plain table what an act leads to; a refused act leads nowhere."""
    over = now >= WISH.until
    if state is ExceptionState.APPROVED and over:
        return ExceptionState.EXPIRED
    if state is ExceptionState.REQUESTED:
        if act == "approve" and by is CHIEF and not over:
            return ExceptionState.APPROVED
        if act == "reject" and by is not ASKER:
            return ExceptionState.REJECTED
        if act == "withdraw" and by is ASKER:
            return ExceptionState.WITHDRAWN
    if state is ExceptionState.APPROVED and act == "revoke":
        return ExceptionState.REVOKED
    return state


@given(
    st.lists(
        st.tuples(
            st.sampled_from(ACTS), st.sampled_from([ASKER, CHIEF]),
            st.timedeltas(timedelta(0), timedelta(days=3)),
        ),
        max_size=12,
    )
)  # fmt: skip
def test_any_series_of_acts_keeps_to_the_table(acts: list[tuple[str, Actor, timedelta]]) -> None:
    exception, now, state = asked(), NOW, ExceptionState.REQUESTED
    for act, by, later in acts:
        now += later
        state = _expected(state, act, by, now)
        with contextlib.suppress(SekishoError):
            exception = _do(exception, act, by, now)
        assert engine.state_at(exception, now) is state
        assert not engine.is_in_force(exception, WISH.until)
        assert exception.settled_by != exception.requested_by


def test_what_was_decided_is_not_decided_again() -> None:
    for done in (granted(), engine.reject(asked(), CHIEF, NOW, "代わりの手段があります")):
        with pytest.raises(ConflictError):
            engine.approve(done, CHIEF, RULES, NOW)
        with pytest.raises(ConflictError):
            engine.withdraw(done, ASKER, NOW)


def test_only_the_asker_takes_a_request_back() -> None:
    with pytest.raises(NotPermittedError):
        engine.withdraw(asked(), CHIEF, NOW)
    assert engine.withdraw(asked(), ASKER, NOW).state is ExceptionState.WITHDRAWN


@pytest.mark.parametrize("words", ["", "   ", "x", "\0\0\0\0\0", "あ" * 2001])
def test_words_that_say_nothing_are_refused(words: str) -> None:
    with pytest.raises(InvalidInputError):
        asked(wish=replace(WISH, reason=words))
    with pytest.raises(InvalidInputError):
        asked(wish=replace(WISH, measure=words))
    with pytest.raises(InvalidInputError):
        engine.revoke(granted(), CHIEF, NOW + timedelta(days=1), words)


def test_renewals_are_counted_from_the_first_request() -> None:
    old = granted()
    later = NOW + timedelta(days=4)
    wish = replace(WISH, until=later + timedelta(days=9))

    new = engine.renew(asked(wish=wish, now=later), old)
    newer = engine.renew(asked(wish=wish, now=later), replace(new, state=ExceptionState.APPROVED))

    assert (new.renews, new.renewals, newer.renewals) == ("exc_1", 1, 2)
    assert newer.began_at == old.requested_at
    with pytest.raises(ConflictError):
        engine.renew(asked(), asked())
    with pytest.raises(ConflictError):
        engine.renew(asked(wish=replace(WISH, scope=Scope(ScopeKind.DEVICE, "dev_2"))), old)


def test_reminders_come_before_the_end_and_each_once() -> None:
    exception = replace(granted(), until=NOW + timedelta(days=20))
    told, now = [], NOW
    while engine.is_in_force(exception, now):
        if engine.is_reminder_due(exception, RULES, now):
            told.append((exception.until - now).days)
            exception = replace(exception, reminded_at=now)
        now += timedelta(hours=6)

    assert told == list(RULES.reminder_days)
    assert engine.next_turn(exception, RULES) == exception.until


def test_after_a_long_sleep_one_reminder_is_enough() -> None:
    exception = replace(granted(), until=NOW + timedelta(days=20))
    now = NOW + timedelta(days=18)

    assert engine.is_reminder_due(exception, RULES, now)
    after = replace(exception, reminded_at=now)
    assert not engine.is_reminder_due(after, RULES, now)
    assert engine.next_turn(after, RULES) == exception.until - timedelta(days=1)


people = st.frozensets(st.sampled_from([f"per_{n}" for n in range(5)]), max_size=4)
scopes = st.builds(
    Scope,
    st.sampled_from(list(ScopeKind)),
    st.sampled_from(["dev_1", "dev_2", "per_1", "grp_1"]),
    st.one_of(st.none(), st.sampled_from(list(Ownership))),
)
devices = st.builds(
    Covered,
    st.sampled_from([DeviceID("dev_1"), DeviceID("dev_2")]),
    st.sampled_from(list(Ownership)),
    st.one_of(st.none(), st.sampled_from([f"per_{n}" for n in range(5)])),
)


@given(scopes, devices, people)
def test_a_scope_means_what_it_says(scope: Scope, device: Covered, members: frozenset[str]) -> None:
    conditions = [
        scope.ownership in {None, device.ownership},
        device.device_id == scope.id
        if scope.kind is ScopeKind.DEVICE
        else any(device.person_id == member for member in members),
    ]
    assert engine.covers(scope, device, members) == all(conditions)


def test_where_two_meet_the_later_end_counts() -> None:
    short, long = granted(), replace(granted(), id="exc_2", until=NOW + timedelta(days=20))
    over = replace(granted(), id="exc_3", until=NOW)

    assert engine.longest([short, long, over], NOW) == long
    assert engine.longest([over], NOW) is None


def test_the_rules_name_every_severity_and_worse_is_shorter() -> None:
    days = [RULES.limits[severity].longest_days for severity in Severity]
    assert days == sorted(days)
    assert all(RULES.limits[severity].why.keys() == {"ja", "en"} for severity in Severity)


def test_mistakes_in_the_rules_are_told_with_their_lines() -> None:
    text = (
        "as_of: 2026-11-23\nsource: here\nseverities:\n"
        "  critical: {longest_days: 0, approvers: [admin], why: {ja: あ, en: a}}\n"
        "  high: {longest_days: 3, approvers: [], why: {ja: あ, en: a}}\n"
        "  medium: {longest_days: 3, why: {ja: あ, en: a}}\n"
        "reminder_days: [many]\naccess: {blocking: [worst], required_proofs: [machine]}\n"
    )
    with pytest.raises(CatalogueError) as caught:
        read_rules(text)

    assert {fault.line for fault in caught.value.faults} == {4, 5, 6, 7, 8}

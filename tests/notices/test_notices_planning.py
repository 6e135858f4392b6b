"""When people are told: quiet hours, digests, changes of clocks, and choices."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.kernel.i18n import Text
from sekisho.notices.engine.planning import (
    end_of_quiet,
    is_quiet,
    next_digest,
    plan_for_person,
    plan_for_shared,
)
from sekisho.notices.engine.retrying import (
    FIRST_WAIT,
    LONGEST_WAIT,
    Failure,
    Scope,
    judge_failure,
    wait_after,
)
from sekisho.notices.model import (
    Channel,
    ChannelKind,
    Digest,
    Fault,
    Holders,
    Kind,
    People,
    Planned,
    Post,
    Preferences,
    Recipient,
    Topic,
    Urgency,
    Way,
)

TOKYO = ZoneInfo("Asia/Tokyo")
NEW_YORK = ZoneInfo("America/New_York")
NIGHT = datetime(2026, 11, 24, 23, 30, tzinfo=TOKYO).astimezone(UTC)
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=TOKYO).astimezone(UTC)
MORNING = datetime(2026, 11, 25, 7, 0, tzinfo=TOKYO)
FAULT = Fault(Text("x"), Text("y"))


def _channel(
    name: str = "mail",
    kind: ChannelKind = ChannelKind.MAIL,
    owner: str | None = None,
    *,
    enabled: bool = True,
    topics: frozenset[Topic] = frozenset(),
) -> Channel:
    return Channel(name, kind, name, owner, {}, None, topics, "ja", enabled, NOON)


def _post(urgency: Urgency = Urgency.NORMAL) -> Post:
    return Post("ntc_1", Kind.DEVICE_FAILS, "d", {}, {}, urgency, "", NOON)


def _plan(
    preferences: Preferences, now: datetime, urgency: Urgency = Urgency.NORMAL
) -> list[Planned]:
    recipient = Recipient("per_1", "x", "x@example.jp", "ja", preferences)
    return plan_for_person(_post(urgency), recipient, [_channel()], TOKYO, now)


DIGEST = {"mail": {Topic.DEVICE: Way.DIGEST}}


@pytest.mark.parametrize(
    ("preferences", "now", "urgency", "due", "digest"),
    [
        (Preferences(), NOON, Urgency.NORMAL, NOON, False),
        (Preferences(), NIGHT, Urgency.NORMAL, MORNING, False),
        (Preferences(), NIGHT, Urgency.URGENT, NIGHT, False),
        (Preferences(urgent_passes=False), NIGHT, Urgency.URGENT, MORNING, False),
        (Preferences(quiet_from=time(0), quiet_until=time(0)), NIGHT, Urgency.LOW, NIGHT, False),
        (Preferences(ways=DIGEST), NOON, Urgency.NORMAL, MORNING + timedelta(hours=1), True),
        (Preferences(ways=DIGEST), NOON, Urgency.URGENT, NOON, False),
        (Preferences(ways=DIGEST, digest=Digest.WEEKLY, weekday=0, hour=9), NOON, Urgency.NORMAL,
         datetime(2026, 11, 30, 9, 0, tzinfo=TOKYO), True),
        (Preferences(ways={"mail": {Topic.SIGN_IN: Way.OFF}}), NOON, Urgency.NORMAL, NOON, False),
    ],
)  # fmt: skip
def test_when_a_person_is_told(
    preferences: Preferences, now: datetime, urgency: Urgency, due: datetime, digest: bool
) -> None:
    assert _plan(preferences, now, urgency) == [Planned("mail", due, digest)]


def test_what_is_off_is_not_sent() -> None:
    assert _plan(Preferences(ways={"mail": {Topic.DEVICE: Way.OFF}}), NOON, Urgency.URGENT) == []


def test_only_open_ways_of_this_person_are_used() -> None:
    slack = ChannelKind.SLACK
    ways = [_channel(enabled=False), _channel("c", slack)]
    ways += [_channel("a", slack, "per_1"), _channel("b", slack, "per_2")]
    recipient = Recipient("per_1", "x", "", "ja")
    plans = plan_for_person(_post(), recipient, ways, TOKYO, NOON)
    assert [plan.channel_id for plan in plans] == ["a"]


def test_shared_channels_get_what_is_for_a_role() -> None:
    ways = [_channel(), _channel("a", ChannelKind.SLACK), _channel("b", ChannelKind.TEAMS, "per_1"),
            _channel("c", ChannelKind.SLACK, topics=frozenset({Topic.SECURITY})),
            _channel("d", ChannelKind.WEBHOOK, enabled=False)]  # fmt: skip
    plans = plan_for_shared(_post(), Holders("x"), ways, NOON)
    assert [plan.channel_id for plan in plans] == ["a"]
    assert plan_for_shared(_post(), People(["per_1"]), ways, NOON) == []


def test_a_wall_time_that_clocks_skip_or_repeat_still_comes_once() -> None:
    skipped = Preferences(hour=2)  # 2026-03-08: 02:00 does not exist in New York
    before = datetime(2026, 3, 8, 1, 30, tzinfo=NEW_YORK).astimezone(UTC)
    due = next_digest(skipped, NEW_YORK, before)
    assert before < due < before + timedelta(hours=2)
    repeated = Preferences(hour=1)  # 2026-11-01: 01:00 comes twice
    before = datetime(2026, 11, 1, 0, 30, tzinfo=NEW_YORK).astimezone(UTC)
    due = next_digest(repeated, NEW_YORK, before)
    assert due == before + timedelta(minutes=30)
    assert next_digest(repeated, NEW_YORK, due) > due + timedelta(hours=23)


_instants = st.integers(1_704_000_000, 1_893_000_000).map(lambda s: datetime.fromtimestamp(s, UTC))
_zones = st.sampled_from([TOKYO, NEW_YORK, ZoneInfo("Asia/Kolkata"), ZoneInfo("Europe/London")])


@given(_instants, _zones, st.times(), st.times())
def test_after_quiet_hours_it_is_not_quiet(
    now: datetime, zone: ZoneInfo, start: time, end: time
) -> None:
    chosen = Preferences(
        quiet_from=start.replace(microsecond=0), quiet_until=end.replace(microsecond=0)
    )
    due = end_of_quiet(chosen, zone, now)
    assert now <= due <= now + timedelta(hours=25)
    assert (due == now) is (not is_quiet(chosen, zone, now))


@given(_instants, _zones, st.integers(0, 23), st.integers(0, 6), st.sampled_from(Digest))
def test_a_digest_comes_within_its_period(
    now: datetime, zone: ZoneInfo, hour: int, weekday: int, digest: Digest
) -> None:
    chosen = Preferences(hour=hour, weekday=weekday, digest=digest)
    due = next_digest(chosen, zone, now)
    longest = timedelta(days=1 if digest is Digest.DAILY else 7, hours=1)
    assert now < due <= now + longest


@given(st.integers(1, 10_000), st.floats(0, 0.999))
def test_waits_grow_and_end(failures: int, chance: float) -> None:
    wait = wait_after(failures, chance)
    assert FIRST_WAIT <= wait <= LONGEST_WAIT * 1.5
    assert wait_after(failures + 1, 0) >= min(wait_after(failures, 0), LONGEST_WAIT)


@pytest.mark.parametrize(
    ("failure", "age", "dead", "tries"),
    [
        (Failure(Scope.CHANNEL, FAULT), timedelta(hours=1), False, 3),
        (Failure(Scope.CHANNEL, FAULT), timedelta(days=6), True, 4),
        (Failure(Scope.LETTER, FAULT), timedelta(hours=1), False, 4),
        (Failure(Scope.LETTER, FAULT), timedelta(days=5), True, 4),
        (Failure(Scope.LETTER, FAULT, final=True), timedelta(0), True, 4),
    ],
)
def test_what_becomes_of_a_letter(failure: Failure, age: timedelta, dead: bool, tries: int) -> None:
    outcome = judge_failure(failure, 3, NOON - age, NOON, 0)
    assert (outcome.dead, outcome.tries) == (dead, tries)

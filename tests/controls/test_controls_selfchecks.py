"""Self-checks: what may be shown, what replies say, and a round from opening to mismatch."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.answering_device import Replies
from fakes.clock import FakeClock
from sekisho.controls import service as controls
from sekisho.controls.catalogue import load_catalogue
from sekisho.controls.model import Platform, Subject, VerdictKind
from sekisho.controls.reading import Source
from sekisho.controls.selfchecks import (
    SMALLEST_GROUP,
    Audience,
    Reply,
    Schedule,
    Tally,
    hide_small,
    judge_replies,
    load_questionnaires,
    next_opening,
    read_questionnaire,
    read_replies,
)
from sekisho.controls.service import mismatches
from sekisho.controls.service import selfcheck_lists as lists
from sekisho.controls.service import selfchecks as service
from sekisho.evidence import service as evidence
from sekisho.identity import service as identity
from sekisho.identity.model import Role
from sekisho.kernel.db import Database
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    NotPermittedError,
)
from sekisho.kernel.i18n import LANGUAGES
from sekisho.kernel.ids import DeviceID
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind
from sekisho.wire.kit import Ownership

NOW = datetime(2026, 11, 24, tzinfo=UTC)
CHECK = load_questionnaires()["telework"]
ALL_YES = {question.id: "yes" for question in CHECK.questions}


def test_the_questionnaire_has_ten_questions_in_both_languages_about_rules_that_exist() -> None:
    known = load_catalogue().controls

    assert len(CHECK.questions) == 10
    for question in CHECK.questions:
        assert set(LANGUAGES) == set(question.ask) == set(question.why)
        assert set(question.controls) <= set(known)
    assert sum(bool(q.controls) for q in CHECK.questions) >= 5, "some can be compared"


def test_faults_of_a_questionnaire_name_their_line() -> None:
    source = Source("x.yaml")
    text = (
        "id: x\nversion: 0\ntitle: {ja: あ}\nintro: {ja: あ, en: a}\nmax_age: soon\nquestions: []"
    )
    read_questionnaire(text, source)

    assert sorted({fault.line for fault in source.faults}) == [2, 3, 5, 6]


@pytest.mark.parametrize(
    "sent", [{}, ALL_YES | {"disk": "perhaps"}, ALL_YES | {"disk": "na"}, ALL_YES | {"disk": ""}]
)
def test_a_reply_that_is_missing_or_unknown_is_told_by_its_number(sent: dict[str, str]) -> None:
    with pytest.raises(InvalidInputError) as error:
        read_replies(CHECK, sent)
    number = 4 if sent else 1
    assert f"uestion {number}" in str(error.value.message)


def test_yes_passes_no_fails_and_not_sure_says_nothing() -> None:
    replies = read_replies(CHECK, ALL_YES | {"updates": "no", "disk": "unsure"})
    said = judge_replies(CHECK, replies)

    assert said["screen-lock"][0] is VerdictKind.PASS  # type: ignore[index] # ids are texts
    assert said["os-patched"] == (VerdictKind.FAIL, "updates")  # type: ignore[index] # the same
    assert "disk-encrypted" not in said


def tally(unit: str, answered: int, no: int = 0) -> Tally:
    replies = {"q": {Reply.YES: answered - no, Reply.NO: no}}
    return Tally(unit, answered + 1, answered, replies)


@given(st.lists(st.integers(0, 12), max_size=8))
def test_no_group_under_five_can_be_seen_or_worked_out(sizes: list[int]) -> None:
    tallies = [tally(f"u{n}", size) for n, size in enumerate(sizes)]
    results = hide_small(tallies)

    assert all(shown.answered >= SMALLEST_GROUP for shown in results.units)
    hidden = sum(sizes) - sum(shown.answered for shown in results.units)
    if results.whole is not None:
        assert results.whole.answered == sum(sizes) >= SMALLEST_GROUP
        assert hidden == 0 or hidden >= SMALLEST_GROUP, "the rest is told by subtraction"
    else:
        assert results.units == ()


def test_one_small_group_takes_the_next_one_with_it() -> None:
    results = hide_small([tally("a", 3), tally("b", 6), tally("c", 9)])

    assert [shown.unit_id for shown in results.units] == ["c"]
    assert (results.hidden_groups, results.hidden_people) == (2, 9)


@given(st.integers(0, 400), st.integers(1, 366))
def test_rounds_that_were_missed_are_not_caught_up_one_by_one(late: int, every: int) -> None:
    plan = Schedule("s", "telework", Audience.EVERYBODY, "", every, 1, 0, NOW, None, "x",
                    NOW)  # fmt: skip
    following = next_opening(plan, NOW + timedelta(days=late))

    assert following is not None
    assert NOW + timedelta(days=late) < following <= NOW + timedelta(days=late + every)


def person(database: Database, name: str, role: Role = Role.TELEWORKER) -> Principal:
    from sekisho.identity.store import people  # noqa: PLC0415 - only to activate without a passkey

    with database.write(SYSTEM) as tx:
        made = identity.invite_person(
            tx, name=name, email=f"{name}@example.jp", language="ja", roles=[role.value]
        )
        people.activate_person(tx, made.id)
    rights = {"self.read", "self.write"} | (
        {"selfchecks.*", "identity.read", "evidence.read"} if role is Role.SECURITY else set()
    )
    return Principal(PrincipalKind.PERSON, made.id, name, frozenset(rights))


@pytest.fixture
def town(database: Database) -> tuple[Principal, Principal]:
    """A worker with a Windows laptop, and somebody responsible for security."""
    worker = person(database, "tanaka")
    guard = person(database, "saeki", Role.SECURITY)
    with database.write(SYSTEM) as tx:
        laptop = Subject(DeviceID("dev_t"), Ownership.COMPANY, Platform.WINDOWS, worker.id)
        controls.start_device(tx, laptop)
    return worker, guard


def open_round(database: Database, guard: Principal) -> str:
    with database.write(guard) as tx:
        service.make_schedule(tx, service.NewSchedule("telework"))
    with database.write(SYSTEM) as tx:
        assert service.turn_selfchecks(tx) == 1
        return lists.list_rounds(tx)[0].id


def test_a_wrong_answer_is_shown_as_a_mismatch_at_once(
    database: Database, town: tuple[Principal, Principal], replies: Replies
) -> None:
    worker, guard = town
    round_id = open_round(database, guard)
    with database.write(worker) as tx:
        assert service.answer_round(tx, round_id, ALL_YES) == 1
    with database.write(SYSTEM) as tx:
        laptop = Subject(DeviceID("dev_t"), Ownership.COMPANY, Platform.WINDOWS, worker.id)
        answers = replies.about("disk-encrypted", Platform.WINDOWS, passed=False)
        controls.judge_answers(tx, laptop, answers, tx.now)

    with database.write(guard) as tx:
        (found,), total = mismatches.list_mismatches(tx)
        none, _ = mismatches.list_mismatches(tx, search="nobody")
        one, _ = mismatches.list_mismatches(tx, question="telework:disk", sort="rule")
        assert mismatches.count_mismatches(tx).total == "1"
        kinds = [r.kind for r in evidence.list_records(tx)]
    assert (found.control_id, found.person, total) == ("disk-encrypted", "tanaka", 1)
    assert found.question is not None
    assert found.question.id == "disk"
    assert none == []
    assert len(one) == 1
    assert {"selfcheck.answered", "selfcheck.opened", "selfcheck.mismatches_seen"} <= set(kinds)

    with database.write(worker) as tx:
        service.answer_round(tx, round_id, ALL_YES | {"disk": "no"})
    with database.write(guard) as tx:
        assert mismatches.list_mismatches(tx) == ([], 0), "whoever says so differs no more"


def test_only_security_sees_names_and_small_counts(
    database: Database, town: tuple[Principal, Principal], replies: Replies
) -> None:
    test_a_wrong_answer_is_shown_as_a_mismatch_at_once(database, town, replies)
    worker, guard = town
    with database.write(worker) as tx:
        service.answer_round(tx, service.list_own_rounds(tx)[0].round.id, ALL_YES)
        with pytest.raises(NotPermittedError):
            mismatches.count_mismatches(tx)
    reader = Principal(PrincipalKind.PERSON, "per_x", "x", frozenset({"selfchecks.read"}))
    with database.write(reader) as tx:
        assert mismatches.count_mismatches(tx).total == "<5"
        with pytest.raises(NotPermittedError):
            mismatches.list_mismatches(tx)
        with pytest.raises(NotPermittedError):
            service.make_schedule(tx, service.NewSchedule("telework"))
    del guard


def test_a_round_closes_by_itself_and_only_then_shows_results(
    database: Database, town: tuple[Principal, Principal], clock: FakeClock
) -> None:
    worker, guard = town
    others = [person(database, f"p{n}") for n in range(5)]
    round_id = open_round(database, guard)
    for each in (*others, worker):
        with database.write(each) as tx:
            service.answer_round(tx, round_id, ALL_YES | {"printing": "na"})
    with database.read(guard) as tx:
        assert service.read_results(tx, round_id)[2] is None

    clock.advance(seconds=15 * 86400)
    with database.write(worker) as tx, pytest.raises(ConflictError):
        service.answer_round(tx, round_id, ALL_YES)
    with database.write(SYSTEM) as tx:
        service.turn_selfchecks(tx)
    with database.read(guard) as tx:
        found, _, results = service.read_results(tx, round_id)
    assert (found.answered, found.invited) == (6, 7)
    assert results is not None
    assert results.whole is not None
    assert results.whole.replies["printing"] == {Reply.NA: 6}


def test_who_has_not_answered_is_reminded_and_nobody_else(
    database: Database, town: tuple[Principal, Principal], clock: FakeClock
) -> None:
    worker, guard = town
    round_id = open_round(database, guard)
    with database.write(worker) as tx:
        service.answer_round(tx, round_id, ALL_YES)
    clock.advance(seconds=6 * 86400)
    with database.write(SYSTEM) as tx:
        service.turn_selfchecks(tx)
        service.turn_selfchecks(tx)

    from sekisho.notices.store import posts  # noqa: PLC0415 - what was queued, for everyone

    with database.read(SYSTEM) as tx:
        queued = posts.list_open(tx, 100)
    kinds = [open_post.post.kind.value for open_post in queued]
    assert sorted(kinds) == ["self_check.asked", "self_check.reminded"]
    reminded = next(o for o in queued if o.post.kind.value == "self_check.reminded")
    assert list(reminded.reach.ids) == [guard.id]  # type: ignore[union-attr] # it is people


def test_a_stranger_is_not_asked_and_a_stopped_schedule_asks_no_more(
    database: Database, town: tuple[Principal, Principal], clock: FakeClock
) -> None:
    _, guard = town
    round_id = open_round(database, guard)
    stranger = Principal(PrincipalKind.PERSON, "per_z", "z", frozenset({"self.read", "self.write"}))
    with database.write(stranger) as tx, pytest.raises(NotFoundError):
        service.answer_round(tx, round_id, ALL_YES)
    with database.write(guard) as tx:
        service.stop_schedule(tx, service.list_schedules(tx)[0].id)
    clock.advance(seconds=200 * 86400)
    with database.write(SYSTEM) as tx:
        assert service.turn_selfchecks(tx) == 0


@pytest.mark.parametrize(
    "wanted",
    [
        service.NewSchedule("telework", every_days=5, open_days=14),
        service.NewSchedule("telework", open_days=0),
        service.NewSchedule("telework", every_days=999),
        service.NewSchedule("telework", remind_days=15, open_days=14),
    ],
)
def test_days_that_do_not_fit_together_are_refused(
    database: Database, admin: Principal, wanted: service.NewSchedule
) -> None:
    with database.write(admin) as tx, pytest.raises(InvalidInputError, match="fit together"):
        service.make_schedule(tx, wanted)


def _place(database: Database, people: list[Principal]) -> tuple[str, str, str, str]:
    """Put six into one department, five into its sister; the first and the rest into a group."""
    with database.write(SYSTEM) as tx:
        top = identity.create_unit(tx, identity.UnitDraft("本社")).id
        east, west = (
            identity.create_unit(tx, identity.UnitDraft(name), top).id for name in ("東", "西")
        )
        for number, each in enumerate(people[:11]):
            identity.place_person(tx, each.id, east if number < 6 else west)
        group = identity.create_group(tx, "在宅").id
        identity.change_members(tx, group, add=[people[0].id, *(p.id for p in people[11:])])
    return top, east, west, group


def test_a_unit_with_all_below_it_or_a_group_is_asked_and_results_reach_as_far_as_the_right(
    database: Database, clock: FakeClock
) -> None:
    guard = person(database, "saeki", Role.SECURITY)
    everyone = [person(database, f"p{n}") for n in range(12)]
    top, east, west, group = _place(database, everyone)
    with database.write(guard) as tx:
        for audience, name in ((Audience.UNIT, top), (Audience.GROUP, group)):
            service.make_schedule(tx, service.NewSchedule("telework", audience, name))
        with pytest.raises(NotFoundError):
            service.make_schedule(tx, service.NewSchedule("telework", Audience.GROUP, "grp_x"))
    with database.write(SYSTEM) as tx:
        assert service.turn_selfchecks(tx) == 2
        rounds = {found.invited: found.id for found in lists.list_rounds(tx)}
    assert sorted(rounds) == [1, 11]  # who is in both the unit and the group is asked once
    for each in everyone[:11]:
        with database.write(each) as tx:
            service.answer_round(tx, rounds[11], ALL_YES)
    clock.advance(seconds=15 * 86400)
    with database.write(SYSTEM) as tx:
        service.turn_selfchecks(tx)
    for where, number in ((east, 6), (west, 5)):
        scoped = {"selfchecks.read": frozenset({str(where)})}
        boss = Principal(PrincipalKind.PERSON, "per_b", "b", frozenset(), scoped=scoped)
        with database.read(boss) as tx:
            results = service.read_results(tx, rounds[11])[2]
            alone = service.read_results(tx, rounds[1])[2]
        assert results is not None
        assert results.whole is None
        assert [(tally.unit_id, tally.answered) for tally in results.units] == [(where, number)]
        assert alone is not None
        assert (alone.whole, alone.units) == (None, ())


def test_nobody_is_asked_the_same_twice_at_once_and_no_two_rounds_share_a_person(
    database: Database, clock: FakeClock
) -> None:
    guard = person(database, "saeki", Role.SECURITY)
    everyone = [person(database, f"p{n}") for n in range(12)]
    _, east, _, group = _place(database, everyone)
    wanted = [(Audience.UNIT, east), (Audience.GROUP, group), (Audience.EVERYBODY, "")]
    for audience, name in wanted:
        with database.write(guard) as tx:
            service.make_schedule(tx, service.NewSchedule("telework", audience, name))
        with database.write(SYSTEM) as tx:
            service.turn_selfchecks(tx)
        clock.advance(seconds=86400)
    with database.write(guard) as tx:  # everybody is being asked by now: there is nobody left
        service.make_schedule(tx, service.NewSchedule("telework", Audience.GROUP, group))
    with database.write(SYSTEM) as tx:
        assert service.turn_selfchecks(tx) == 0
        assert [found.invited for found in lists.list_rounds(tx)] == [6, 1, 6]
        skipped = evidence.list_records(tx, kind="selfcheck.skipped")
    assert (skipped[0].detail or {})["asked_elsewhere"] == 2
    for each in everyone:
        with database.read(each) as tx:
            assert len(service.list_own_rounds(tx)) == 1
    clock.advance(seconds=15 * 86400)
    with database.write(guard) as tx:  # all have closed: the same group is asked anew
        service.make_schedule(tx, service.NewSchedule("telework", Audience.GROUP, group))
    with database.write(SYSTEM) as tx:
        assert service.turn_selfchecks(tx) == 1
        assert lists.list_rounds(tx)[0].invited == 2


def test_rounds_are_searched_sorted_and_paged(database: Database, clock: FakeClock) -> None:
    guard = person(database, "saeki", Role.SECURITY)
    place = _place(database, [person(database, f"p{n}") for n in range(12)])
    wanted = [(Audience.UNIT, place[1]), (Audience.GROUP, place[3]), (Audience.EVERYBODY, "")]
    for audience, name in wanted:
        with database.write(guard) as tx:
            service.make_schedule(tx, service.NewSchedule("telework", audience, name))
        with database.write(SYSTEM) as tx:
            service.turn_selfchecks(tx)
        clock.advance(seconds=5.5 * 86400)

    def numbers(search: str = "", still: bool | None = None, sort: str = "-opened") -> list[int]:
        with database.read(guard) as tx:
            wish = lists.RoundWish(search, still, sort)
            found = [lists.page_rounds(tx, wish, offset=n, limit=1) for n in range(4)]
        assert len({total for _, total in found}) == 1
        return [each.invited for page, _ in found for each in page]

    assert numbers() == numbers(sort="nonsense") == [6, 1, 6]
    assert numbers(sort="asked") == [1, 6, 6]
    assert numbers("在宅", still=True) == numbers("TELEWORK", still=True) == [6, 1]
    assert numbers("self-check", still=False, sort="closes") == [6]
    assert numbers("no such thing") == []

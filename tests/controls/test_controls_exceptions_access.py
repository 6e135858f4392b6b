"""Lists of exceptions, and what an exception means for access."""

from datetime import timedelta

import pytest

from sekisho.controls import service
from sekisho.controls.access import AccessKind, Bar
from sekisho.controls.exceptions import ExceptionState, Scope, ScopeKind
from sekisho.controls.model import Platform, Subject, VerdictKind
from sekisho.controls.service import ExceptionFilter
from sekisho.identity import service as identity
from sekisho.kernel.errors import (
    InvalidInputError,
    NotFoundError,
    NotPermittedError,
)
from sekisho.kernel.ids import ControlID, DeviceID
from sekisho.kernel.principal import SYSTEM
from sekisho.wire.kit import Ownership
from support.exception_town import UAC, ExceptionTown

PERSON = Scope(ScopeKind.PERSON, "per_tanaka")


def test_lists_are_filtered_sorted_and_paged(town: ExceptionTown) -> None:
    granted = town.grant(days=10)
    waiting = town.ask("kondo", town.wish(PERSON, days=5))
    with town.database.read(town.who("abe")) as tx:
        counts = service.count_exceptions(tx)
        everything = service.list_exceptions(tx, sort="-until")
        first = service.list_exceptions(tx, sort="until", limit=1)
        found = service.list_exceptions(tx, ExceptionFilter(search="業務ソフト"))
        none = service.list_exceptions(tx, ExceptionFilter(search="100%_"))
        with pytest.raises(InvalidInputError):
            service.list_exceptions(tx, sort="secret")
        with pytest.raises(InvalidInputError):
            service.list_exceptions(tx, limit=0)
    assert counts == {
        "open": 1, "in_force": 1, "soon": 1, "overdue": 0, "renewed": 0, "ended": 0,
    }  # fmt: skip
    assert [each.id for each in everything.exceptions] == [granted.id, waiting.id]
    assert ([e.id for e in first.exceptions], first.total) == ([waiting.id], 2)
    assert (found.total, none.total) == (2, 0)
    assert everything.devices == {granted.id: 1, waiting.id: 0}

    town.clock.advance(days=11)
    town.turn()
    with town.database.read(town.who("abe")) as tx:
        over = service.list_exceptions(tx, ExceptionFilter(show="overdue"))
        assert [each.id for each in over.exceptions] == [granted.id]
    town.answer(town.laptop, passed=True)
    with town.database.read(town.who("abe")) as tx:
        assert service.count_exceptions(tx)["overdue"] == 0, "fixed meanwhile"


def test_who_may_read(town: ExceptionTown) -> None:
    asked = town.ask("kondo", town.wish(Scope(ScopeKind.PERSON, "per_mori")))
    with town.database.read(town.who("tanaka")) as tx:
        with pytest.raises(NotFoundError):
            service.get_exception(tx, asked.id)
        with pytest.raises(NotPermittedError):
            service.list_exceptions(tx)
        assert service.list_own_exceptions(tx) == []
    with town.database.read(town.who("mori")) as tx:
        assert service.get_exception(tx, asked.id)[0].id == asked.id, "it is for her"
    with town.database.read(town.who("kondo")) as tx:
        assert [each.id for each in service.list_own_exceptions(tx)] == [asked.id]


def test_a_withdrawn_private_pc_leaves_no_words(town: ExceptionTown) -> None:
    private = Subject(DeviceID("dev_3"), Ownership.PRIVATE, Platform.WINDOWS, "per_tanaka")
    town.answer(private, passed=False)
    granted = town.approve(town.ask(wish=town.wish(Scope(ScopeKind.DEVICE, "dev_3"))))
    with town.database.write(SYSTEM) as tx:
        assert service.forget_device(tx, private.device_id) == [granted.id]
    with town.database.read(town.who("abe")) as tx:
        listed = service.list_exceptions(tx).exceptions
    assert [(e.state, e.reason, e.measure) for e in listed] == [(ExceptionState.REVOKED, "", "")]


def _access(town: ExceptionTown, device: str = "dev_1") -> AccessKind:
    with town.database.read(SYSTEM) as tx:
        listed = service.list_access_kinds(tx, [DeviceID(device)])
        kind = service.access_state(tx, DeviceID(device)).kind
        by_filter = [k for k in AccessKind if device in service.list_devices_by_access(tx, k)]
    assert listed == {device: kind.value}
    assert by_filter in ([kind], [])
    return kind


def _answer_all(town: ExceptionTown, *, uac: bool = True) -> None:
    answers = town.replies.all_of(town.laptop, passed=True)
    kept = [a for a in answers if uac or UAC not in a.name]
    if not uac:
        kept += town.replies.about(UAC, Platform.WINDOWS, passed=False)
    with town.database.write(SYSTEM) as tx:
        service.judge_answers(tx, town.laptop, kept, tx.now)


def test_access_follows_what_is_known(town: ExceptionTown) -> None:
    _answer_all(town)
    assert _access(town) is AccessKind.FINE

    town.answer(town.laptop, passed=False)
    with town.database.read(SYSTEM) as tx:
        state = service.access_state(tx, town.laptop.device_id)
    assert (state.kind, state.fix_by) == (
        AccessKind.FIX_BY, town.clock.now() + timedelta(days=7),
    )  # fmt: skip
    assert _access(town) is AccessKind.FIX_BY
    town.clock.advance(days=6, hours=23)
    _answer_all(town, uac=False)
    assert _access(town) is AccessKind.FIX_BY
    town.clock.advance(hours=1)
    assert _access(town) is AccessKind.NOT_ALLOWED, "at the very second, before the worker"
    town.turn()
    assert _access(town) is AccessKind.NOT_ALLOWED
    town.clock.advance(days=30)
    assert _access(town) is AccessKind.NOT_ALLOWED, "going silent buys nothing"
    _answer_all(town)
    assert _access(town) is AccessKind.FINE


def test_an_exception_gives_access_and_its_end_takes_it(town: ExceptionTown) -> None:
    _answer_all(town, uac=False)
    town.grant(days=9)
    assert _access(town) is AccessKind.FINE
    town.clock.advance(days=9)
    _answer_all(town, uac=False)
    assert _access(town) is AccessKind.NOT_ALLOWED, "grace was over long ago"


def test_bars_of_devices_and_people(town: ExceptionTown) -> None:
    _answer_all(town)
    with town.database.write(SYSTEM) as tx:
        service.set_device_bar(tx, town.laptop.device_id, Bar.PAUSED)
    assert _access(town) is AccessKind.UNKNOWN
    with town.database.write(SYSTEM) as tx:
        service.set_device_bar(tx, town.laptop.device_id, None)
    assert _access(town) is AccessKind.FINE
    with town.database.write(SYSTEM) as tx:
        service.set_device_bar(tx, town.laptop.device_id, Bar.WITHDRAWN)
    assert _access(town) is AccessKind.NOT_ALLOWED
    with town.database.write(SYSTEM) as tx:
        service.set_device_bar(tx, town.laptop.device_id, None)
        identity.disable_person(tx, "per_tanaka")
    assert _access(town) is AccessKind.NOT_ALLOWED
    with town.database.read(SYSTEM) as tx:
        assert service.access_state(tx, DeviceID("dev_none")).kind is AccessKind.UNKNOWN
        (own,) = service.person_access_states(tx, "per_tanaka")
        assert own.kind is AccessKind.NOT_ALLOWED
        assert service.person_access_states(tx, "per_abe") == []


def test_an_exception_laid_in_bulk_counts_as_if_each_were_judged(town: ExceptionTown) -> None:
    """The short way over one rule must leave the same figures as judging every device anew."""
    subjects = [
        Subject(DeviceID(f"dev_{n}"), Ownership.COMPANY, Platform.WINDOWS, "per_tanaka")
        for n in range(10, 22)
    ]
    for n, subject in enumerate(subjects):
        answers = town.replies.all_of(subject, passed=n % 3 > 0)
        with town.database.write(SYSTEM) as tx:
            service.judge_answers(tx, subject, answers, tx.now)
    town.grant(PERSON)
    with town.database.read(SYSTEM) as tx:
        quick = service.list_standings(tx, [s.device_id for s in subjects])
        words = service.list_access_kinds(tx, [s.device_id for s in subjects])
        slow = {s.device_id: service.access_state(tx, s.device_id).kind.value for s in subjects}
        shown = {
            s.device_id: sum(
                v.kind is VerdictKind.EXEMPT for v in service.list_verdicts(tx, s.device_id)
            )
            for s in subjects
        }
        counted = service.count_verdicts(tx).by_kind["exempt"]
    assert words == slow
    assert {device: standing.exempt for device, standing in quick.items()} == shown
    assert counted == sum(shown.values()) + 1
    assert ControlID(UAC) == UAC


def test_what_somebody_asked_for_is_read_page_by_page(town: ExceptionTown) -> None:
    asked = [
        town.ask("kondo", town.wish(Scope(ScopeKind.PERSON, person))).id
        for person in ("per_mori", "per_tanaka", "per_kondo")
    ]
    with town.database.read(town.who("kondo")) as tx:
        pages = [service.page_own_exceptions(tx, offset=n, limit=2) for n in (0, 2, 4)]
    assert [total for _, total in pages] == [3, 3, 3]
    assert sorted(each.id for page, _ in pages for each in page) == sorted(asked)
    assert [len(page) for page, _ in pages] == [2, 1, 0]
    with town.database.read(town.who("tanaka")) as tx:
        assert service.page_own_exceptions(tx) == ([], 0)

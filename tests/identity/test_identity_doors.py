"""Required strength, lost ways in by two people, blocks and bans, copied passkeys."""

from collections.abc import Callable

import pytest

from sekisho.identity import service
from sekisho.identity.model import Person, Role, SignedIn, Strength
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    NotPermittedError,
    RateLimitedError,
    SekishoError,
    StepUpNeededError,
    UnauthenticatedError,
)
from sekisho.kernel.principal import ANONYMOUS, SYSTEM, Principal
from sekisho.notices import service as notices
from support.identity_town import SITE, VISIT, Town

EMAIL = "saeki@example.jp"


def _rights(town: Town, signed_in: SignedIn) -> frozenset[str]:
    with town.database.read(SYSTEM) as tx:
        return service.admit_session(tx, signed_in.secret).rights


def test_a_code_is_not_enough_for_an_administrator(town: Town) -> None:
    principal = town.as_person(town.start_admin())
    secret = town.register_totp(principal, town.code)
    town.clock.advance(seconds=60)

    weak = town.enter_code(EMAIL, town.code(secret))
    assert (weak.strength, weak.next) == (Strength.ONE, "/account")
    assert _rights(town, weak) == {
        "self.read", "self.write", "access.request", "exceptions.request", "cases.report"
    }  # fmt: skip
    assert "*" in _rights(town, town.enter_passkey())


def test_a_code_alone_adds_no_way_in_for_an_administrator(town: Town) -> None:
    """Else one phished code would add a passkey and come in as an administrator with it."""
    principal = town.as_person(town.start_admin())
    secret = town.register_totp(principal, town.code)
    with town.database.write(principal) as tx:
        codes = service.make_recovery_codes(tx, town.box)
    town.clock.advance(seconds=60)
    for code in (town.code(secret), codes[0]):
        weak = town.as_person(town.enter_code(EMAIL, code))
        for act in _CHANGES:
            with pytest.raises(StepUpNeededError), town.database.write(weak) as tx:
                act(town, tx)


_CHANGES: list[Callable[[Town, Transaction], object]] = [
    lambda _, tx: service.begin_passkey(tx, SITE),
    lambda town, tx: service.begin_totp(tx, town.box, SITE),
    lambda town, tx: service.make_recovery_codes(tx, town.box),
    lambda _, tx: service.remove_totp(tx),
    lambda _, tx: service.remove_passkey(tx, "pky_x"),
    lambda _, tx: service.rename_passkey(tx, "pky_x", "mine"),
    lambda _, tx: service.unlink_account(tx, "idp_x"),
]


def test_an_app_and_a_printed_code_are_two(town: Town) -> None:
    principal = town.as_person(town.start_admin())
    secret = town.register_totp(principal, town.code)
    with town.database.write(principal) as tx:
        codes = service.make_recovery_codes(tx, town.box)
    town.clock.advance(seconds=60)
    first = town.enter_code(EMAIL, town.code(secret))

    same = _enter_again(town, codes[1], _enter_again(town, codes[0], None).secret)
    assert same.strength is Strength.ONE  # two of one kind are one
    both = _enter_again(town, codes[2], first.secret)
    assert both.strength is Strength.TWO
    assert "*" in _rights(town, both)
    town.clock.advance(seconds=60)
    late = town.enter_code(EMAIL, town.code(secret))
    town.clock.advance(minutes=16)
    assert _enter_again(town, codes[3], late.secret).strength is Strength.ONE


def _enter_again(town: Town, code: str, former: str | None) -> SignedIn:
    return service.try_act(
        town.database,
        ANONYMOUS,
        lambda tx: service.sign_in_with_code(
            tx, town.box, email=EMAIL, code=code, site=SITE, visit=VISIT, replaces=former or ""
        ),
    )


def test_what_a_role_asks_for_is_set_and_counts_at_once(town: Town) -> None:
    admin = town.start_admin()
    principal = town.as_person(admin)
    with town.database.write(principal) as tx:
        secret = service.begin_totp(tx, town.box, SITE)
    assert secret.secret
    with town.database.write(principal) as tx:
        service.change_requirement(tx, "role:admin", 1)
        assert service.list_requirements(tx)[Role.ADMIN] is Strength.ONE
    assert town.kinds().count("identity.requirement_changed") == 1


@pytest.mark.parametrize(("key", "strength"), [
    ("role:emperor", 1), ("role:admin", 0), ("role:admin", 4), ("resource:erp", 1), ("x", 1),
])  # fmt: skip
def test_unknown_requirements_are_refused(town: Town, key: str, strength: int) -> None:
    with pytest.raises(InvalidInputError), town.database.write(SYSTEM) as tx:
        service.change_requirement(tx, key, strength)


def test_requirements_are_for_those_who_may_and_have_just_proved_themselves(town: Town) -> None:
    admin = town.as_person(town.start_admin())
    weak = town.principal(town.add("t@example.jp", Role.SECURITY))
    with pytest.raises(NotPermittedError), town.database.write(weak) as tx:
        service.change_requirement(tx, "role:admin", 1)
    town.clock.advance(minutes=16)
    with pytest.raises(StepUpNeededError), town.database.write(admin) as tx:
        service.change_requirement(tx, "role:admin", 1)


def _three(town: Town) -> tuple[Person, Principal, Principal]:
    town.start_admin()
    person = town.add("lost@example.jp", Role.TELEWORKER)
    first = town.principal(town.add("a@example.jp", Role.SECURITY))
    second = town.principal(town.add("b@example.jp", Role.ADMIN))
    return person, first, second


def _asked(town: Town, email: str = "lost@example.jp", address: str = "192.0.2.1") -> None:
    visit = type(VISIT)(address, "Firefox")
    with town.database.write(ANONYMOUS) as tx:
        service.ask_for_recovery(tx, email=email, reason="phone stolen", visit=visit)


def _open(town: Town) -> str:
    with town.database.read(SYSTEM) as tx:
        return service.list_recoveries(tx)[0].id


def _approve(town: Town, principal: Principal, recovery: str) -> str | None:
    with town.database.write(principal) as tx:
        return service.approve_recovery(tx, recovery, "seen on video")


def test_two_people_give_a_new_way_in_and_the_lost_one_ends(town: Town) -> None:
    person, first, second = _three(town)
    secret = town.register_totp(town.principal(person), town.code)
    _asked(town)
    recovery = _open(town)

    assert _approve(town, first, recovery) is None
    path = _approve(town, second, recovery)
    assert path is not None
    token = path.removeprefix("/start/")
    with town.database.write(ANONYMOUS) as tx:
        handle, options = service.begin_link_passkey(tx, token, {}, SITE)
    answer = town.authenticator.create(options)
    with town.database.write(ANONYMOUS) as tx:
        signed_in = service.finish_link_passkey(tx, token, handle, answer, "new", VISIT)

    assert signed_in.person.id == person.id
    town.clock.advance(minutes=2)
    with pytest.raises(UnauthenticatedError):  # what was lost lets nobody in
        town.enter_code("lost@example.jp", town.code(secret))
    with town.database.read(SYSTEM) as tx:
        assert service.list_recoveries(tx)[0].state == "used"
    kinds = town.kinds()
    for kind in ("requested", "approved"):
        assert f"identity.recovery_{kind}" in kinds
    assert "identity.factors_forgotten" in kinds


def test_nobody_approves_twice_or_for_themselves(town: Town) -> None:
    person, first, second = _three(town)
    with town.database.write(first) as tx:
        recovery = service.request_recovery(tx, person.id, "called me").id
    _approve(town, first, recovery)
    with pytest.raises(ConflictError, match="already"):
        _approve(town, first, recovery)
    with town.database.write(first) as tx:
        mine = service.request_recovery(tx, second.id, "called me").id
    with pytest.raises(NotPermittedError, match="their own"):
        _approve(town, second, mine)


def test_nobody_opens_a_door_to_more_than_they_may_themselves(town: Town) -> None:
    _, first, second = _three(town)
    with town.database.write(first) as tx:
        recovery = service.request_recovery(tx, second.id, "called me").id
    with pytest.raises(NotPermittedError, match="rights you do not have"):
        _approve(town, first, recovery)


def test_only_people_who_may_and_proved_themselves_approve(town: Town) -> None:
    person, first, _ = _three(town)
    _asked(town)
    recovery = _open(town)
    weak = town.principal(town.add("m@example.jp", Role.MANAGER))
    for principal in (SYSTEM, ANONYMOUS, weak, town.principal(person)):
        with pytest.raises(SekishoError):
            _approve(town, principal, recovery)
    town.clock.advance(minutes=16)
    with pytest.raises(StepUpNeededError):
        _approve(town, first, recovery)


def test_a_request_ends_and_is_refused_by_its_person(town: Town) -> None:
    person, first, second = _three(town)
    _asked(town)
    recovery = _open(town)
    _approve(town, first, recovery)
    path = _approve(town, second, recovery)
    with town.database.write(town.principal(person)) as tx:
        assert service.find_my_recovery(tx) is not None
        service.refuse_my_recovery(tx)
    with pytest.raises(NotFoundError), town.database.read(ANONYMOUS) as tx:
        service.open_link(tx, str(path).removeprefix("/start/"))
    _asked(town, address="192.0.2.2")
    town.clock.advance(hours=25)
    first, second = (town.principal(_person(town, p.id)) for p in (first, second))
    with pytest.raises(ConflictError, match="not open"):
        _approve(town, first, _open(town))


def _person(town: Town, person_id: str) -> Person:
    with town.database.read(SYSTEM) as tx:
        return service.get_person(tx, person_id)


def test_the_link_ends_after_an_hour(town: Town) -> None:
    _, first, second = _three(town)
    _asked(town)
    recovery = _open(town)
    _approve(town, first, recovery)
    path = _approve(town, second, recovery)
    town.clock.advance(minutes=61)

    with pytest.raises(NotFoundError), town.database.read(ANONYMOUS) as tx:
        service.open_link(tx, str(path).removeprefix("/start/"))


def test_requests_do_not_tell_who_exists_and_cannot_flood(town: Town) -> None:
    _three(town)
    _asked(town, "nobody@example.jp")
    with town.database.read(SYSTEM) as tx:
        assert service.list_recoveries(tx) == []
    for number in range(5):
        _asked(town, address=f"198.51.100.{number}")
    with town.database.read(SYSTEM) as tx:
        assert len(service.list_recoveries(tx)) == 1
    with pytest.raises(RateLimitedError):
        _asked(town, address="198.51.100.99")


def test_the_person_and_those_who_may_agree_are_told_once(town: Town) -> None:
    person, _, _ = _three(town)
    _asked(town)
    for _ in range(2):
        with town.database.write(SYSTEM) as tx:
            notices.tell_lost_ways_in(tx)
    with town.database.read(SYSTEM) as tx:
        rows = tx.connection.exec_driver_sql("SELECT subject, link FROM notice_posts").all()
    assert sorted(tuple(row) for row in rows) == [
        (f"person:{person.id}", "/account"),
        (f"person:{person.id}", "/people/lost"),
    ]

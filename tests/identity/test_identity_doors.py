"""Required strength, lost ways in by two people, blocks and bans, copied passkeys."""

from collections.abc import Callable
from datetime import timedelta

import pyotp
import pytest

from sekisho.findings import service as findings
from sekisho.findings.model import FindingFilter
from sekisho.identity import service
from sekisho.identity.model import Method, Person, Role, SignedIn, Strength
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


def _now(town: Town) -> Callable[[str], str]:
    return lambda secret: pyotp.TOTP(secret).at(town.clock.now())


def _rights(town: Town, signed_in: SignedIn) -> frozenset[str]:
    with town.database.read(SYSTEM) as tx:
        return service.admit_session(tx, signed_in.secret).rights


# Required strength.


def test_a_code_is_not_enough_for_an_administrator(town: Town) -> None:
    principal = town.as_person(town.start_admin())
    secret = town.register_totp(principal, _now(town))
    town.clock.advance(seconds=60)

    weak = town.enter_code(EMAIL, _now(town)(secret))
    assert (weak.strength, weak.next) == (Strength.ONE, "/account")
    assert _rights(town, weak) == {"self.read", "self.write", "exceptions.request", "cases.report"}
    assert "*" in _rights(town, town.enter_passkey())


def test_a_code_alone_adds_no_way_in_for_an_administrator(town: Town) -> None:
    """Else one phished code would add a passkey and come in as an administrator with it."""
    principal = town.as_person(town.start_admin())
    secret = town.register_totp(principal, _now(town))
    with town.database.write(principal) as tx:
        codes = service.make_recovery_codes(tx, town.box)
    town.clock.advance(seconds=60)
    for code in (_now(town)(secret), codes[0]):
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
    secret = town.register_totp(principal, _now(town))
    with town.database.write(principal) as tx:
        codes = service.make_recovery_codes(tx, town.box)
    town.clock.advance(seconds=60)
    first = town.enter_code(EMAIL, _now(town)(secret))

    same = _enter_again(town, codes[1], _enter_again(town, codes[0], None).secret)
    assert same.strength is Strength.ONE  # two of one kind are one
    both = _enter_again(town, codes[2], first.secret)
    assert both.strength is Strength.TWO
    assert "*" in _rights(town, both)
    town.clock.advance(seconds=60)
    late = town.enter_code(EMAIL, _now(town)(secret))
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
    person = town.add("t@example.jp", Role.TELEWORKER)
    with town.database.write(town.as_person(admin)) as tx:
        assert service.required_strength(tx, person) is Strength.ONE
        assert service.required_strength(tx, person, "erp") is Strength.ONE
        service.change_requirement(tx, "resource:erp", 3)
        assert service.required_strength(tx, person, "erp") is Strength.RESISTANT
    assert town.kinds().count("identity.requirement_changed") == 2


@pytest.mark.parametrize(("key", "strength"), [
    ("role:emperor", 1), ("role:admin", 0), ("role:admin", 4), ("resource:", 1), ("x", 1),
    ("resource:" + "x" * 81, 1),
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


# Lost second factors.


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
    secret = town.register_totp(town.principal(person), _now(town))
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
        town.enter_code("lost@example.jp", _now(town)(secret))
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


# Blocks and bans.


def test_codes_are_blocked_while_the_passkey_works(town: Town) -> None:
    principal = town.as_person(town.start_admin())
    secret = town.register_totp(principal, _now(town))
    town.clock.advance(minutes=1)
    for number in range(40):  # many addresses, then one: neither ends the passkey
        with pytest.raises(SekishoError):
            town.enter_code(EMAIL, "000000", f"198.51.100.{number % 7}")

    with pytest.raises(RateLimitedError):
        town.enter_code(EMAIL, _now(town)(secret), "203.0.113.1")
    visit = type(VISIT)("198.51.100.1", "Firefox")
    assert town.enter_passkey(visit=visit).method is Method.PASSKEY


def test_one_address_over_many_accounts_must_wait(town: Town) -> None:
    for number in range(20):
        with pytest.raises(UnauthenticatedError):
            town.enter_code(f"p{number}@example.jp", "000000", "2001:db8:1:2::1")
    with pytest.raises(RateLimitedError):
        town.enter_code("p99@example.jp", "000000", "2001:db8:1:2:ffff::9")
    with pytest.raises(UnauthenticatedError):
        town.enter_code("p99@example.jp", "000000", "2001:db8:1:3::1")


def test_bad_passkeys_lock_nobodys_passkey(town: Town) -> None:
    town.start_admin()
    for _ in range(30):
        with pytest.raises(InvalidInputError):
            town.enter_passkey(origin="https://evil.example")
    assert town.enter_passkey().method is Method.PASSKEY


def test_blocks_are_listed_by_name_and_lifted(town: Town) -> None:
    admin = town.start_admin()
    secret = town.register_totp(town.as_person(admin), _now(town))
    town.clock.advance(minutes=1)
    for number in range(5):
        with pytest.raises(UnauthenticatedError):
            town.enter_code(EMAIL, "000000", f"198.51.100.{number}")
    principal = town.as_person(admin)
    with town.database.write(principal) as tx:
        (block,) = service.list_blocks(tx)
        assert (block.kind, block.name, block.failures) == ("account", EMAIL, 5)
        service.lift_block(tx, block.key)
    assert town.enter_code(EMAIL, _now(town)(secret)).method is Method.TOTP
    assert "identity.unblocked" in town.kinds()


def test_bans_have_a_reason_and_an_end(town: Town) -> None:
    principal = town.as_person(town.start_admin())
    with town.database.write(principal) as tx:
        service.shut_out(tx, "2001:db8:5:6::1", "guessing", 7)
        (ban,) = service.list_shut_out(tx)
        assert ban.unit == "2001:0db8:0005:0006::/64"
        assert ban.ends_at - ban.created_at == timedelta(days=7)
        assert list(service.list_bans(tx)) == [ban.unit]
    town.clock.advance(days=7)
    with town.database.write(SYSTEM) as tx:
        assert service.list_bans(tx) == {}
        service.forget_ended(tx)
    with pytest.raises(NotFoundError), town.database.write(SYSTEM) as tx:
        service.let_in_again(tx, "nobody")


@pytest.mark.parametrize(
    ("address", "reason", "days"),
    [("x", "y", 1), ("127.0.0.1", "y", 1), ("::1", "y", 1), ("198.51.100.1", " ", 1),
     ("198.51.100.1", "y", 0), ("198.51.100.1", "y", 367), ("192.0.2.55", "y", 1)],
)  # fmt: skip
def test_bad_bans_are_refused(town: Town, address: str, reason: str, days: int) -> None:
    admin = town.as_person(town.start_admin())
    own = Principal(
        admin.kind, admin.id, admin.name, admin.rights, authenticated_at=town.clock.now(),
        address="192.0.2.55",
    )  # fmt: skip
    with pytest.raises(InvalidInputError), town.database.write(own) as tx:
        service.shut_out(tx, address, reason, days)


# Passkeys.


def test_a_copied_passkey_raises_an_alarm(town: Town) -> None:
    admin = town.start_admin()
    town.enter_passkey()
    town.enter_passkey()
    town.authenticator.credentials[-1].counter = 0

    with pytest.raises(InvalidInputError, match="sign count went from 2 to 1"):
        town.enter_passkey()
    with town.database.write(SYSTEM) as tx:
        (finding,) = findings.list_findings(tx, FindingFilter(search="passkey-copied")).findings
    assert finding.subject == f"person:{admin.person.id}"
    assert finding.severity == "high"
    assert "identity.passkey_copied" in town.kinds()
    town.authenticator.credentials[-1].counter = 10
    assert town.enter_passkey().person.id == admin.person.id


def test_a_bent_answer_raises_no_alarm(town: Town) -> None:
    town.start_admin()
    town.enter_passkey()
    town.authenticator.credentials[-1].counter = 0
    with pytest.raises(InvalidInputError):
        town.enter_passkey(origin="https://evil.example")
    assert "identity.passkey_copied" not in town.kinds()


def _second_passkey(town: Town, principal: Principal) -> str:
    with town.database.write(principal) as tx:
        handle, options = service.begin_passkey(tx, SITE)
    answer = town.authenticator.create(options)
    with town.database.write(principal) as tx:
        return service.finish_passkey(tx, handle, answer, "second").id


def test_passkeys_are_renamed_and_a_removed_one_is_refused_clearly(town: Town) -> None:
    principal = town.as_person(town.start_admin())
    second = _second_passkey(town, principal)
    with town.database.write(principal) as tx:
        service.rename_passkey(tx, second, "  職場の\x00鍵 ")
        assert [k.label for k in service.list_factors(tx).passkeys][-1] == "職場の 鍵"
        service.remove_passkey(tx, second)
    with pytest.raises(UnauthenticatedError, match="was removed"):
        town.enter_passkey()
    other = town.principal(town.add("o@example.jp", Role.TELEWORKER))
    with town.database.read(principal) as tx:
        first = service.list_factors(tx).passkeys[0].id
    for act in (service.remove_passkey, lambda tx, key: service.rename_passkey(tx, key, "mine")):
        with pytest.raises(NotFoundError), town.database.write(other) as tx:
            act(tx, first)


# Sessions.


def test_an_administrator_ends_sessions_of_others(town: Town) -> None:
    admin = town.start_admin()
    other = town.enter_passkey()
    principal = town.as_person(admin)

    def count(tx: Transaction) -> int:
        return len(service.read_ways(tx, admin.person.id)[1])

    with town.database.write(principal) as tx:
        assert count(tx) == 2
        assert service.end_sessions_of(tx, admin.person.id, other.session_id) == 1
        assert service.end_sessions_of(tx, admin.person.id) == 1
        assert count(tx) == 0
    weak = town.principal(town.add("t@example.jp", Role.TELEWORKER))
    with pytest.raises(NotPermittedError), town.database.write(weak) as tx:
        service.end_sessions_of(tx, admin.person.id)


def test_a_proof_renews_the_session(town: Town) -> None:
    """Session fixation: whoever knew the former cookie knows nothing of the new one."""
    former = town.start_admin()
    with town.database.write(ANONYMOUS) as tx:
        handle, options = service.begin_passkey_sign_in(tx, SITE)
    answer = town.authenticator.get(options)
    again = service.try_act(
        town.database,
        ANONYMOUS,
        lambda tx: service.sign_in_with_passkey(tx, handle, answer, VISIT, replaces=former.secret),
    )
    assert again.secret != former.secret
    with pytest.raises(UnauthenticatedError), town.database.read(SYSTEM) as tx:
        service.admit_session(tx, former.secret)

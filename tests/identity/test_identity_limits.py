"""Tries are counted, blocks are lifted by name, and a lost or copied passkey is dealt with."""

from datetime import timedelta

import pytest

from sekisho.findings import service as findings
from sekisho.findings.model import FindingFilter
from sekisho.identity import service
from sekisho.identity.model import Attempts, Method, Role
from sekisho.identity.store import doorway
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import (
    InvalidInputError,
    NotFoundError,
    NotPermittedError,
    RateLimitedError,
    SekishoError,
    UnauthenticatedError,
)
from sekisho.kernel.principal import ANONYMOUS, SYSTEM, Principal
from support.identity_town import SITE, VISIT, Town

EMAIL = "saeki@example.jp"


def test_codes_are_blocked_while_the_passkey_works(town: Town) -> None:
    principal = town.as_person(town.start_admin())
    secret = town.register_totp(principal, town.code)
    town.clock.advance(minutes=1)
    for number in range(40):  # many addresses, then one: neither ends the passkey
        with pytest.raises(SekishoError):
            town.enter_code(EMAIL, "000000", f"198.51.100.{number % 7}")

    with pytest.raises(RateLimitedError):
        town.enter_code(EMAIL, town.code(secret), "203.0.113.1")
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
    secret = town.register_totp(town.as_person(admin), town.code)
    town.clock.advance(minutes=1)
    for number in range(5):
        with pytest.raises(UnauthenticatedError):
            town.enter_code(EMAIL, "000000", f"198.51.100.{number}")
    principal = town.as_person(admin)
    with town.database.write(principal) as tx:
        (block,) = service.list_blocks(tx)
        assert (block.kind, block.name, block.failures) == ("account", EMAIL, 5)
        assert service.list_blocks(tx, EMAIL[:5].upper()) == [block]
        assert service.list_blocks(tx, "198.51") == []
        service.lift_block(tx, block.key)
    assert town.enter_code(EMAIL, town.code(secret)).method is Method.TOTP
    assert "identity.unblocked" in town.kinds()


def test_what_waits_is_sorted_and_none_of_it_is_out_of_reach(town: Town) -> None:
    """The list used to end with the five hundred that wait longest."""
    principal = town.as_person(town.start_admin())
    with town.database.write(principal) as tx:
        for number in range(600):
            until = tx.now + timedelta(minutes=1 + number)
            key = f"address:203.0.{number // 250}.{number % 250}"
            doorway.lock_attempts(tx, key)
            doorway.set_attempts(tx, key, Attempts(10 + number % 7, tx.now, until))
        found = service.list_blocks(tx)
        assert [block.name for block in (found[0], found[-1])] == ["203.0.2.99", "203.0.0.0"]
        assert len(found) == 600
        few = service.list_blocks(tx, "203.0.1.24", "failures")
        assert [block.failures for block in few] == sorted(block.failures for block in few)
        assert len(few) == 11
        assert service.list_blocks(tx, sort="name")[0].name == "203.0.0.0"
        assert service.list_blocks(tx, sort="-name")[0].name == "203.0.2.99"


def test_bans_are_sorted(town: Town) -> None:
    principal = town.as_person(town.start_admin())
    with town.database.write(principal) as tx:
        for address, reason, days in (("198.51.100.2", "b", 9), ("198.51.100.1", "C", 7),
                                      ("198.51.100.3", "A", 8)):  # fmt: skip
            service.shut_out(tx, address, reason, days)
        for sort, last in (("name", "123"), ("reason", "321"), ("-until", "231"), ("x", "132")):
            found = service.list_shut_out(tx, "198.51", sort)
            assert "".join(ban.unit[-1] for ban in found) == last, sort


def test_bans_have_a_reason_and_an_end(town: Town) -> None:
    principal = town.as_person(town.start_admin())
    with town.database.write(principal) as tx:
        service.shut_out(tx, "2001:db8:5:6::1", "guessing", 7)
        (ban,) = service.list_shut_out(tx)
        assert ban.unit == "2001:0db8:0005:0006::/64"
        for words, found in (("GUESS", [ban]), ("2001:db8:5:6::9", [ban]), ("2001:db8::9", [])):
            assert service.list_shut_out(tx, words) == found
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

"""Hostile first: what was used, replayed, bent, cloned or guessed lets nobody in."""

import pytest

from fakes.authenticator import Authenticator, encode
from sekisho.identity import service
from sekisho.identity.model import Method, Role, Site, Visit
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    RateLimitedError,
    SekishoError,
    UnauthenticatedError,
)
from sekisho.kernel.principal import ANONYMOUS, SYSTEM
from support.identity_town import SITE, VISIT, Town


def test_the_first_admin_comes_in_with_a_passkey(town: Town) -> None:
    signed_in = town.start_admin()

    assert signed_in.person.roles == {Role.ADMIN}
    assert signed_in.next == "/account/recovery-codes"
    assert signed_in.secret not in repr(signed_in)
    with town.database.read(SYSTEM) as tx:
        assert service.admit_session(tx, signed_in.secret).rights >= {"*", "self.read"}


def test_passkeys_sign_in_without_a_name(town: Town) -> None:
    town.start_admin()

    signed_in = town.enter_passkey()

    assert signed_in.person.email == "saeki@example.jp"
    assert signed_in.method is Method.PASSKEY
    assert town.kinds().count("identity.signed_in") == 2


@pytest.mark.parametrize(
    "bent",
    [
        {"origin": "http://localhost:9999"},
        {"origin": "https://localhost:8480"},
        {"origin": "https://sekisho.example"},
        {"rp_id": "example.jp"},
        {"challenge": encode(bytes(32))},
        {"type": "webauthn.create"},
        {"handle": b"per_somebody_else"},
        {"counter": 0},
    ],
    ids=str,
)
def test_bent_answers_are_refused_and_recorded(town: Town, bent: dict[str, object]) -> None:
    town.start_admin()
    town.enter_passkey()

    with pytest.raises(InvalidInputError, match="not accepted"):
        town.enter_passkey(**bent)
    assert town.kinds()[-1] == "identity.sign_in_refused"


def test_an_answer_works_once(town: Town) -> None:
    town.start_admin()
    with town.database.write(ANONYMOUS) as tx:
        handle, options = service.begin_passkey_sign_in(tx, SITE)
    answer = town.authenticator.get(options)
    with town.database.write(ANONYMOUS) as tx:
        service.sign_in_with_passkey(tx, handle, answer, VISIT)

    with pytest.raises(ConflictError), town.database.write(ANONYMOUS) as tx:
        service.sign_in_with_passkey(tx, handle, answer, VISIT)
    with town.database.write(ANONYMOUS) as tx:
        other, _ = service.begin_passkey_sign_in(tx, SITE)
    with pytest.raises(InvalidInputError, match="challenge"):
        service.try_act(
            town.database,
            ANONYMOUS,
            lambda tx: service.sign_in_with_passkey(tx, other, answer, VISIT),
        )


def test_a_ceremony_ends(town: Town) -> None:
    town.start_admin()
    with town.database.write(ANONYMOUS) as tx:
        handle, options = service.begin_passkey_sign_in(tx, SITE)
    answer = town.authenticator.get(options)
    town.clock.advance(minutes=11)

    with pytest.raises(ConflictError), town.database.write(ANONYMOUS) as tx:
        service.sign_in_with_passkey(tx, handle, answer, VISIT)


def test_a_cloned_authenticator_is_refused(town: Town) -> None:
    town.start_admin()
    town.enter_passkey()
    town.enter_passkey()
    town.authenticator.credentials[-1].counter = 0  # the clone was taken before these uses

    with pytest.raises(InvalidInputError, match="sign count"):
        town.enter_passkey()


def test_authenticators_that_do_not_count_work(town: Town) -> None:
    town.authenticator.counts = False
    town.start_admin()
    town.enter_passkey()

    assert town.enter_passkey().method is Method.PASSKEY


def test_without_user_verification_there_is_no_passkey(town: Town) -> None:
    town.authenticator.verifies_user = False
    with pytest.raises(InvalidInputError, match="verif"):
        town.start_admin()
    town.authenticator.verifies_user = True
    town.start_admin()
    town.authenticator.verifies_user = False

    with pytest.raises(InvalidInputError, match="verif"):
        town.enter_passkey()


def test_a_strange_passkey_is_refused(town: Town) -> None:
    principal = town.as_person(town.start_admin())
    stranger = Authenticator()
    with town.database.write(principal) as tx:
        _, options = service.begin_passkey(tx, SITE)
    stranger.create(options)  # made, but never registered here
    town.authenticator = stranger

    with pytest.raises(UnauthenticatedError, match="not known"):
        town.enter_passkey()


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"rawId": 7},
        {"rawId": "AAAA"},
        {"rawId": None, "response": []},
        {"id": "x", "rawId": "x", "type": "public-key", "response": {}},
    ],
)
def test_rubbish_is_a_clear_refusal(town: Town, answer: dict[str, object]) -> None:
    with town.database.write(ANONYMOUS) as tx:
        handle, _ = service.begin_passkey_sign_in(tx, SITE)

    with pytest.raises(SekishoError):
        service.try_act(
            town.database,
            ANONYMOUS,
            lambda tx: service.sign_in_with_passkey(tx, handle, answer, VISIT),
        )


def test_packed_attestation_is_verified(town: Town) -> None:
    town.authenticator.attestation = "packed"

    assert town.start_admin().method is Method.PASSKEY


def test_a_totp_code_works_once_and_not_backwards(town: Town) -> None:
    principal = town.as_person(town.start_admin())
    secret = town.register_totp(principal, town.code)
    first = town.code(secret)
    with pytest.raises(UnauthenticatedError):  # the code it was registered with
        town.enter_code("saeki@example.jp", first)
    town.clock.advance(seconds=30)
    code = town.code(secret)

    assert town.enter_code(" SAEKI@example.jp", f"{code[:3]} {code[3:]}").method is Method.TOTP
    with pytest.raises(UnauthenticatedError):
        town.enter_code("saeki@example.jp", code)
    with pytest.raises(UnauthenticatedError):
        town.enter_code("saeki@example.jp", first)


def test_many_addresses_do_not_help_guessing(town: Town) -> None:
    principal = town.as_person(town.start_admin())
    secret = town.register_totp(principal, town.code)
    town.clock.advance(minutes=2)
    for n in range(5):
        with pytest.raises(UnauthenticatedError):
            town.enter_code("saeki@example.jp", "000000", f"198.51.100.{n}")

    with pytest.raises(RateLimitedError) as caught:
        town.enter_code("saeki@example.jp", town.code(secret), "203.0.113.9")
    assert caught.value.retry_after_seconds == 30
    assert "identity.blocked" in town.kinds()
    assert town.enter_passkey(visit=Visit("203.0.113.9")).method is Method.PASSKEY


def test_a_recovery_code_counts_for_the_same_limit(town: Town) -> None:
    principal = town.as_person(town.start_admin())
    with town.database.write(principal) as tx:
        codes = service.make_recovery_codes(tx, town.box)
    for n in range(5):
        with pytest.raises(UnauthenticatedError):
            town.enter_code("saeki@example.jp", "aaaa-bbbb-cccc-dddd", f"198.51.100.{n}")

    with pytest.raises(RateLimitedError):
        town.enter_code("saeki@example.jp", codes[0], "203.0.113.9")


def test_an_unknown_account_is_blocked_just_the_same(town: Town) -> None:
    for n in range(5):
        with pytest.raises(UnauthenticatedError, match="do not fit"):
            town.enter_code("nobody@example.jp", "000000", f"198.51.100.{n}")
    with pytest.raises(RateLimitedError):
        town.enter_code("nobody@example.jp", "000000", "203.0.113.9")


def test_one_address_cannot_try_many_accounts(town: Town) -> None:
    for n in range(20):
        with pytest.raises(UnauthenticatedError):
            town.enter_code(f"p{n}@example.jp", "000000")

    with pytest.raises(RateLimitedError):
        town.enter_code("fresh@example.jp", "000000")
    with town.database.read(SYSTEM) as tx:
        assert list(service.list_blocked_addresses(tx)) == ["192.0.2.1"]


def test_waits_double_and_success_clears_the_account(town: Town) -> None:
    principal = town.as_person(town.start_admin())
    secret = town.register_totp(principal, town.code)
    waits = []
    for n in range(7):
        with pytest.raises(UnauthenticatedError):
            town.enter_code("saeki@example.jp", "000000", f"198.51.100.{n}")
        with pytest.raises(RateLimitedError) as caught:
            if n < 4:
                raise RateLimitedError("free", retry_after_seconds=0)
            town.enter_code("saeki@example.jp", "000000", "203.0.113.9")
        waits.append(caught.value.retry_after_seconds)
        town.clock.advance(seconds=waits[-1])

    assert waits == [0, 0, 0, 0, 30, 60, 120]
    town.clock.advance(seconds=60)
    assert town.enter_code("saeki@example.jp", town.code(secret)).method is Method.TOTP
    with pytest.raises(UnauthenticatedError):
        town.enter_code("saeki@example.jp", "000000")


def test_recovery_codes_work_once_each(town: Town) -> None:
    principal = town.as_person(town.start_admin())
    with town.database.write(principal) as tx:
        codes = service.make_recovery_codes(tx, town.box)
    assert len(set(codes)) == 10

    signed_in = town.enter_code("saeki@example.jp", codes[3].upper().replace("-", " "))

    assert (signed_in.method, signed_in.next) == (Method.RECOVERY, "/account")
    with pytest.raises(UnauthenticatedError):
        town.enter_code("saeki@example.jp", codes[3])
    with town.database.write(principal) as tx:
        assert service.list_factors(tx).recovery_codes == 9
        service.make_recovery_codes(tx, town.box)
    with pytest.raises(UnauthenticatedError):
        town.enter_code("saeki@example.jp", codes[4])


def test_a_disabled_person_gets_the_same_answer(town: Town) -> None:
    admin = town.as_person(town.start_admin())
    person = town.add("haruka@example.jp", Role.TELEWORKER)
    secret = town.register_totp(town.principal(person), town.code)
    with town.database.write(admin) as tx:
        service.disable_person(tx, person.id)
    town.clock.advance(minutes=1)

    with pytest.raises(UnauthenticatedError, match="do not fit"):
        town.enter_code("haruka@example.jp", town.code(secret))


def test_on_a_new_name_the_person_is_led_to_a_new_passkey(town: Town) -> None:
    principal = town.as_person(town.start_admin())
    secret = town.register_totp(principal, town.code)
    town.clock.advance(seconds=30)
    site = Site("sekisho.example.jp", "https://sekisho.example.jp:8443")

    with town.database.write(principal) as tx:
        code = service.make_recovery_codes(tx, town.box)[0]

    weak = town.enter_code("saeki@example.jp", town.code(secret), site=site)
    assert weak.next == "/account"  # an administrator's roles rest: one code is not enough
    signed_in = service.try_act(
        town.database,
        ANONYMOUS,
        lambda tx: service.sign_in_with_code(
            tx, town.box, email="saeki@example.jp", code=code, site=site, visit=VISIT,
            replaces=weak.secret,
        ),
    )  # fmt: skip

    assert signed_in.next == "/account/new-name"
    with town.database.write(town.as_person(signed_in)) as tx:
        handle, options = service.begin_passkey(tx, site)
        answer = town.authenticator.create(options, origin=site.origin)
        service.finish_passkey(tx, handle, answer, "")
        names = service.passkey_names(tx, ["sekisho.example.jp", "new.example.jp"])
    assert [(n.rp_id, n.people, len(n.missing)) for n in names] == [
        ("localhost", 1, 0),
        ("new.example.jp", 0, 1),
        ("sekisho.example.jp", 1, 0),
    ]


def test_a_passkey_of_another_name_does_not_work_here(town: Town) -> None:
    principal = town.as_person(town.start_admin())
    site = Site("sekisho.example.jp", "https://sekisho.example.jp")
    with town.database.write(principal) as tx:
        handle, options = service.begin_passkey(tx, site)
        answer = town.authenticator.create(options, origin=site.origin)
        service.finish_passkey(tx, handle, answer, "")

    with pytest.raises(InvalidInputError, match=r"for sekisho\.example\.jp, not localhost"):
        town.enter_passkey(credential=town.authenticator.credentials[-1])

"""Journeys to a provider and back: each answer once, in one browser, and from who was asked."""

from datetime import timedelta
from typing import Any

import pytest

from fakes.oidc_provider import Provider as FakeProvider
from fakes.oidc_provider import running_provider
from sekisho.identity import service
from sekisho.identity.engine.oidc import Provider
from sekisho.identity.model import PersonState, Role, Strength
from sekisho.identity.service import Wish
from sekisho.identity.sources import HTTPProviders
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    RateLimitedError,
    SekishoError,
    UnauthenticatedError,
    UnavailableError,
)
from sekisho.kernel.principal import ANONYMOUS, SYSTEM
from support.identity_town import SITE, Town
from support.oidc import Traveller, running_real_provider, sign_in_at
from support.oidc_journeys import EMAIL, USER, go, joined, set_claim, without_claim


def test_an_answer_works_once_and_in_one_browser(
    goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    joined(goer, there, idp)
    departure = goer.leave(idp)
    answer = there.authorize(departure.address)

    for secret in ("", "another browser"):
        with pytest.raises(UnauthenticatedError):
            goer.come_back(answer, secret)
    departure = goer.leave(idp)
    answer = there.authorize(departure.address)
    goer.come_back(answer, departure.secret)
    with pytest.raises(UnauthenticatedError, match="done already"):
        goer.come_back(answer, departure.secret)


def test_a_code_of_another_journey_is_of_no_use(
    goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    """Code injection: the verifier and the nonce are those of the journey that begun it."""
    joined(goer, there, idp)
    stolen = dict(there.authorize(goer.leave(idp).address))
    mine = goer.leave(idp)
    answer = {**dict(there.authorize(mine.address)), "code": stolen["code"]}

    with pytest.raises(UnauthenticatedError, match="take the code back"):
        goer.come_back(list(answer.items()), mine.secret)


def test_answers_of_two_providers_are_not_mixed(town: Town, goer: Traveller) -> None:
    """The attack of RFC 9207: the answer of an honest provider under a hostile one's state."""
    clock = town.clock
    with running_provider(lambda: clock.now().timestamp()) as honest:
        honest.user = dict(USER)
        good = goer.describe(honest.url, domains="example.jp")
        joined(goer, honest, good)
        with running_provider(lambda: clock.now().timestamp()) as evil:
            bad = goer.describe(evil.url, name="Evil")
            begun, other = goer.leave(bad), goer.leave(good)
            code = dict(honest.authorize(other.address))["code"]
            state = dict(evil.authorize(begun.address))["state"]
            for named in ({"iss": honest.url}, {}):
                answer = {"code": code, "state": state, **named}
                with pytest.raises(UnauthenticatedError):
                    goer.come_back(list(answer.items()), begun.secret)
            assert "/token" not in evil.asked  # the code was not carried to it


_BENT_ANSWERS: list[Any] = [
    lambda a: [*a, ("state", "x")],
    lambda a: [*a, ("code", "y")],
    lambda a: [(n, v) for n, v in a if n != "state"],
    lambda a: [(n, v) for n, v in a if n != "code"],
    lambda a: [(n, v) for n, v in a if n != "iss"],
    lambda a: [(n, v if n != "iss" else "https://evil.example") for n, v in a],
    lambda a: [*a, ("error", "access_denied")],
    lambda a: [*a, ("x", "y" * 5000)],
]


def test_bent_answers_are_refused(goer: Traveller, there: FakeProvider, idp: Provider) -> None:
    joined(goer, there, idp)
    for number, bent in enumerate(_BENT_ANSWERS):
        departure = goer.leave(idp)
        with pytest.raises(UnauthenticatedError):
            goer.come_back(bent(there.authorize(departure.address)), departure.secret)
            pytest.fail(f"answer {number} was taken")


def test_tries_are_counted_against_the_address(
    town: Town, goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    for _ in range(20):
        with pytest.raises(UnauthenticatedError):
            goer.come_back([("state", "guess"), ("code", "guess")], "guess")
    with pytest.raises(RateLimitedError):
        goer.come_back([("state", "guess"), ("code", "guess")], "guess")
    _joined_elsewhere = goer.leave(idp)
    answer = there.authorize(_joined_elsewhere.address)
    town.add(EMAIL, Role.TELEWORKER)
    found = goer.come_back(answer, _joined_elsewhere.secret, "198.51.100.7")
    assert found.signed_in.person.email == EMAIL


def test_how_it_was_proven_is_kept(town: Town, goer: Traveller, there: FakeProvider) -> None:
    idp = goer.describe(there.url, domains="example.jp", acr="urn:two", amr="mfa otp")
    town.add(EMAIL, Role.TELEWORKER)
    seen = {}
    answers: dict[str, dict[str, Any]] = {
        "silence": {}, "password": {"amr": ["pwd"]}, "mfa": {"amr": ["pwd", "mfa"]},
        "acr": {"acr": "urn:two"}, "phr": {"acr": "phr"}, "odd": {"amr": "mfa", "acr": ["phr"]},
    }  # fmt: skip
    for name, said in answers.items():
        there.user = {**USER, **said}
        seen[name] = go(goer, there, idp).signed_in.strength

    assert seen == {
        "silence": Strength.ONE, "password": Strength.ONE, "mfa": Strength.TWO,
        "acr": Strength.TWO, "phr": Strength.RESISTANT, "odd": Strength.ONE,
    }  # fmt: skip


def test_a_new_proof_must_be_new(goer: Traveller, there: FakeProvider, idp: Provider) -> None:
    joined(goer, there, idp)
    departure = goer.leave(idp, Wish("/people", again=True))
    assert "prompt=login" in departure.address
    assert "max_age=0" in departure.address
    there.claims = lambda c: {**c, "auth_time": c["iat"] - 3600}

    with pytest.raises(UnauthenticatedError, match="new proof"):
        goer.come_back(there.authorize(departure.address), departure.secret)
    there.claims = without_claim("auth_time")
    with pytest.raises(UnauthenticatedError, match="new proof"):
        go(goer, there, idp, Wish(again=True))


def test_an_old_proof_at_the_provider_is_no_step_up(
    town: Town, goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    joined(goer, there, idp)
    there.claims = lambda c: {**c, "auth_time": c["iat"] - 3600}

    signed_in = go(goer, there, idp).signed_in
    with town.database.read(SYSTEM) as tx:
        session = service.admit_session(tx, signed_in.secret).session
        assert session is not None
        assert tx.now - session.authenticated_at == timedelta(hours=1)


def test_an_invitation_joins_whatever_account_accepts_it(
    town: Town, goer: Traveller, there: FakeProvider
) -> None:
    idp = goer.describe(there.url)
    admin = town.as_person(town.start_admin())
    with town.database.write(admin) as tx:
        person = service.invite_person(
            tx, name="高橋 遥", email=EMAIL, language="ja", roles=["teleworker"]
        )
        token = service.issue_invite_link(tx, person.id).removeprefix("/start/")
    there.user = {"sub": "u-9"}

    arrival = go(goer, there, idp, Wish(link=token))
    assert arrival.signed_in.person.id == person.id
    assert arrival.signed_in.person.state is PersonState.ACTIVE
    with pytest.raises(NotFoundError):  # the invitation works once
        goer.leave(idp, Wish(link=token))


def test_an_account_of_somebody_else_does_not_use_the_invitation_up(
    town: Town, goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    joined(goer, there, idp)
    admin = town.as_person(town.start_admin())
    with town.database.write(admin) as tx:
        person = service.invite_person(
            tx, name="森下 彩", email="morishita@example.jp", language="ja", roles=["teleworker"]
        )
        token = service.issue_invite_link(tx, person.id).removeprefix("/start/")

    with pytest.raises(ConflictError, match="somebody else"):
        go(goer, there, idp, Wish(link=token))
    there.user = {"sub": "u-2"}
    assert go(goer, there, idp, Wish(link=token)).signed_in.person.id == person.id


def test_a_provider_is_who_it_says(goer: Traveller, there: FakeProvider) -> None:
    there.document = set_claim("issuer", "https://evil.example")
    with pytest.raises(InvalidInputError, match="calls itself"):
        goer.leave(goer.describe(there.url))


_UNSAFE_DOCUMENTS: list[Any] = [
    set_claim("token_endpoint", "http://example.jp/token"),
    set_claim("token_endpoint", None),
    set_claim("authorization_endpoint", "javascript:alert(1)"),
    without_claim("jwks_uri"),
]


def test_a_provider_leads_nowhere_unsafe(goer: Traveller, there: FakeProvider) -> None:
    idp = goer.describe(there.url)
    for there.document in _UNSAFE_DOCUMENTS:
        with pytest.raises(InvalidInputError, match="not an address"):
            goer.leave(idp)


def test_redirects_of_a_provider_are_not_followed(
    town: Town, goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    there.document = lambda d: {**d, "jwks_uri": f"{there.url}/elsewhere"}
    town.add(EMAIL, Role.TELEWORKER)

    with pytest.raises(UnavailableError, match="302"):
        go(goer, there, idp)


def test_a_provider_that_is_down_is_said_so(goer: Traveller) -> None:
    idp = goer.describe("http://127.0.0.1:9")
    with pytest.raises(UnavailableError, match="did not answer"):
        goer.leave(idp)


def test_a_silent_provider_is_left_alone_for_a_moment(
    town: Town, goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    there.silent = True
    for _ in range(3):
        with pytest.raises(UnavailableError):
            goer.leave(idp)
    assert there.asked.count("/.well-known/openid-configuration") == 1
    there.silent = False
    town.clock.advance(seconds=11)
    assert goer.leave(idp).address.startswith(there.url)


def test_secrets_of_providers_are_sealed(town: Town, goer: Traveller, there: FakeProvider) -> None:
    idp = goer.describe(there.url, secret="hidden-from-the-database")
    with town.database.read(SYSTEM) as tx:
        row = tx.connection.exec_driver_sql("SELECT * FROM identity_providers").one()
        assert b"hidden-from-the-database" not in repr(tuple(row)).encode()
        assert service.open_provider(tx, town.box, idp.id).secret.reveal() == (
            "hidden-from-the-database"
        )
        assert "hidden" not in repr(service.open_provider(tx, town.box, idp.id))


def test_one_who_was_switched_off_lets_nobody_in(
    town: Town, goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    joined(goer, there, idp)
    departure = goer.leave(idp)
    with town.database.write(SYSTEM) as tx:
        service.switch_provider(tx, idp.id, active=False)

    with pytest.raises(NotFoundError):
        goer.come_back(there.authorize(departure.address), departure.secret)
    with pytest.raises(NotFoundError):
        goer.leave(idp)


_BAD_FORMS = [
    {"issuer": "http://example.jp"},
    {"issuer": "https://user:pw@example.jp"},
    {"issuer": "https://example.jp/#x"},
    {"issuer": ""},
    {"client_id": ""},
    {"name": "\x00"},
    {"domains": "jp"},
    {"domains": "exa mple..jp"},
    {"domains": "例え.jp"},
]


def test_a_provider_is_described_well_or_not_at_all(goer: Traveller) -> None:
    for form in _BAD_FORMS:
        with pytest.raises(InvalidInputError):
            goer.describe(**{"issuer": "https://idp.example.jp", **form})


def test_only_who_may_describes_providers(town: Town) -> None:
    form = {"issuer": "https://idp.example.jp", "name": "x", "client_id": "x"}
    weak = town.principal(town.add("t@example.jp", Role.TELEWORKER))
    with pytest.raises(SekishoError), town.database.write(weak) as tx:
        service.add_provider(tx, town.box, form)
    with pytest.raises(SekishoError), town.database.write(ANONYMOUS) as tx:
        service.add_provider(tx, town.box, form)


def test_the_real_provider_signs_in(town: Town) -> None:
    """A provider that others wrote, in a process of its own, at the real time."""
    traveller = Traveller(town, HTTPProviders())
    town.clock.advance(seconds=_until_now(town))
    with running_real_provider(tanaka=dict(USER) | {"amr": ["pwd", "mfa"]}) as url:
        idp = traveller.describe(url, domains="example.jp")
        person = town.add(EMAIL, Role.TELEWORKER)
        departure = traveller.leave(idp)
        answer = sign_in_at(departure.address, "tanaka")
        signed_in = traveller.come_back(answer, departure.secret).signed_in

    assert signed_in.person.id == person.id
    assert signed_in.strength is Strength.TWO
    assert SITE.origin in departure.address.replace("%3A", ":").replace("%2F", "/")


def _until_now(town: Town) -> float:
    import time  # noqa: PLC0415 - the one place where the real time matters

    return time.time() - town.clock.now().timestamp()

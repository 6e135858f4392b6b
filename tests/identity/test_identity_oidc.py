"""Hostile first: what a provider's answer must be before it lets anybody in."""

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import OctKey, RSAKey

from fakes.oidc_provider import Provider as FakeProvider
from fakes.oidc_provider import make_key, running_provider
from sekisho.identity import service
from sekisho.identity.engine.oidc import Provider
from sekisho.identity.model import Method, PersonState, Role, Strength
from sekisho.identity.service import Arrival, Wish
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

EMAIL = "takahashi@example.jp"
USER = {"sub": "u-1", "email": EMAIL, "email_verified": True}


@pytest.fixture
def there(town: Town) -> Iterator[FakeProvider]:
    with running_provider(lambda: town.clock.now().timestamp()) as provider:
        provider.user = dict(USER)
        yield provider


@pytest.fixture
def goer(town: Town) -> Traveller:
    return Traveller(town, HTTPProviders())


@pytest.fixture
def idp(goer: Traveller, there: FakeProvider) -> Provider:
    return goer.describe(there.url, domains="example.jp")


def _go(
    goer: Traveller, there: FakeProvider, idp: Provider, wish: Wish | None = None,
    address: str = "192.0.2.1",
) -> Arrival:  # fmt: skip
    departure = goer.leave(idp, wish)
    return goer.come_back(there.authorize(departure.address), departure.secret, address)


def _joined(goer: Traveller, there: FakeProvider, idp: Provider) -> None:
    """Let the account belong to Takahashi, by the rule."""
    goer.town.add(EMAIL, Role.TELEWORKER)
    _go(goer, there, idp)


def test_a_known_person_joins_by_rule_and_comes_back_by_subject(
    town: Town, goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    person = town.add(EMAIL, Role.TELEWORKER)

    first = _go(goer, there, idp, Wish("/my/devices"))
    there.user["email"] = "married-name@elsewhere.example"  # sub, not the address, is who it is
    again = _go(goer, there, idp)

    assert first.signed_in.person.id == again.signed_in.person.id == person.id
    assert first.signed_in.method is Method.OIDC
    assert (first.target, again.target) == ("/my/devices", "/")
    kinds = town.kinds()
    assert kinds.count("identity.account_linked") == 1
    assert kinds[-1] == "identity.signed_in"


_WEAK_USERS: list[dict[str, Any]] = [
    {"sub": "u-1", "email": EMAIL},
    {"sub": "u-1", "email": EMAIL, "email_verified": "true"},
    {"sub": "u-1", "email": EMAIL, "email_verified": False},
    {"sub": "u-1", "email": "takahashi@example.jp.evil.example", "email_verified": True},
    {"sub": "u-1", "email": "takahashi@ｅxample.jp", "email_verified": True},
    {"sub": "u-1", "email": "nobody@example.jp", "email_verified": True},
    {"sub": "u-1", "email": ["takahashi@example.jp"], "email_verified": True},
    {"sub": "u-1"},
]


def test_an_address_that_proves_nothing_joins_nobody(
    town: Town, goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    town.add(EMAIL, Role.TELEWORKER)
    for there.user in _WEAK_USERS:
        with pytest.raises(UnauthenticatedError, match="does not belong to anybody"):
            _go(goer, there, idp)
    assert town.kinds().count("identity.sign_in_refused") == len(_WEAK_USERS)


def test_without_a_rule_no_address_joins(town: Town, goer: Traveller, there: FakeProvider) -> None:
    idp = goer.describe(there.url)
    town.add(EMAIL, Role.TELEWORKER)

    with pytest.raises(UnauthenticatedError, match="does not belong"):
        _go(goer, there, idp)


def test_an_address_given_to_a_new_person_does_not_give_the_account_away(
    town: Town, goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    _joined(goer, there, idp)
    there.user["sub"] = "u-2"

    with pytest.raises(ConflictError, match="Another account"):
        _go(goer, there, idp)
    assert town.kinds()[-1] == "identity.sign_in_refused"


def test_an_administrator_parts_an_account_so_that_a_new_one_joins(
    town: Town, goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    admin = town.as_person(town.start_admin())
    town.add(EMAIL, Role.TELEWORKER)
    former = _go(goer, there, idp).signed_in
    with town.database.write(admin) as tx:
        (account,) = service.read_ways(tx, former.person.id)[2]
        service.part_account(tx, former.person.id, account.provider_id)
        with pytest.raises(NotFoundError):
            service.part_account(tx, former.person.id, account.provider_id)
    with pytest.raises(UnauthenticatedError), town.database.read(SYSTEM) as tx:
        service.admit_session(tx, former.secret)
    there.user["sub"] = "u-2"
    assert _go(goer, there, idp).signed_in.person.id == former.person.id


def test_the_last_way_in_is_not_given_up(
    town: Town, goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    town.add(EMAIL, Role.TELEWORKER)
    principal = town.as_person(_go(goer, there, idp).signed_in)
    with pytest.raises(ConflictError, match="last way"), town.database.write(principal) as tx:
        service.unlink_account(tx, idp.id)
    with town.database.read(principal) as tx:
        assert len(service.list_accounts(tx)) == 1


def test_a_disabled_person_stays_outside(
    town: Town, goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    town.start_admin()
    _joined(goer, there, idp)
    with town.database.write(SYSTEM) as tx:
        person = service.find_person_by_email(tx, EMAIL)
        assert person is not None
        service.disable_person(tx, person.id)

    with pytest.raises(UnauthenticatedError, match="does not belong"):
        _go(goer, there, idp)


def _set(name: str, value: object) -> Any:
    return lambda claims: {**claims, name: value}


def _without(name: str) -> Any:
    return lambda claims: {k: v for k, v in claims.items() if k != name}


_BENT_CLAIMS = {
    "wrong issuer": _set("iss", "https://evil.example"),
    "issuer with a slash": lambda c: {**c, "iss": c["iss"] + "/"},
    "no issuer": _without("iss"),
    "another audience": _set("aud", "other"),
    "a further audience": _set("aud", ["sekisho", "other"]),
    "audience in a number": _set("aud", 7),
    "no audience": _without("aud"),
    "another party": _set("azp", "other"),
    "another nonce": _set("nonce", "replayed"),
    "no nonce": _without("nonce"),
    "nonce in a list": lambda c: {**c, "nonce": [c["nonce"]]},
    "ended": lambda c: {**c, "exp": c["iat"] - 121},
    "without end": _without("exp"),
    "end in words": _set("exp", "tomorrow"),
    "end beyond time": _set("exp", 1e300),
    "from the future": lambda c: {**c, "iat": c["iat"] + 121},
    "not yet": lambda c: {**c, "nbf": c["iat"] + 121},
    "without a beginning": _without("iat"),
    "an older proof": lambda c: {**c, "auth_time": c["iat"] - 13 * 3600},
    "another access token": _set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"),
    "nobody": _without("sub"),
    "nobody in particular": _set("sub", ""),
    "a crowd": _set("sub", ["u-1"]),
    "a novel": _set("sub", "x" * 256),
}


def test_bent_claims_are_refused_and_recorded(
    town: Town, goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    _joined(goer, there, idp)
    for number, (name, there.claims) in enumerate(_BENT_CLAIMS.items()):
        with pytest.raises(UnauthenticatedError):
            pytest.fail(f"{name}: {_go(goer, there, idp, address=f'198.51.100.{number}')}")
    assert town.kinds().count("identity.sign_in_refused") == len(_BENT_CLAIMS)
    there.claims = dict
    assert _go(goer, there, idp).signed_in.person.email == EMAIL


def _part(data: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()


def _unsigned(token: str) -> str:
    return f"{_part({'alg': 'none'})}.{token.split('.')[1]}."


def _altered(token: str) -> str:
    head, body, signature = token.split(".")
    padded = body + "=" * (-len(body) % 4)
    claims = json.loads(base64.urlsafe_b64decode(padded))
    return f"{head}.{_part({**claims, 'sub': 'u-2'})}.{signature}"


_BENT_TOKENS = {
    "none": _unsigned,
    "None": lambda token: f"{_part({'alg': 'None'})}.{token.split('.')[1]}.",
    "altered": _altered,
    "cut": lambda token: token.rsplit(".", 1)[0] + ".",
    "not a token": lambda _: "rubbish",
    "two tokens": lambda token: token + "." + token,
    "endless": lambda token: token + "A" * 70_000,
    "other letters": lambda token: token + "é",
}


def test_bent_signatures_are_refused(goer: Traveller, there: FakeProvider, idp: Provider) -> None:
    _joined(goer, there, idp)
    for name, there.token in _BENT_TOKENS.items():
        with pytest.raises(UnauthenticatedError):
            pytest.fail(f"{name}: {_go(goer, there, idp)}")


def test_the_public_key_is_no_shared_secret(
    goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    _joined(goer, there, idp)
    public = there.keys[0].as_pem(private=False)

    def forge(token: str) -> str:
        body = base64.urlsafe_b64decode(token.split(".")[1] + "==")
        header = {"alg": "HS256", "kid": "one"}
        key = OctKey.import_key(b"\x00" + public[1:])  # the library itself refuses PEM as a secret
        return jws.serialize_compact(header, body, key, ["HS256"])

    there.token = forge
    with pytest.raises(UnauthenticatedError, match="in a way that counts"):
        _go(goer, there, idp)


def test_keys_are_for_their_own_purpose(
    goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    _joined(goer, there, idp)
    shown = there.keys[0].as_dict(private=False)
    for bent in (
        [{**shown, "use": "enc"}],
        [{**shown, "alg": "PS256"}],
        [shown, {**make_key("one").as_dict(private=False)}],  # two keys of one name
        [{**make_key("one").as_dict(private=False)}],  # the right name, another key
        [{**shown, "kid": "two"}],
        ["rubbish", {"kty": "RSA", "kid": "one"}],
        [],
    ):
        there.published = bent  # type: ignore[assignment] # a hostile provider has no types
        fresh = Traveller(goer.town, HTTPProviders())
        with pytest.raises(UnauthenticatedError):
            _go(fresh, there, idp)


def test_short_keys_do_not_count(town: Town, goer: Traveller, there: FakeProvider) -> None:
    idp = goer.describe(there.url, domains="example.jp")
    town.add(EMAIL, Role.TELEWORKER)
    with pytest.warns(SecurityWarning):
        there.keys = [RSAKey.generate_key(1024, {"kid": "one"})]

    with pytest.raises(UnauthenticatedError):
        _go(goer, there, idp)


def test_other_signatures_count(
    town: Town, goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    town.add(EMAIL, Role.TELEWORKER)
    there.keys, there.algorithm = [make_key("e", "EC")], "ES256"

    assert _go(goer, there, idp).signed_in.person.email == EMAIL


def test_new_keys_are_fetched_but_not_for_every_token(
    town: Town, goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    _joined(goer, there, idp)
    there.keys.insert(0, make_key("two"))

    with pytest.raises(UnauthenticatedError, match="does not have"):
        _go(goer, there, idp)  # within the minute
    town.clock.advance(seconds=61)
    assert _go(goer, there, idp).signed_in.person.email == EMAIL
    assert there.asked.count("/keys") == 2
    there.header = _set("kid", "three")
    for _ in range(3):
        with pytest.raises(UnauthenticatedError):
            _go(goer, there, idp)
    assert there.asked.count("/keys") == 2


def test_a_removed_key_counts_for_an_hour_at_most(
    town: Town, goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    _joined(goer, there, idp)
    there.published = []
    town.clock.advance(minutes=61)

    with pytest.raises(UnauthenticatedError):
        _go(goer, there, idp)


def test_an_answer_works_once_and_in_one_browser(
    goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    _joined(goer, there, idp)
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
    _joined(goer, there, idp)
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
        _joined(goer, honest, good)
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
    _joined(goer, there, idp)
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
        seen[name] = _go(goer, there, idp).signed_in.strength

    assert seen == {
        "silence": Strength.ONE, "password": Strength.ONE, "mfa": Strength.TWO,
        "acr": Strength.TWO, "phr": Strength.RESISTANT, "odd": Strength.ONE,
    }  # fmt: skip


def test_a_new_proof_must_be_new(goer: Traveller, there: FakeProvider, idp: Provider) -> None:
    _joined(goer, there, idp)
    departure = goer.leave(idp, Wish("/people", again=True))
    assert "prompt=login" in departure.address
    assert "max_age=0" in departure.address
    there.claims = lambda c: {**c, "auth_time": c["iat"] - 3600}

    with pytest.raises(UnauthenticatedError, match="new proof"):
        goer.come_back(there.authorize(departure.address), departure.secret)
    there.claims = _without("auth_time")
    with pytest.raises(UnauthenticatedError, match="new proof"):
        _go(goer, there, idp, Wish(again=True))


def test_an_old_proof_at_the_provider_is_no_step_up(
    town: Town, goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    _joined(goer, there, idp)
    there.claims = lambda c: {**c, "auth_time": c["iat"] - 3600}

    signed_in = _go(goer, there, idp).signed_in
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

    arrival = _go(goer, there, idp, Wish(link=token))
    assert arrival.signed_in.person.id == person.id
    assert arrival.signed_in.person.state is PersonState.ACTIVE
    with pytest.raises(NotFoundError):  # the invitation works once
        goer.leave(idp, Wish(link=token))


def test_an_account_of_somebody_else_does_not_use_the_invitation_up(
    town: Town, goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    _joined(goer, there, idp)
    admin = town.as_person(town.start_admin())
    with town.database.write(admin) as tx:
        person = service.invite_person(
            tx, name="森下 彩", email="morishita@example.jp", language="ja", roles=["teleworker"]
        )
        token = service.issue_invite_link(tx, person.id).removeprefix("/start/")

    with pytest.raises(ConflictError, match="somebody else"):
        _go(goer, there, idp, Wish(link=token))
    there.user = {"sub": "u-2"}
    assert _go(goer, there, idp, Wish(link=token)).signed_in.person.id == person.id


def test_a_provider_is_who_it_says(goer: Traveller, there: FakeProvider) -> None:
    there.document = _set("issuer", "https://evil.example")
    with pytest.raises(InvalidInputError, match="calls itself"):
        goer.leave(goer.describe(there.url))


_UNSAFE_DOCUMENTS: list[Any] = [
    _set("token_endpoint", "http://example.jp/token"),
    _set("token_endpoint", None),
    _set("authorization_endpoint", "javascript:alert(1)"),
    _without("jwks_uri"),
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
        _go(goer, there, idp)


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
    _joined(goer, there, idp)
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

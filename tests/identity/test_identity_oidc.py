"""Hostile first: what a provider's answer must be before it lets anybody in."""

import base64
import json
from typing import Any

import pytest
from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import OctKey, RSAKey

from fakes.oidc_provider import Provider as FakeProvider
from fakes.oidc_provider import make_key
from sekisho.identity import service
from sekisho.identity.engine.oidc import Provider
from sekisho.identity.model import Method, Role
from sekisho.identity.service import Wish
from sekisho.identity.sources import HTTPProviders
from sekisho.kernel.errors import (
    ConflictError,
    NotFoundError,
    UnauthenticatedError,
)
from sekisho.kernel.principal import SYSTEM
from support.identity_town import Town
from support.oidc import Traveller
from support.oidc_journeys import EMAIL, go, joined, set_claim, without_claim


def test_a_known_person_joins_by_rule_and_comes_back_by_subject(
    town: Town, goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    person = town.add(EMAIL, Role.TELEWORKER)

    first = go(goer, there, idp, Wish("/my/devices"))
    there.user["email"] = "married-name@elsewhere.example"  # sub, not the address, is who it is
    again = go(goer, there, idp)

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
            go(goer, there, idp)
    assert town.kinds().count("identity.sign_in_refused") == len(_WEAK_USERS)


def test_without_a_rule_no_address_joins(town: Town, goer: Traveller, there: FakeProvider) -> None:
    idp = goer.describe(there.url)
    town.add(EMAIL, Role.TELEWORKER)

    with pytest.raises(UnauthenticatedError, match="does not belong"):
        go(goer, there, idp)


def test_an_address_given_to_a_new_person_does_not_give_the_account_away(
    town: Town, goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    joined(goer, there, idp)
    there.user["sub"] = "u-2"

    with pytest.raises(ConflictError, match="Another account"):
        go(goer, there, idp)
    assert town.kinds()[-1] == "identity.sign_in_refused"


def test_an_administrator_parts_an_account_so_that_a_new_one_joins(
    town: Town, goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    admin = town.as_person(town.start_admin())
    town.add(EMAIL, Role.TELEWORKER)
    former = go(goer, there, idp).signed_in
    with town.database.write(admin) as tx:
        (account,) = service.read_ways(tx, former.person.id)[2]
        service.part_account(tx, former.person.id, account.provider_id)
        with pytest.raises(NotFoundError):
            service.part_account(tx, former.person.id, account.provider_id)
    with pytest.raises(UnauthenticatedError), town.database.read(SYSTEM) as tx:
        service.admit_session(tx, former.secret)
    there.user["sub"] = "u-2"
    assert go(goer, there, idp).signed_in.person.id == former.person.id


def test_the_last_way_in_is_not_given_up(
    town: Town, goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    town.add(EMAIL, Role.TELEWORKER)
    principal = town.as_person(go(goer, there, idp).signed_in)
    with pytest.raises(ConflictError, match="last way"), town.database.write(principal) as tx:
        service.unlink_account(tx, idp.id)
    with town.database.read(principal) as tx:
        assert len(service.list_accounts(tx)) == 1


def test_a_disabled_person_stays_outside(
    town: Town, goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    town.start_admin()
    joined(goer, there, idp)
    with town.database.write(SYSTEM) as tx:
        person = service.find_person_by_email(tx, EMAIL)
        assert person is not None
        service.disable_person(tx, person.id)

    with pytest.raises(UnauthenticatedError, match="does not belong"):
        go(goer, there, idp)


_BENT_CLAIMS = {
    "wrong issuer": set_claim("iss", "https://evil.example"),
    "issuer with a slash": lambda c: {**c, "iss": c["iss"] + "/"},
    "no issuer": without_claim("iss"),
    "another audience": set_claim("aud", "other"),
    "a further audience": set_claim("aud", ["sekisho", "other"]),
    "audience in a number": set_claim("aud", 7),
    "no audience": without_claim("aud"),
    "another party": set_claim("azp", "other"),
    "another nonce": set_claim("nonce", "replayed"),
    "no nonce": without_claim("nonce"),
    "nonce in a list": lambda c: {**c, "nonce": [c["nonce"]]},
    "ended": lambda c: {**c, "exp": c["iat"] - 121},
    "without end": without_claim("exp"),
    "end in words": set_claim("exp", "tomorrow"),
    "end beyond time": set_claim("exp", 1e300),
    "from the future": lambda c: {**c, "iat": c["iat"] + 121},
    "not yet": lambda c: {**c, "nbf": c["iat"] + 121},
    "without a beginning": without_claim("iat"),
    "an older proof": lambda c: {**c, "auth_time": c["iat"] - 13 * 3600},
    "another access token": set_claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"),
    "nobody": without_claim("sub"),
    "nobody in particular": set_claim("sub", ""),
    "a crowd": set_claim("sub", ["u-1"]),
    "a novel": set_claim("sub", "x" * 256),
}


def test_bent_claims_are_refused_and_recorded(
    town: Town, goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    joined(goer, there, idp)
    for number, (name, there.claims) in enumerate(_BENT_CLAIMS.items()):
        with pytest.raises(UnauthenticatedError):
            pytest.fail(f"{name}: {go(goer, there, idp, address=f'198.51.100.{number}')}")
    assert town.kinds().count("identity.sign_in_refused") == len(_BENT_CLAIMS)
    there.claims = dict
    assert go(goer, there, idp).signed_in.person.email == EMAIL


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
    joined(goer, there, idp)
    for name, there.token in _BENT_TOKENS.items():
        with pytest.raises(UnauthenticatedError):
            pytest.fail(f"{name}: {go(goer, there, idp)}")


def test_the_public_key_is_no_shared_secret(
    goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    joined(goer, there, idp)
    public = there.keys[0].as_pem(private=False)

    def forge(token: str) -> str:
        body = base64.urlsafe_b64decode(token.split(".")[1] + "==")
        header = {"alg": "HS256", "kid": "one"}
        key = OctKey.import_key(b"\x00" + public[1:])  # the library itself refuses PEM as a secret
        return jws.serialize_compact(header, body, key, ["HS256"])

    there.token = forge
    with pytest.raises(UnauthenticatedError, match="in a way that counts"):
        go(goer, there, idp)


def test_keys_are_for_their_own_purpose(
    goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    joined(goer, there, idp)
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
            go(fresh, there, idp)


def test_short_keys_do_not_count(town: Town, goer: Traveller, there: FakeProvider) -> None:
    idp = goer.describe(there.url, domains="example.jp")
    town.add(EMAIL, Role.TELEWORKER)
    with pytest.warns(SecurityWarning):
        there.keys = [RSAKey.generate_key(1024, {"kid": "one"})]

    with pytest.raises(UnauthenticatedError):
        go(goer, there, idp)


def test_other_signatures_count(
    town: Town, goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    town.add(EMAIL, Role.TELEWORKER)
    there.keys, there.algorithm = [make_key("e", "EC")], "ES256"

    assert go(goer, there, idp).signed_in.person.email == EMAIL


def test_new_keys_are_fetched_but_not_for_every_token(
    town: Town, goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    joined(goer, there, idp)
    there.keys.insert(0, make_key("two"))

    with pytest.raises(UnauthenticatedError, match="does not have"):
        go(goer, there, idp)  # within the minute
    town.clock.advance(seconds=61)
    assert go(goer, there, idp).signed_in.person.email == EMAIL
    assert there.asked.count("/keys") == 2
    there.header = set_claim("kid", "three")
    for _ in range(3):
        with pytest.raises(UnauthenticatedError):
            go(goer, there, idp)
    assert there.asked.count("/keys") == 2


def test_a_removed_key_counts_for_an_hour_at_most(
    town: Town, goer: Traveller, there: FakeProvider, idp: Provider
) -> None:
    joined(goer, there, idp)
    there.published = []
    town.clock.advance(minutes=61)

    with pytest.raises(UnauthenticatedError):
        go(goer, there, idp)

"""No change of a token, an answer or an address makes a bad one good."""

import json
import string
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws

from fakes.oidc_provider import first_key
from sekisho.identity.engine import jose, oidc
from sekisho.identity.engine.oidc import Asked, Claims, Metadata, Provider
from sekisho.identity.engine.sites import safe_next
from sekisho.identity.model import Strength
from sekisho.kernel.errors import InvalidInputError, UnauthenticatedError

NOW = datetime(2026, 11, 24, tzinfo=UTC)
STAMP = int(NOW.timestamp())
PROVIDER = Provider("idp_1", "https://idp.example.jp", "IdP", "sekisho")
METADATA = Metadata(
    PROVIDER.issuer, "https://idp.example.jp/a?x=1&state=evil", "https://t", "https://k"
)
ASKED = Asked("s", "nonce-1", "v" * 64, "https://sekisho.example.jp/sign-in/oidc/callback")
GOOD: dict[str, Any] = {
    "iss": PROVIDER.issuer, "aud": "sekisho", "exp": STAMP + 300, "iat": STAMP,
    "nonce": "nonce-1", "sub": "u-1",
}  # fmt: skip
TOKEN = jws.serialize_compact(
    {"alg": "RS256", "kid": "one"}, json.dumps(GOOD), first_key(), ["RS256"]
)
KEYS = [first_key().as_dict(private=False)]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def test_the_good_one_is_good() -> None:
    signed = jose.read_token(TOKEN, KEYS)
    assert signed.claims == GOOD
    assert oidc.judge_claims(signed.claims, PROVIDER, ASKED, "", "RS256", NOW).subject == "u-1"


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from(string.ascii_letters + "-_.=!"))
def test_no_changed_letter_is_believed(place: int, letter: str) -> None:
    bent = TOKEN[:place] + letter + TOKEN[place + 1 :]
    try:
        signed = jose.read_token(bent, KEYS)
    except (UnauthenticatedError, jose.UnknownKeyError):
        return
    # Base64 has letters whose last bits say nothing; then what is said is the same.
    assert signed.claims == GOOD


@given(st.sampled_from(["iss", "aud", "exp", "iat", "nonce", "sub"]), _JSON)
def test_any_other_claim_is_refused_or_means_the_same(name: str, value: Any) -> None:
    try:
        found = oidc.judge_claims({**GOOD, name: value}, PROVIDER, ASKED, "", "RS256", NOW)
    except UnauthenticatedError:
        return
    if name in {"iss", "nonce"}:
        assert value == GOOD[name]
    if name == "aud":
        assert value in ("sekisho", ["sekisho"])
    if name == "sub":
        assert found.subject == value
    if name in {"exp", "iat"}:
        assert isinstance(value, int | float)
        assert (value > STAMP - 120) if name == "exp" else (value <= STAMP + 120)


@given(st.dictionaries(st.text(), _JSON, max_size=5))
def test_rubbish_is_refused_and_nothing_else(claims: dict[str, Any]) -> None:
    with pytest.raises(UnauthenticatedError):
        oidc.judge_claims(claims, PROVIDER, ASKED, "", "RS256", NOW)


@given(st.text(), _JSON)
def test_keys_of_any_shape_are_refused(kid: str, shape: Any) -> None:
    keys = [{"kid": kid, "kty": "RSA", "n": shape, "e": shape}, {"kty": shape, "crv": shape}]
    with pytest.raises((UnauthenticatedError, jose.UnknownKeyError)):
        jose.read_token(TOKEN, keys)


@given(st.text())
def test_only_safe_addresses_are_asked(text: str) -> None:
    try:
        assert oidc.check_address(text) == text
    except InvalidInputError:
        return
    parts = urlsplit(text)
    assert parts.scheme == "https" or parts.hostname in {"localhost", "127.0.0.1", "::1"}


@given(st.text(alphabet="/\\.:@evil\t\r\n%?# "))
def test_nobody_is_led_elsewhere_after_a_sign_in(target: str) -> None:
    led = safe_next(target)
    assert led.startswith("/")
    assert not led.startswith(("//", "/\\"))
    assert urlsplit(led).netloc == ""
    assert not set(led) & set("\\\t\r\n")


def test_what_we_ask_cannot_be_overridden_by_the_providers_address() -> None:
    asked = parse_qsl(urlsplit(oidc.departure(METADATA, PROVIDER, ASKED, "ja")).query)
    assert ("x", "1") in asked
    assert [value for name, value in asked if name == "state"] == ["s"]
    assert dict(asked)["code_challenge_method"] == "S256"


def test_the_challenge_is_that_of_rfc_7636_appendix_b() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert oidc.challenge_of(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@given(acr=st.text(), amr=st.frozensets(st.text(), max_size=3))
def test_silence_and_unknown_words_are_one_factor(acr: str, amr: frozenset[str]) -> None:
    claims = Claims("u", "", False, acr, amr, None)
    expected = Strength.TWO if "mfa" in amr else Strength.ONE
    expected = Strength.RESISTANT if acr in {"phr", "phrh"} else expected
    assert oidc.strength_of(claims, PROVIDER) is expected

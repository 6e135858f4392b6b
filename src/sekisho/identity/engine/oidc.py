"""OpenID Connect from the relying party's side: what to ask a provider for, what to believe.

- Authorization code with PKCE S256 (RFC 7636), state, nonce, and ``iss`` in the answer (RFC 9207).
- Errors are refusals: what is missing, doubled or not of its type is never taken as fine.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from sekisho.identity.model import SESSION_LIFE, Strength
from sekisho.kernel.errors import InvalidInputError, UnauthenticatedError
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.secrets import Secret
from sekisho.kernel.seen import mark_of

SKEW = timedelta(minutes=2)  # clocks differ; OpenID Connect Core section 3.1.3.7 leaves it to us
_RESISTANT_ACR = frozenset({"phr", "phrh"})  # OpenID EAP ACR values 1.0 section 2
_LONGEST_SUBJECT = 255  # OpenID Connect Core section 2
_LONGEST_PARAMETER = 4096
_DIGESTS = {"384": hashlib.sha384, "512": hashlib.sha512}  # by the end of the algorithm's name
_VERIFIER_BYTES = 48  # 64 characters; RFC 7636 section 4.1 asks for 43 to 128


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider that people may sign in with, as an administrator described it.

    ``domains``: addresses of these mail domains, verified by the provider, may join people who are
    known here. ``acr`` and ``amr``: values that mean two factors (RFC 8176 has ``mfa``).
    """

    id: str
    issuer: str
    name: str
    client_id: str
    secret: Secret = field(default=Secret(""), repr=False)
    domains: frozenset[str] = frozenset()
    acr: frozenset[str] = frozenset()
    amr: frozenset[str] = frozenset({"mfa"})
    active: bool = True

    @property
    def mark(self) -> str:
        """What a form that shows this provider was filled in from (``kernel.seen``)."""
        return mark_of(self.name, self.client_id, self.domains, self.acr, self.amr, self.active)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a provider says of itself (OpenID Connect Discovery section 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    names_itself: bool = False
    methods: frozenset[str] = frozenset({"client_secret_basic"})


@dataclass(frozen=True, slots=True)
class Asked:
    """What one journey to a provider was begun with; ``since``: only a proof after it counts."""

    state: str
    nonce: str
    verifier: str = field(repr=False)
    redirect: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Claims:
    """What a believed ID token says; ``authenticated_at`` is None where it does not say."""

    subject: str
    email: str
    email_verified: bool
    acr: str
    amr: frozenset[str]
    authenticated_at: datetime | None


def refusal(why: Text | str) -> UnauthenticatedError:
    """Make the refusal of a provider's answer."""
    return UnauthenticatedError(
        msg("The answer of the provider was refused: %(why)s", why=why),
        hint=msg("Start again at the sign-in; if it stays, tell an administrator."),
    )


def check_address(url: object) -> str:
    """Return an address that may be asked; raise InvalidInputError for any other.

    TLS is needed everywhere but on this very machine (OpenID Connect Core section 16.17).
    """
    text = url if isinstance(url, str) else ""
    try:
        parts = urlsplit(text)
        local = parts.hostname == "localhost" or _is_loopback(parts.hostname or "")
        good = parts.scheme == "https" or (parts.scheme == "http" and local)
        plain = bool(parts.hostname) and not (parts.fragment or parts.username or parts.password)
    except ValueError:
        good = plain = False
    if not (good and plain and text.isprintable() and not any(c.isspace() for c in text)):
        raise InvalidInputError(
            msg("“%(got)s” is not an address a provider can have.", got=text[:200]),
            hint=msg("It begins with https:// and has no user name and no #part."),
        )
    return text


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def read_metadata(document: Mapping[str, Any], issuer: str) -> Metadata:
    """Read a discovery document; raise InvalidInputError unless it is that of ``issuer``."""
    if document.get("issuer") != issuer:
        raise InvalidInputError(
            msg("The provider calls itself “%(got)s”, not “%(expected)s”.",
                got=str(document.get("issuer"))[:200], expected=issuer),
            hint=msg("Type the issuer exactly as the provider writes it."),
        )  # fmt: skip
    methods = document.get("token_endpoint_auth_methods_supported")
    return Metadata(
        issuer=issuer,
        authorization_endpoint=check_address(document.get("authorization_endpoint")),
        token_endpoint=check_address(document.get("token_endpoint")),
        jwks_uri=check_address(document.get("jwks_uri")),
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
        methods=_words(methods) or frozenset({"client_secret_basic"}),
    )


def make_asked(state: str, redirect: str, since: datetime | None) -> Asked:
    """Return what a new journey is begun with: fresh nonce and verifier."""
    return Asked(
        state, secrets.token_urlsafe(32), secrets.token_urlsafe(_VERIFIER_BYTES), redirect, since
    )


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636 section 4.2)."""
    return _base64(hashlib.sha256(verifier.encode("ascii")).digest())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def departure(metadata: Metadata, provider: Provider, asked: Asked, language: str) -> str:
    """Return the address of the provider's own sign-in for this journey."""
    wanted = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": asked.redirect,
        "scope": "openid email profile",
        "state": asked.state,
        "nonce": asked.nonce,
        "code_challenge": challenge_of(asked.verifier),
        "code_challenge_method": "S256",
        "ui_locales": language,
        "max_age": str(int(SESSION_LIFE.total_seconds())),
    }
    if asked.since is not None:  # asked for a fresh proof: an old sign-in there does not count
        wanted |= {"prompt": "login", "max_age": "0"}
    if provider.acr:
        wanted["acr_values"] = " ".join(sorted(provider.acr))
    base, _, query = metadata.authorization_endpoint.partition("?")
    kept = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in wanted]
    return f"{base}?{urlencode([*kept, *wanted.items()])}"


def read_answer(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the parameters of an answer; raise UnauthenticatedError if one comes twice."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found or len(value) > _LONGEST_PARAMETER:
            raise refusal(msg("a part of it comes twice or is too long."))
        found[name] = value
    return found


def code_of(answer: Mapping[str, str], metadata: Metadata) -> str:
    """Return the code of an answer whose state was known; raise UnauthenticatedError otherwise.

    The issuer must be named where the provider says that it does (RFC 9207 section 2.4), and must
    be right wherever it is named: an answer of one provider is not taken to another (mix-up).
    """
    named = answer.get("iss")
    if named != metadata.issuer and (metadata.names_itself or named is not None):
        raise refusal(msg("it comes from another provider than the one asked."))
    if "error" in answer:
        raise refusal(_why(answer["error"]))
    code = answer.get("code", "")
    if not code:
        raise refusal(msg("it holds no code."))
    return code


def _why(error: str) -> Text:
    if error == "access_denied":
        return msg("the sign-in was cancelled there, or is not allowed for this account.")
    return msg("the provider says “%(error)s”.", error=error[:60])


def judge_claims(
    claims: Mapping[str, Any], provider: Provider, asked: Asked, access_token: str, algorithm: str,
    now: datetime,
) -> Claims:  # fmt: skip
    """Return what a token with a good signature says, if it is for us, from them, for now.

    OpenID Connect Core section 3.1.3.7, in its order. Raises UnauthenticatedError.
    """
    if claims.get("iss") != provider.issuer:
        raise refusal(msg("the token was issued by another provider."))
    _check_audience(claims, provider.client_id)
    _check_times(claims, now)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), asked.nonce.encode()):
        raise refusal(msg("the token belongs to another sign-in (nonce)."))
    _check_access_token(claims, access_token, algorithm)
    proved_at = _time(claims, "auth_time")
    _check_proof(proved_at, asked, now)
    return _read_claims(claims, proved_at)


def _check_proof(proved_at: datetime | None, asked: Asked, now: datetime) -> None:
    """Hold the time of the proof against what was asked (section 3.1.2.1, ``max_age``)."""
    if asked.since is not None and (proved_at is None or proved_at < asked.since - SKEW):
        raise refusal(msg("the provider did not ask for a new proof."))
    if proved_at is not None and now - proved_at > SESSION_LIFE + SKEW:
        raise refusal(msg("the proof there is too old."))


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    # Further audiences would be others who may show this token as theirs: none is trusted.
    if named != [client_id] or claims.get("azp", client_id) != client_id:
        raise refusal(msg("the token is meant for another program (audience)."))


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    ends, issued, starts = (_time(claims, name) for name in ("exp", "iat", "nbf"))
    if ends is None or issued is None:
        raise refusal(msg("the token does not say from when until when it holds."))
    if ends + SKEW <= now:
        raise refusal(msg("the token has ended."))
    if max(issued, starts or issued) - SKEW > now:
        raise refusal(msg("the token is from the future; compare the clocks."))


def _time(claims: Mapping[str, Any], name: str) -> datetime | None:
    """Return a NumericDate (RFC 7519 section 2); None where there is none, refuse anything else."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refusal(msg("a time in the token (%(name)s) is not a number.", name=name))
    try:
        return datetime.fromtimestamp(value, tz=UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise refusal(msg("a time in the token (%(name)s) is not a number.", name=name)) from error


def _check_access_token(claims: Mapping[str, Any], access_token: str, algorithm: str) -> None:
    """Hold ``at_hash`` against the access token that came beside (section 3.1.3.8)."""
    claimed = claims.get("at_hash")
    if claimed is None:
        return
    digest = _DIGESTS.get(algorithm[-3:], hashlib.sha256)(access_token.encode()).digest()
    expected = _base64(digest[: len(digest) // 2])
    if not isinstance(claimed, str) or not hmac.compare_digest(claimed.encode(), expected.encode()):
        raise refusal(msg("token and access token do not belong together."))


def _read_claims(claims: Mapping[str, Any], proved_at: datetime | None) -> Claims:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT:
        raise refusal(msg("the token names nobody."))
    email, acr = claims.get("email"), claims.get("acr")
    return Claims(
        subject=subject,
        email=email.strip().lower() if isinstance(email, str) else "",
        email_verified=claims.get("email_verified") is True,
        acr=acr if isinstance(acr, str) else "",
        amr=_words(claims.get("amr")),
        authenticated_at=proved_at,
    )


def _words(value: object) -> frozenset[str]:
    return frozenset(v for v in _list(value) if isinstance(v, str))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def strength_of(claims: Claims, provider: Provider) -> Strength:
    """Return what the provider's proof is worth; silence is one factor."""
    if claims.acr in _RESISTANT_ACR:
        return Strength.RESISTANT
    two = claims.acr in provider.acr or not claims.amr.isdisjoint(provider.amr)
    return Strength.TWO if two else Strength.ONE


def may_join(claims: Claims, provider: Provider) -> bool:
    """Tell whether the administrator's rule lets this account join a person of the same address.

    The provider must have verified the address and the domain must be one that it answers for.
    """
    user, _, domain = claims.email.rpartition("@")
    plain = claims.email.isascii() and bool(user)
    return plain and claims.email_verified and domain in provider.domains

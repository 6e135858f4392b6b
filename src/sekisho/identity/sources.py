"""The outside world of identity: OpenID providers, asked over HTTP.

Nothing that a provider sends is followed elsewhere (no redirects), read without bound or waited
for without end. What it says of itself and its keys is kept for an hour; a key that is not known
makes us ask again, but not more often than once a minute.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from urllib.parse import quote_plus

import msgspec

from sekisho.identity.engine.jose import Signed, UnknownKeyError, read_token
from sekisho.identity.engine.oidc import Asked, Metadata, Provider, read_metadata, refusal
from sekisho.kernel.errors import UnavailableError
from sekisho.kernel.i18n import msg

if TYPE_CHECKING:
    import httpx

_TIMEOUT_SECONDS = 10
_LARGEST_ANSWER = 512 * 1024
_MOST_KEYS = 100
_KEPT = timedelta(hours=1)
_ASKED_AGAIN = timedelta(minutes=1)
_LEFT_ALONE = timedelta(seconds=10)  # after silence, so that nobody makes us wait again and again
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a provider gives for a code."""

    id_token: str = field(repr=False)
    access_token: str = field(repr=False)


class ProviderDirectory(Protocol):
    """Knows providers: what they say of themselves, their keys, and tokens for codes."""

    def metadata(self, issuer: str, now: datetime) -> Metadata:
        """Return what the provider says of itself; raise UnavailableError if it does not."""
        ...

    def exchange(self, metadata: Metadata, provider: Provider, asked: Asked, code: str) -> Tokens:
        """Return the tokens for a code; raise UnavailableError or UnauthenticatedError."""
        ...

    def verify(self, metadata: Metadata, token: str, now: datetime) -> Signed:
        """Return the claims of a token that the provider signed; raise UnauthenticatedError."""
        ...


@dataclass(slots=True)
class _Kept(Generic[T]):
    value: T
    fetched_at: datetime


class HTTPProviders:
    """Asks providers over HTTP; one for a process, used by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._metadata: dict[str, _Kept[Metadata]] = {}
        self._keys: dict[str, _Kept[Sequence[Mapping[str, Any]]]] = {}
        self._silent: dict[str, _Kept[UnavailableError]] = {}

    def metadata(self, issuer: str, now: datetime) -> Metadata:
        """Return what the provider says of itself, at most an hour old."""
        return self._remembered(
            self._metadata, issuer, now, _KEPT, lambda: self._ask_metadata(issuer)
        )

    def _ask_metadata(self, issuer: str) -> Metadata:
        address = issuer.rstrip("/") + "/.well-known/openid-configuration"
        return read_metadata(_get(address), issuer)

    def verify(self, metadata: Metadata, token: str, now: datetime) -> Signed:
        """Hold a token against the provider's keys; ask for new ones if it names an unknown one."""
        try:
            return read_token(token, self._known_keys(metadata, now, _KEPT))
        except UnknownKeyError:
            pass
        try:
            return read_token(token, self._known_keys(metadata, now, _ASKED_AGAIN))
        except UnknownKeyError as error:
            raise refusal(msg("the token names a key that the provider does not have.")) from error

    def _known_keys(
        self, metadata: Metadata, now: datetime, kept: timedelta
    ) -> Sequence[Mapping[str, Any]]:
        address = metadata.jwks_uri
        return self._remembered(self._keys, address, now, kept, lambda: _read_keys(_get(address)))

    def _remembered(
        self, shelf: "dict[str, _Kept[T]]", name: str, now: datetime, kept: timedelta,
        ask: Callable[[], T],
    ) -> T:  # fmt: skip
        with self._lock:
            known, silent = shelf.get(name), self._silent.get(name)
        if known is not None and _is_fresh(known, now, kept):
            return known.value
        if silent is not None and _is_fresh(silent, now, _LEFT_ALONE):
            raise silent.value
        return self._asked(shelf, name, now, ask)

    def _asked(
        self, shelf: "dict[str, _Kept[T]]", name: str, now: datetime, ask: Callable[[], T]
    ) -> T:
        """Ask outside the lock: one slow provider does not stop the others."""
        try:
            value = ask()
        except UnavailableError as error:
            with self._lock:
                self._silent[name] = _Kept(error, now)
            raise
        with self._lock:
            shelf[name] = _Kept(value, now)
            self._silent.pop(name, None)
        return value

    def exchange(self, metadata: Metadata, provider: Provider, asked: Asked, code: str) -> Tokens:
        """Redeem a code with our secret and the verifier (RFC 6749 section 4.1.3, RFC 7636)."""
        body = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": asked.redirect,
            "code_verifier": asked.verifier,
        }
        secret, basic = provider.secret.reveal(), None
        if secret and "client_secret_basic" in metadata.methods:
            basic = _basic(provider.client_id, secret)
        else:
            body["client_id"] = provider.client_id
            body |= {"client_secret": secret} if secret else {}
        answer = _send("POST", metadata.token_endpoint, data=body, auth=basic)
        if answer.status != HTTPStatus.OK:
            raise refusal(msg("the provider did not take the code back."))
        return _read_tokens(answer.document())


def _is_fresh(kept: "_Kept[Any]", now: datetime, life: timedelta) -> bool:
    """Tell whether something is younger than ``life``, and not from before a set clock."""
    return timedelta(0) <= now - kept.fetched_at < life


def _basic(client_id: str, secret: str) -> "httpx.BasicAuth":
    """Encode as RFC 6749 section 2.3.1 asks, which is not what HTTP alone would do."""
    import httpx  # noqa: PLC0415 - 9 MiB with what it brings, and few ask it

    return httpx.BasicAuth(_form(client_id), _form(secret))


def _form(text: str) -> str:
    return quote_plus(text)


def _read_tokens(document: Mapping[str, Any]) -> Tokens:
    token, access = document.get("id_token"), document.get("access_token")
    kind = str(document.get("token_type", "")).lower()
    if not isinstance(token, str) or not isinstance(access, str) or kind != "bearer":
        raise refusal(msg("it holds no readable token."))
    return Tokens(token, access)


def _read_keys(document: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    keys = document.get("keys")
    found = keys[:_MOST_KEYS] if isinstance(keys, list) else []
    return [key for key in found if isinstance(key, dict)]


@dataclass(frozen=True, slots=True)
class _Answer:
    address: str
    status: int
    body: bytes

    def document(self) -> Mapping[str, Any]:
        """Return the JSON object in it; raise UnavailableError if it is none."""
        try:
            return msgspec.json.decode(self.body, type=dict[str, Any])
        except msgspec.MsgspecError as error:
            raise _silent(self.address, msg("the answer is not a JSON object")) from error


def _get(address: str) -> Mapping[str, Any]:
    answer = _send("GET", address)
    if answer.status != HTTPStatus.OK:
        raise _silent(address, msg("it answered with status %(n)s", n=answer.status))
    return answer.document()


def _send(method: str, address: str, **more: Any) -> _Answer:
    import httpx  # noqa: PLC0415 - the same

    body = b""
    headers = {"Accept": "application/json"}
    try:
        with httpx.stream(
            method, address, headers=headers, timeout=_TIMEOUT_SECONDS, follow_redirects=False,
            **more,
        ) as answer:  # fmt: skip
            for part in answer.iter_bytes():
                body += part
                if len(body) > _LARGEST_ANSWER:
                    raise _silent(address, msg("the answer is too long"))
            return _Answer(address, answer.status_code, body)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _silent(address, error) from error


def _silent(address: str, why: object) -> UnavailableError:
    return UnavailableError(
        msg("The provider at %(address)s did not answer as it should: %(why)s",
            address=address, why=why),
        hint=msg("Use another way to sign in, or try again in a moment."),
    )  # fmt: skip

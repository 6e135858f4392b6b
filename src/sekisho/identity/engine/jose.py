"""Signatures of ID tokens (RFC 7515, 7517, 7518): which key, which algorithm, does it hold.

- Only signatures with public keys: ``none`` and shared secrets (HS…) never count.
- The key says for which algorithm it is by its kind; the header of the token cannot change that.
- A key id that is doubled or unknown is a refusal, not a guess.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key

from sekisho.identity.engine.oidc import refusal
from sekisho.kernel.i18n import msg

_EC_OF_ALGORITHM = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
ALGORITHMS = (*_RSA, *_EC_OF_ALGORITHM)
_SMALLEST_RSA_BITS = 2048
_LARGEST_TOKEN = 64 * 1024


class UnknownKeyError(Exception):
    """The token names a key that is not among those known; the provider may have new ones."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What a token with a good signature holds."""

    algorithm: str
    claims: Mapping[str, Any]


def read_token(token: object, keys: Sequence[Mapping[str, Any]]) -> Signed:
    """Return the claims of a token signed with one of ``keys`` (JWK).

    Raises UnauthenticatedError, or UnknownKeyError where other keys might help.
    """
    if not isinstance(token, str) or len(token) > _LARGEST_TOKEN or not token.isascii():
        raise refusal(msg("it holds no readable token."))
    try:
        header = _header(token)
        key = _pick(header, keys)
        registry = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        found = jws.deserialize_compact(token, key, list(ALGORITHMS), registry)
        claims = msgspec.json.decode(found.payload, type=dict[str, Any])
    except (JoseError, ValueError, TypeError, msgspec.MsgspecError) as error:
        raise refusal(msg("the token's signature does not hold.")) from error
    return Signed(str(header["alg"]), claims)


def _header(token: str) -> dict[str, Any]:
    header = jws.extract_compact(token.encode()).headers()
    if header.get("alg") not in ALGORITHMS:
        raise refusal(msg("the token is not signed in a way that counts."))
    return dict(header)


def _pick(header: Mapping[str, Any], keys: Sequence[Mapping[str, Any]]) -> Key:
    """Return the one key that can have signed; raise UnknownKeyError where there is none."""
    kid = header.get("kid")
    fitting = [key for key in keys if _fits(key, str(header["alg"]))]
    wanted = [key for key in fitting if kid is None or key.get("kid") == kid]
    if not wanted:
        raise UnknownKeyError
    if len(wanted) > 1:
        raise refusal(msg("the token does not say with which key it was signed."))
    if not _is_strong(wanted[0]):
        raise refusal(msg("the provider's key is too short."))
    return import_key(_public(wanted[0]))


def _fits(key: Mapping[str, Any], algorithm: str) -> bool:
    if key.get("use", "sig") != "sig" or key.get("alg", algorithm) != algorithm:
        return False
    if algorithm in _RSA:
        return key.get("kty") == "RSA"
    return key.get("kty") == "EC" and key.get("crv") == _EC_OF_ALGORITHM[algorithm]


def _public(key: Mapping[str, Any]) -> dict[str, Any]:
    return {name: key[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in key}


def _is_strong(key: Mapping[str, Any]) -> bool:
    """Tell whether an RSA key has 2048 bits (NIST SP 800-131A); curves were looked at before."""
    bits = len(str(key.get("n", "")).rstrip("=")) * 6
    return key.get("kty") == "EC" or bits >= _SMALLEST_RSA_BITS

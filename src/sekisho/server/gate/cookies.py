"""The gate's cookie: a token of at most 60 seconds, signed with ES256 (RFC 7519, RFC 7518).

Envoy checks it by itself; when it is too old the decision process reads it once more, whatever its
age, to know whose session is to be decided anew. It is of use on one host at one door, and at the
device door only over a connection that shows the very certificate it was given to: a device's
former certificate may be revoked, which Envoy does not know.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from sekisho.access.model import AccessSession
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import msg
from sekisho.kernel.secrets import SecretBox
from sekisho.server.gate.plan import ISSUER, audience_of

LIFE_SECONDS = 60
_FILE = "cookie.key.sealed"
_CONTEXT = "gate.cookies:key"
_HALF = 32
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class CookieKey:
    """The private key of cookies and its name."""

    key: ec.EllipticCurvePrivateKey
    name: str

    @classmethod
    def load_or_create(cls, folder: Path, box: SecretBox) -> "CookieKey":
        """Load the key in ``folder``, sealed by ``box``; make one if there is none."""
        path = folder / _FILE
        if not path.is_file():
            made = ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.DER,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            path.write_bytes(box.seal(made, _CONTEXT))
            path.chmod(0o600)
        key = serialization.load_der_private_key(box.open(path.read_bytes(), _CONTEXT), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise InvalidInputError(msg("The key of the gate's cookies is of another kind."))
        return cls(key, _name(key))

    def jwks(self) -> str:
        """Return the public key as a JWK set (RFC 7517)."""
        numbers = self.key.public_key().public_numbers()
        jwk = {
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.name,
            "x": _text(numbers.x.to_bytes(_HALF)), "y": _text(numbers.y.to_bytes(_HALF)),
        }  # fmt: skip
        return json.dumps({"keys": [jwk]})

    def sign(self, claims: Mapping[str, object]) -> str:
        """Return a signed token with these claims."""
        head = {"alg": "ES256", "typ": "JWT", "kid": self.name}
        signed = ".".join(_text(json.dumps(each).encode()) for each in (head, claims))
        r, s = decode_dss_signature(self.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_text(r.to_bytes(_HALF) + s.to_bytes(_HALF))}"

    def read(self, token: str) -> dict[str, object] | None:
        """Return the claims of a token that we signed, whatever its age; None for any other."""
        claims = _read(self, token)  # a command shows the same one for every tunnel
        return None if claims is None else dict(claims)

    def verify(self, token: str) -> dict[str, object] | None:
        """Do ``read`` without remembering."""
        parts = token.split(".")
        if len(parts) != 3 or len(token) > _LONGEST:  # noqa: PLR2004 - RFC 7515 section 7.1
            return None
        try:
            raw = _bytes(parts[2])
            r, s = int.from_bytes(raw[:_HALF]), int.from_bytes(raw[_HALF:])
            self.key.public_key().verify(
                encode_dss_signature(r, s),
                f"{parts[0]}.{parts[1]}".encode(),
                ec.ECDSA(hashes.SHA256()),
            )
            claims = json.loads(_bytes(parts[1]))
        except (InvalidSignature, ValueError):
            return None
        return claims if isinstance(claims, dict) and claims.get("iss") == ISSUER else None


def make_claims(session: AccessSession, email: str, now: float) -> dict[str, object]:
    """Return what a session's cookie says; it ends with the decision, after 60 s at the latest."""
    ends = min(now + LIFE_SECONDS, session.valid_until.timestamp())
    claims: dict[str, object] = {
        "iss": ISSUER, "aud": audience_of(session.resource_id, session.door),
        "sub": session.person_id, "sid": session.id, "email": email, "iat": int(now),
        "exp": int(ends),
    }  # fmt: skip
    bound = {"dev": session.device_id, "crt": session.serial} if session.device_id else {}
    return claims | bound


@lru_cache(maxsize=1_024)
def _read(key: CookieKey, token: str) -> dict[str, object] | None:
    return key.verify(token)


def _name(key: ec.EllipticCurvePrivateKey) -> str:
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    digest = hashes.Hash(hashes.SHA256())
    digest.update(public)
    return _text(digest.finalize()[:9])


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)

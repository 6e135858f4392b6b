"""A software authenticator: makes and uses passkeys as a browser with a security key would.

EC P-256 (COSE algorithm -7), "none" attestation or "packed" self-attestation. Every field can be
bent, so that tests can play a hostile browser.
"""

import hashlib
import json
import os
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import encode_cbor

AAGUID = bytes.fromhex("fbfc3007154e4ecc8c0b6e020557d7bd")
UP, UV, BE, BS, AT = 0x01, 0x04, 0x08, 0x10, 0x40


def encode(data: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Read base64url without padding."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass(slots=True)
class Credential:
    """One passkey as the authenticator keeps it."""

    id: bytes
    key: ec.EllipticCurvePrivateKey
    rp_id: str
    handle: bytes
    counter: int = 0


@dataclass(slots=True)
class Authenticator:
    """Holds passkeys; ``origin`` is the page the browser believes it is on."""

    origin: str = "http://localhost:8480"
    counts: bool = True
    verifies_user: bool = True
    attestation: str = "none"
    credentials: list[Credential] = field(default_factory=list)

    def create(self, options: dict[str, Any], **bent: Any) -> dict[str, Any]:
        """Answer ``navigator.credentials.create``; ``bent`` replaces origin, rp_id, challenge."""
        rp_id = bent.get("rp_id", options["rp"]["id"])
        key = ec.generate_private_key(ec.SECP256R1())
        made = Credential(os.urandom(32), key, rp_id, decode(options["user"]["id"]))
        self.credentials.append(made)
        client = self._client("webauthn.create", options, bent)
        data = self._data(rp_id, AT, made.counter) + AAGUID + struct.pack(">H", len(made.id))
        data += made.id + _cose(key)
        statement = self._statement(key, data, client)
        attestation = {"fmt": self.attestation, "attStmt": statement, "authData": data}
        response = {"attestationObject": encode(encode_cbor(attestation))}
        return self._answer(made, client, response)

    def get(self, options: dict[str, Any], **bent: Any) -> dict[str, Any]:
        """Answer ``navigator.credentials.get`` with the newest passkey for the name."""
        rp_id = options["rpId"]
        made = bent.get("credential") or [c for c in self.credentials if c.rp_id == rp_id][-1]
        if self.counts:
            made.counter += 1
        client = self._client("webauthn.get", options, bent)
        data = self._data(bent.get("rp_id", rp_id), 0, bent.get("counter", made.counter))
        signed = data + hashlib.sha256(client).digest()
        signature = made.key.sign(signed, ec.ECDSA(hashes.SHA256()))
        response = {
            "authenticatorData": encode(data),
            "signature": encode(signature),
            "userHandle": encode(bent.get("handle", made.handle)),
        }
        return self._answer(made, client, response)

    def _client(self, kind: str, options: dict[str, Any], bent: dict[str, Any]) -> bytes:
        found = {
            "type": bent.get("type", kind),
            "challenge": bent.get("challenge", options["challenge"]),
            "origin": bent.get("origin", self.origin),
            "crossOrigin": False,
        }
        return json.dumps(found).encode()

    def _data(self, rp_id: str, flags: int, counter: int) -> bytes:
        flags |= UP | BE | BS | (UV if self.verifies_user else 0)
        return hashlib.sha256(rp_id.encode()).digest() + struct.pack(">BI", flags, counter)

    def _statement(
        self, key: ec.EllipticCurvePrivateKey, data: bytes, client: bytes
    ) -> dict[str, Any]:
        if self.attestation == "none":
            return {}
        signed = data + hashlib.sha256(client).digest()
        return {"alg": -7, "sig": key.sign(signed, ec.ECDSA(hashes.SHA256()))}

    def _answer(self, made: Credential, client: bytes, response: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": encode(made.id),
            "rawId": encode(made.id),
            "type": "public-key",
            "response": {"clientDataJSON": encode(client), **response},
            "clientExtensionResults": {},
        }


def _cose(key: ec.EllipticCurvePrivateKey) -> bytes:
    numbers = key.public_key().public_numbers()
    x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
    return bytes(encode_cbor({1: 2, 3: -7, -1: 1, -2: x, -3: y}))

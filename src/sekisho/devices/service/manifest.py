"""The manifest: exactly which tables and columns are read, computed from the SQL and signed.

The organisation's Ed25519 key (RFC 8032) is made on first use, sealed in the database, and its
public half travels in every enrolment kit. A manifest keeps its time of issue as long as nothing
in it changes, so that it stays the same bytes.
"""

import base64
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sekisho.controls.manifest import manifest_of
from sekisho.devices.configuration import DECORATORS
from sekisho.devices.model import Ownership, Platform
from sekisho.devices.offers import Plan
from sekisho.kernel.db import Transaction
from sekisho.kernel.installation import get_fact, set_fact
from sekisho.kernel.secrets import SecretBox
from sekisho.wire.manifest import PURPOSE, Manifest, SignedManifest

_KEY = "devices.manifest_key"
_IDENTITY = "sekisho_identity"


def sign_manifest(
    tx: Transaction,
    box: SecretBox,
    organisation: str,
    platform: Platform,
    ownership: Ownership,
    plan: Plan,
) -> SignedManifest:
    """Return the signed manifest of what this kind of device is asked; needs a writing ``tx``."""
    queries = dict(zip(plan.names, plan.sql, strict=True))
    for number, sql in enumerate(DECORATORS[ownership]):
        queries[f"{_IDENTITY}_{number}"] = sql
    manifest = Manifest(
        organisation=organisation or "Sekisho",
        ownership=ownership,
        issued_at=_issued_at(tx, platform, ownership, plan),
        reads=frozenset(manifest_of(queries.values())),
        queries=queries,
    )
    payload = manifest.to_payload()
    signature = _key(tx, box).sign(PURPOSE + payload.encode())
    return SignedManifest(payload, base64.b64encode(signature).decode())


def manifest_public_key(tx: Transaction, box: SecretBox) -> str:
    """Return the public key of manifests, 32 bytes in base64; needs a writing ``tx``."""
    return base64.b64encode(_key(tx, box).public_key().public_bytes_raw()).decode()


def _key(tx: Transaction, box: SecretBox) -> Ed25519PrivateKey:
    stored = get_fact(tx, _KEY)
    if stored is not None:
        raw = box.open(base64.b64decode(stored), _KEY)
        return Ed25519PrivateKey.from_private_bytes(raw)
    key = Ed25519PrivateKey.generate()
    sealed = box.seal(key.private_bytes_raw(), _KEY)
    set_fact(tx, _KEY, base64.b64encode(sealed).decode())
    return key


def _issued_at(tx: Transaction, platform: Platform, ownership: Ownership, plan: Plan) -> datetime:
    name = f"devices.manifest:{ownership.value}:{platform.value}:{plan.digest}"
    stored = get_fact(tx, name)
    if stored is not None:
        return datetime.fromisoformat(stored)
    issued = tx.now.replace(microsecond=0)
    set_fact(tx, name, issued.isoformat())
    return issued

"""Identifiers and secrets by chance: time-sortable ids, tokens, and the digests kept of tokens.

An id is a ULID (48 bits of milliseconds, 80 bits of chance, Crockford base 32) behind a short
prefix that tells a reader what it names, such as ``dev_01KB…``.
"""

import hashlib
import secrets
import time
from typing import NewType

PersonID = NewType("PersonID", str)
DeviceID = NewType("DeviceID", str)
ControlID = NewType("ControlID", str)
FindingID = NewType("FindingID", str)
RecordID = NewType("RecordID", str)
SessionID = NewType("SessionID", str)
TokenID = NewType("TokenID", str)
KitID = NewType("KitID", str)
UnitID = NewType("UnitID", str)
GroupID = NewType("GroupID", str)

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CHANCE_BITS = 80
_ULID_LENGTH = 26


def new_id(prefix: str) -> str:
    """Return a new identifier such as ``dev_01KB2…``; ids made later sort later (by the ms)."""
    value = (time.time_ns() // 1_000_000) << _CHANCE_BITS | secrets.randbits(_CHANCE_BITS)
    digits = [_CROCKFORD[(value >> (5 * place)) & 31] for place in range(_ULID_LENGTH)]
    return f"{prefix}_{''.join(reversed(digits))}"


def new_token(nbytes: int = 32) -> str:
    """Return a secret of ``nbytes`` bytes of chance, safe in URLs and file names."""
    return secrets.token_urlsafe(nbytes)


def digest_token(token: str) -> str:
    """Return the SHA-256 hex digest under which a token of high entropy is stored and found."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()

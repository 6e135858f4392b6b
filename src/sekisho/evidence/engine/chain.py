"""The arithmetic of the chain: what exactly is hashed, and in which form.

Invariants (specified for strangers in ``docs/evidence.md``):

- payload digest = SHA-256(salt ‖ payload), the payload being the stored JSON bytes;
- chain(seq) = SHA-256(domain ‖ chain(seq − 1) ‖ seq as 8 bytes ‖ fields, each led by its length
  in 4 bytes), all numbers big-endian; chain(0) is 32 zero bytes;
- lengths lead every field, so no two different records give the same bytes.
"""

import hashlib
import struct
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from sekisho.evidence.model import SealedFields
from sekisho.kernel.errors import InvalidInputError, TooLargeError
from sekisho.kernel.i18n import msg

CHAIN_DOMAIN = b"sekisho evidence chain 1\n"
GENESIS = bytes(32)
SALT_BYTES = 16
LARGEST_PAYLOAD = 1024 * 1024

_encode = msgspec.json.Encoder(order="sorted").encode
_length = struct.Struct(">I").pack
_number = struct.Struct(">Q").pack


def write_payload(detail: Mapping[str, object], person: str | None) -> bytes:
    """Return the canonical payload: sorted keys, no spaces, UTF-8.

    Raises InvalidInputError for a detail that JSON cannot say, TooLargeError over 1 MiB.
    """
    try:
        payload = _encode({"detail": detail, "person": person})
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInputError(
            msg("The detail of a record is not JSON: %(why)s", why=error)
        ) from error
    if len(payload) > LARGEST_PAYLOAD:
        raise TooLargeError(
            msg("The detail of a record has %(got)s bytes; at most %(most)s are kept.",
                got=len(payload), most=LARGEST_PAYLOAD),
            hint=msg("Store the content as an artefact and record its digest."),
        )  # fmt: skip
    return payload


def digest_payload(salt: bytes, payload: bytes) -> str:
    """Return the salted digest by which the chain knows a payload (64 hex digits)."""
    return hashlib.sha256(salt + payload).hexdigest()


def names_person(payload: bytes, person: bytes | None) -> bool:
    """Tell whether the payload itself names ``person`` as the one it belongs to."""
    said = _encode(person.decode("utf-8", "replace")) if person is not None else b"null"
    return payload.endswith(b',"person":' + said + b"}")


def write_instant(at: datetime) -> str:
    """Write an instant as the chain hashes it: UTC, always six decimals, ``Z``."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def extend_chain(previous: bytes, seq: int, fields: SealedFields) -> bytes:
    """Return the chain value (32 bytes) of the record that stands at ``seq``."""
    parts = [CHAIN_DOMAIN, previous, _number(seq)]
    for value in (fields.id, fields.at, fields.kind, fields.actor, fields.subject, fields.digest):
        parts += (_length(len(value)), value)
    return hashlib.sha256(b"".join(parts)).digest()

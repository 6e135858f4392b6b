"""Checkpoints as they travel: one line of JSON, signed with Ed25519 (RFC 8032).

- the signed bytes are the line's JSON without ``signature``: sorted keys, no spaces, UTF-8;
- ``key`` is the first 16 hex digits of SHA-256 of the public key's 32 bytes, so a line that
  names a key it was not signed with contradicts itself.
"""

import base64
import binascii
import hashlib
from datetime import datetime

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sekisho.evidence.engine.chain import write_instant
from sekisho.evidence.model import Checkpoint
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import msg

FORMAT = "sekisho-checkpoint-1"


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The JSON object of a checkpoint line."""

    at: str
    chain: str
    count: int
    format: str
    id: str
    key: str
    public_key: str
    signature: str = ""


_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(_Line).decode


def identify_key(public_key: bytes) -> str:
    """Return the short name of a public key (32 bytes)."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def sign_checkpoint(
    key: Ed25519PrivateKey, *, identifier: str, seq: int, chain: str, at: datetime
) -> Checkpoint:
    """Make the signed statement that after ``seq`` records the chain stands at ``chain``."""
    public = key.public_key().public_bytes_raw()
    name, text = identify_key(public), base64.b64encode(public).decode()
    unsigned = Checkpoint(identifier, seq, chain, at, name, text, "")
    signature = base64.b64encode(key.sign(write_signed(unsigned))).decode()
    return Checkpoint(identifier, seq, chain, at, name, text, signature)


def write_signed(checkpoint: Checkpoint) -> bytes:
    """Return the bytes that are signed."""
    line = msgspec.to_builtins(_line_of(checkpoint))
    del line["signature"]
    return _encode(line)


def write_line(checkpoint: Checkpoint) -> bytes:
    """Return the line that leaves the machine, without a line end."""
    return _encode(_line_of(checkpoint))


def _line_of(checkpoint: Checkpoint) -> _Line:
    return _Line(
        at=write_instant(checkpoint.at),
        chain=checkpoint.chain,
        count=checkpoint.seq,
        format=FORMAT,
        id=checkpoint.id,
        key=checkpoint.key_id,
        public_key=checkpoint.public_key,
        signature=checkpoint.signature,
    )


def read_line(line: bytes) -> Checkpoint:
    """Read a line that came back, and check its signature.

    Raises InvalidInputError for anything that is not exactly what some key signed.
    """
    try:
        found = _decode(line)
        at = datetime.fromisoformat(found.at)
    except (msgspec.MsgspecError, ValueError) as error:
        raise _refusal(msg("it is not a checkpoint (%(why)s)", why=error)) from error
    if found.format != FORMAT or at.tzinfo is None:
        raise _refusal(msg("its form is “%(got)s”; %(want)s is expected",
                           got=found.format, want=FORMAT))  # fmt: skip
    checkpoint = Checkpoint(
        found.id, found.count, found.chain, at, found.key, found.public_key, found.signature
    )
    check_signature(checkpoint)
    return checkpoint


def check_signature(checkpoint: Checkpoint) -> None:
    """Return if the checkpoint is what its key signed; raise InvalidInputError otherwise."""
    try:
        public = base64.b64decode(checkpoint.public_key, validate=True)
        signature = base64.b64decode(checkpoint.signature, validate=True)
        if identify_key(public) != checkpoint.key_id:
            raise _refusal(msg("its key is not the one it names"))
        Ed25519PublicKey.from_public_bytes(public).verify(signature, write_signed(checkpoint))
    except (InvalidSignature, binascii.Error, ValueError) as error:
        raise _refusal(msg("its signature does not fit")) from error


def _refusal(why: object) -> InvalidInputError:
    return InvalidInputError(
        msg("The checkpoint was changed or damaged: %(why)s.", why=why),
        hint=msg("Compare it with another copy: another destination, or the mail."),
    )

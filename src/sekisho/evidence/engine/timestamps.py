"""Judges RFC 3161 time stamps: do they stamp this very line, and who says so."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import msg

_GRANTED = (0, 1)  # granted, grantedWithMods: RFC 3161 section 2.4.2


def check_imprint(token: bytes, line: bytes) -> datetime:
    """Return the time at which ``line`` was stamped; raise InvalidInputError if it was not."""
    try:
        answer = decode_timestamp_response(token)
        stamped = answer.tst_info.message_imprint.message if answer.status in _GRANTED else b""
    except ValueError as error:
        raise InvalidInputError(msg("This is no time stamp: %(why)s", why=error)) from error
    if stamped != hashlib.sha256(line).digest():
        raise InvalidInputError(msg("The time stamp is not of this checkpoint."))
    return answer.tst_info.gen_time


def check_token(token: bytes, line: bytes, roots: Sequence[x509.Certificate]) -> datetime:
    """Do the same and also check the authority's signature up to one of ``roots``."""
    at = check_imprint(token, line)
    builder = VerifierBuilder()
    for root in roots:
        builder = builder.add_root_certificate(root)
    try:
        builder.build().verify(decode_timestamp_response(token), hashlib.sha256(line).digest())
    except (VerificationError, ValueError) as error:
        raise InvalidInputError(
            msg("The time stamp is not signed by a known authority: %(why)s", why=error)
        ) from error
    return at

"""One-time codes: TOTP (RFC 6238: SHA-1, 6 digits, 30 s) and recovery codes.

- A step is accepted once: a code of a step at or before the last one used never matches.
- One step either side of now is looked at, for clocks that differ (RFC 6238 section 5.2).
"""

import hmac
import io
import secrets
from datetime import datetime

import pyotp
import segno

STEP_SECONDS = 30
_DIGITS = 6
_DRIFT_STEPS = 1
_RECOVERY_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without i l o 0 1
_RECOVERY_LENGTH = 16  # 31^16 is 79 bits
_GROUP = 4


def make_totp_secret() -> str:
    """Return a new secret of 160 bits in base 32 (RFC 4226 section 4, requirement R6)."""
    return pyotp.random_base32(32)


def match_step(secret: str, code: str, now: datetime, last_step: int) -> int | None:
    """Return the time step whose code this is, or None if it matches none or was used before."""
    if len(code) != _DIGITS or not (code.isascii() and code.isdigit()):
        return None
    totp, here = pyotp.TOTP(secret), int(now.timestamp()) // STEP_SECONDS
    steps = range(max(0, here - _DRIFT_STEPS), here + _DRIFT_STEPS + 1)
    matching = [s for s in steps if hmac.compare_digest(totp.generate_otp(s), code)]
    return next((step for step in matching if step > last_step), None)


def provisioning_uri(secret: str, account: str, issuer: str) -> str:
    """Return the ``otpauth://`` address that authenticator apps read from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)


def draw_qr(content: str) -> str:
    """Return an SVG picture of ``content`` as a QR code, to be put into a page as it is.

    Colours are attributes of the picture, no style is inline (the pages' CSP forbids it).
    """
    out = io.BytesIO()
    segno.make_qr(content, error="m").save(
        out, kind="svg", xmldecl=False, svgclass="qr", lineclass=None, omitsize=True, border=2,
        dark="#000", light="#fff",
    )  # fmt: skip
    return out.getvalue().decode()


def make_recovery_code() -> str:
    """Return a new recovery code such as ``k7wd-…`` in four groups."""
    drawn = "".join(secrets.choice(_RECOVERY_ALPHABET) for _ in range(_RECOVERY_LENGTH))
    return "-".join(drawn[i : i + _GROUP] for i in range(0, _RECOVERY_LENGTH, _GROUP))


def clean_code(text: str) -> str:
    """Return what was typed without blanks, hyphens and capitals, full-width digits as ASCII."""
    plain = text.translate({ord("０") + n: str(n) for n in range(10)})
    return "".join(c for c in plain.lower() if not c.isspace() and c not in "-－ー‐")[:64]


def is_totp_code(code: str) -> bool:
    """Tell whether a cleaned code has the form of a TOTP code rather than a recovery code."""
    return len(code) == _DIGITS and code.isascii() and code.isdigit()

"""Secrets at rest: sealed with a key that is kept outside the database.

AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce; the context (such as
``identity.totp:per_…``) is bound as associated data, so a sealed value cannot be moved elsewhere.
"""

import hashlib
import hmac
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sekisho.kernel.errors import InvalidInputError, UnavailableError
from sekisho.kernel.i18n import msg

KEY_BYTES = 32
_NONCE_BYTES = 12
_FORM = b"\x01"


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that does not show itself in logs, errors or pages."""

    value: str

    def __repr__(self) -> str:
        """Show nothing."""
        return "***"

    __str__ = __repr__

    def reveal(self) -> str:
        """Return the value itself."""
        return self.value


class SecretBox:
    """Seals and opens small secrets under one key."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise InvalidInputError(
                msg("The secret key has %(got)s bytes; 32 are expected.", got=len(key)),
                hint=msg("Restore the file secret.key from a backup."),
            )
        self._cipher = AESGCM(key)
        self._key = key

    @classmethod
    def load_or_create(cls, path: Path) -> "SecretBox":
        """Read the key at ``path``; make one (mode 0600, synced) where there is none.

        Raises UnavailableError if others may read the file.
        """
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return cls.load(path)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> "SecretBox":
        """Read the key at ``path``; raise UnavailableError if it cannot be read or is open."""
        try:
            if os.name == "posix" and path.stat().st_mode & 0o077:
                raise UnavailableError(
                    msg("Others than the owner can read the secret key %(path)s.", path=path),
                    hint=msg("Run: chmod 600 %(path)s", path=path),
                )
            return cls(path.read_bytes())
        except OSError as error:
            raise UnavailableError(
                msg("The secret key %(path)s cannot be read: %(why)s", path=path, why=error),
                hint=msg("Run as the user that owns the data folder."),
            ) from error

    def seal(self, plain: bytes, context: str) -> bytes:
        """Return ``plain`` encrypted and bound to ``context``."""
        nonce = os.urandom(_NONCE_BYTES)
        return _FORM + nonce + self._cipher.encrypt(nonce, plain, _FORM + context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """Return what was sealed under ``context``; raise InvalidInputError for anything else."""
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        bound = sealed[:1] + context.encode()
        try:
            return self._cipher.decrypt(nonce, body, bound)
        except (InvalidTag, ValueError) as error:
            raise InvalidInputError(
                msg("A stored secret (%(context)s) does not open with this key.", context=context),
                hint=msg("The database and secret.key must come from the same backup."),
            ) from error

    def mac(self, data: bytes, context: str) -> bytes:
        """Return HMAC-SHA-256 of ``data`` under a key derived for ``context`` (RFC 2104)."""
        derived = hmac.digest(self._key, b"mac:" + context.encode(), hashlib.sha256)
        return hmac.digest(derived, data, hashlib.sha256)

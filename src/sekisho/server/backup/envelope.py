r"""The encrypted envelope of a backup: who can open it, and that nothing was changed or cut.

- ``SEKISHO BACKUP 1\\n``, the header's length (4 bytes, big-endian), the header (JSON), chunks;
- the file key comes from a passphrase by scrypt (RFC 7914) or from X25519 (RFC 7748) with a
  fresh key towards a recovery key, through HKDF-SHA-256 (RFC 5869);
- chunks of 1 MiB, AES-256-GCM, nonce = chunk number (11 bytes) ‖ 1 for the last chunk, else 0;
  the header's digest is bound to each. So a cut, swapped or prolonged file does not open.
"""

import base64
import hashlib
import io
import os
import struct
from dataclasses import dataclass
from typing import IO, Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from sekisho.kernel.errors import ConflictError, InvalidInputError
from sekisho.kernel.i18n import msg
from sekisho.kernel.secrets import Secret

_FAMILY = b"SEKISHO BACKUP "
MAGIC = _FAMILY + b"1\n"
CHUNK = 1024 * 1024
_TAG = 16
_LARGEST_HEADER = 4_096
SHORTEST_PASSPHRASE = 12
# 128 MiB and about a third of a second: OWASP Password Storage Cheat Sheet, scrypt N=2^17 r=8 p=1.
_SCRYPT_N = 2**17
_SCRYPT_MOST_N = 2**20
_length = struct.Struct(">I")


class _Header(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the file key is found; ``check`` tells a wrong key from a damaged file."""

    kdf: str
    check: str = ""
    salt: bytes = b""
    n: int = 0
    ephemeral: bytes = b""
    recipient: str = ""


@dataclass(frozen=True, slots=True)
class Passphrase:
    """Locks and unlocks with words that a person keeps."""

    words: Secret


@dataclass(frozen=True, slots=True)
class RecoveryKey:
    """Locks towards a public key; ``private`` is needed to unlock only."""

    public: X25519PublicKey
    private: X25519PrivateKey | None = None


Lock = Passphrase | RecoveryKey


def make_recovery_key() -> tuple[bytes, bytes]:
    """Return a new recovery key as PEM: (private, public)."""
    key = X25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private, public


def read_recovery_key(pem: bytes) -> RecoveryKey:
    """Read a recovery key, public or private; raise InvalidInputError for anything else."""
    try:
        if b"PRIVATE KEY" in pem:
            private = serialization.load_pem_private_key(pem, None)
            if isinstance(private, X25519PrivateKey):
                return RecoveryKey(private.public_key(), private)
        else:
            public = serialization.load_pem_public_key(pem)
            if isinstance(public, X25519PublicKey):
                return RecoveryKey(public)
    except (ValueError, TypeError) as error:
        raise InvalidInputError(
            msg("This is not a recovery key: %(why)s", why=error)
        ) from error  # fmt: skip
    raise InvalidInputError(
        msg("This is a key of another kind; a recovery key (X25519, PEM) is expected."),
        hint=msg("Make one with: sekisho backup --make-recovery-key FILE"),
    )


class SealingWriter(io.RawIOBase):
    """Takes plain bytes and writes the envelope to ``target``; ``finish`` writes the last chunk."""

    def __init__(self, target: IO[bytes], lock: Lock) -> None:
        super().__init__()
        header, key = _lock(lock)
        self._target = target
        self._cipher = AESGCM(key)
        self._pending = bytearray()
        self._number = 0
        encoded = msgspec.json.encode(header)
        head = MAGIC + _length.pack(len(encoded)) + encoded
        self._bound = hashlib.sha256(head).digest()
        target.write(head)

    def writable(self) -> bool:
        """Say that this can be written to."""
        return True

    def write(self, data: Any) -> int:
        """Take bytes; whole chunks leave at once."""
        self._pending += data
        while len(self._pending) > CHUNK:
            self._seal(bytes(self._pending[:CHUNK]), last=False)
            del self._pending[:CHUNK]
        return len(data)

    def finish(self) -> None:
        """Write the last chunk; without it the file counts as cut."""
        self._seal(bytes(self._pending), last=True)
        self._pending.clear()

    def _seal(self, plain: bytes, *, last: bool) -> None:
        self._target.write(self._cipher.encrypt(_nonce(self._number, last), plain, self._bound))
        self._number += 1


class OpeningReader(io.RawIOBase):
    """Gives the plain bytes of an envelope, each chunk only after it has proven whole."""

    def __init__(self, source: IO[bytes], lock: Lock) -> None:
        super().__init__()
        head, header = _read_header(source)
        key = _unlock(lock, header)
        if _check_of(key) != header.check:
            raise InvalidInputError(
                msg("The passphrase or recovery key does not fit this backup."),
                hint=msg("Look for the one in use when the backup was written."),
            )
        self._source = source
        self._cipher = AESGCM(key)
        self._bound = hashlib.sha256(head).digest()
        self._ahead = source.read(CHUNK + _TAG)
        self._plain = b""
        self._number = 0
        self.finished = False

    def readable(self) -> bool:
        """Say that this can be read from."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` with plain bytes; 0 means the proven end."""
        while not self._plain and not self.finished:
            self._open_next()
        count = min(len(buffer), len(self._plain))
        buffer[:count] = self._plain[:count]
        self._plain = self._plain[count:]
        return count

    def _open_next(self) -> None:
        following = self._source.read(CHUNK + _TAG)
        last = not following
        try:
            nonce = _nonce(self._number, last)
            self._plain = self._cipher.decrypt(nonce, self._ahead, self._bound)
        except (InvalidTag, ValueError) as error:
            raise InvalidInputError(
                msg("The backup is damaged or cut short in part %(n)s.", n=self._number + 1),
                hint=msg("Copy the file again, or use another backup; nothing was restored."),
            ) from error
        self._ahead, self.finished = following, last
        self._number += 1


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _lock(lock: Lock) -> tuple[_Header, bytes]:
    if isinstance(lock, Passphrase):
        words = lock.words.reveal()
        if len(words) < SHORTEST_PASSPHRASE:
            raise InvalidInputError(
                msg("The passphrase has %(got)s characters; at least %(least)s are expected.",
                    got=len(words), least=SHORTEST_PASSPHRASE),
                hint=msg("Take several words that nobody can guess, and keep them elsewhere."),
            )  # fmt: skip
        salt = os.urandom(16)
        key = _stretch(words, salt, _SCRYPT_N)
        return _Header("scrypt", _check_of(key), salt=salt, n=_SCRYPT_N), key
    ephemeral = X25519PrivateKey.generate()
    public = ephemeral.public_key().public_bytes_raw()
    key = _agree(ephemeral, lock.public, public + lock.public.public_bytes_raw())
    return (
        _Header("x25519", _check_of(key), ephemeral=public, recipient=_name_of(lock.public)), key
    )  # fmt: skip


def _unlock(lock: Lock, header: _Header) -> bytes:
    if header.kdf == "scrypt" and isinstance(lock, Passphrase):
        if not 2**14 <= header.n <= _SCRYPT_MOST_N or header.n & (header.n - 1):
            raise _damaged()
        return _stretch(lock.words.reveal(), header.salt, header.n)
    if header.kdf == "x25519" and isinstance(lock, RecoveryKey) and lock.private:
        if _name_of(lock.public) != header.recipient:
            raise InvalidInputError(
                msg("The backup is locked towards the recovery key %(want)s; this is %(got)s.",
                    want=header.recipient, got=_name_of(lock.public))
            )  # fmt: skip
        bound = header.ephemeral + lock.public.public_bytes_raw()
        try:
            return _agree(lock.private, X25519PublicKey.from_public_bytes(header.ephemeral), bound)
        except ValueError as error:
            raise _damaged() from error
    wanted = {"scrypt": msg("a passphrase"), "x25519": msg("the private recovery key")}
    if header.kdf not in wanted:
        raise _damaged()
    raise InvalidInputError(msg("This backup needs %(what)s.", what=wanted[header.kdf]))


def _read_header(source: IO[bytes]) -> tuple[bytes, _Header]:
    magic = source.read(len(MAGIC))
    if magic.startswith(_FAMILY) and magic != MAGIC and magic[len(_FAMILY) :][:1].isdigit():
        raise ConflictError(
            msg("The backup was written by a newer version of Sekisho."),
            hint=msg("Update Sekisho, then restore."),
        )
    if magic != MAGIC:
        raise InvalidInputError(
            msg("This is not a backup of Sekisho."), hint=msg("Name the file that backup wrote.")
        )
    size = source.read(_length.size)
    count = _length.unpack(size)[0] if len(size) == _length.size else _LARGEST_HEADER + 1
    encoded = source.read(count) if count <= _LARGEST_HEADER else b""
    try:
        return magic + size + encoded, msgspec.json.decode(encoded, type=_Header)
    except msgspec.MsgspecError as error:
        raise _damaged() from error


def _damaged() -> InvalidInputError:
    return InvalidInputError(
        msg("The head of the backup is damaged or cut short."),
        hint=msg("Copy the file again, or use another backup; nothing was restored."),
    )


def _stretch(words: str, salt: bytes, n: int) -> bytes:
    return Scrypt(salt=salt, length=32, n=n, r=8, p=1).derive(words.encode())


def _agree(private: X25519PrivateKey, public: X25519PublicKey, bound: bytes) -> bytes:
    kdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=bound, info=MAGIC)
    return kdf.derive(private.exchange(public))


def _check_of(key: bytes) -> str:
    return hashlib.sha256(b"sekisho backup check\n" + key).hexdigest()[:16]


def _name_of(public: X25519PublicKey) -> str:
    return base64.b32encode(hashlib.sha256(public.public_bytes_raw()).digest()[:10]).decode()

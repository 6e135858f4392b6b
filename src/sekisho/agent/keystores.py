"""Where a device's key can lie, best first: TPM, Windows' CNG, macOS' keychain, a file.

Every place has the same two steps: ``make`` a key and a request for it, and ``accept`` the
certificate that came. All outside programs are of the base system and are started through ``run``.
Sources: tpm2-openssl's README; certreq's and certutil's pages at learn.microsoft.com;
security(1) of macOS (``import -x``: the key cannot be taken out again).

What is said is what is so: a key that could not be put into a better place is a ``file``.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sekisho.agent.errors import AgentError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

NEW_KEY = "device-key.new"
SUBJECT = "sekisho-device"
_TPM_DEVICE = Path("/dev/tpmrm0")
_SYSTEM_KEYCHAIN = "/Library/Keychains/System.keychain"
_SECURITY = "/usr/bin/security"
_CNG_TPM = "Microsoft Platform Crypto Provider"
_CNG_SOFTWARE = "Microsoft Software Key Storage Provider"

Run = Callable[[Sequence[str]], str]
"""Runs a program and returns what it said; raises ``KeyMakingError``."""


class KeyMakingError(AgentError):
    """No key or certificate request could be made; the text says why."""


class KeyStorage(StrEnum):
    """Where the key lies: it can leave a ``FILE``, and no other place."""

    TPM = "tpm"
    CNG = "cng"
    KEYCHAIN = "keychain"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Request:
    """A certificate request (PEM) and where its key lies."""

    csr_pem: str
    key_storage: KeyStorage


@dataclass(frozen=True, slots=True)
class Computer:
    """What decides about the place: ``platform`` as ``sys.platform``, administrator's rights."""

    platform: str
    administrator: bool
    has_tpm: bool = False

    @classmethod
    def current(cls) -> "Computer":
        """Look at this computer."""
        if sys.platform == "win32":
            import ctypes  # noqa: PLC0415 - Windows only

            return cls(sys.platform, bool(ctypes.windll.shell32.IsUserAnAdmin()))
        return cls(sys.platform, os.geteuid() == 0, _TPM_DEVICE.exists())


def make_request(folder: Path, computer: Computer, run: Run) -> Request:
    """Make an EC P-256 key in the best place that works, and a request for it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for make in _better_places(computer):
        try:
            return make(folder, computer, run)
        except KeyMakingError as error:
            print(f"a better place for the key cannot be used: {error}", file=sys.stderr)  # noqa: T201 - this process talks to its parent
    return _request_from_file(folder)


_Make = Callable[[Path, Computer, Run], Request]


def _better_places(computer: Computer) -> Iterator[_Make]:
    if computer.platform == "win32":
        yield partial(_request_from_cng, provider=_CNG_TPM)
        yield partial(_request_from_cng, provider=_CNG_SOFTWARE)
    elif computer.platform == "darwin":
        yield _request_from_keychain
    elif computer.has_tpm:
        yield _request_from_tpm


def accept_certificate(
    certificate: Path, storage: KeyStorage, computer: Computer, run: Run
) -> None:
    """Put the certificate that came beside its key, where the system keeps that.

    Raises ``KeyMakingError``; the certificate's file is good all the same.
    """
    if storage is KeyStorage.KEYCHAIN:
        run([_SECURITY, "add-certificates", "-k", keychain(computer), str(certificate)])
    elif computer.platform == "win32" and storage is not KeyStorage.FILE:
        where = () if computer.administrator else ("-user",)
        run(["certutil.exe", *where, "-f", "-addstore", "My", str(certificate)])
        run(["certutil.exe", *where, "-repairstore", "My", _sha1(certificate)])


def forget_certificate(sha1: str, storage: KeyStorage, computer: Computer, run: Run) -> None:
    """Remove a former certificate and its key from the system's store."""
    if storage is KeyStorage.KEYCHAIN:
        run([_SECURITY, "delete-identity", "-Z", sha1, keychain(computer)])
    elif computer.platform == "win32" and storage is not KeyStorage.FILE:
        store = "LocalMachine" if computer.administrator else "CurrentUser"
        command = f"Remove-Item -Path Cert:\\{store}\\My\\{sha1} -DeleteKey"
        run(["powershell.exe", "-NoProfile", "-NonInteractive", "-Command", command])


def tpm_commands(folder: Path) -> tuple[list[str], list[str]]:
    """Return openssl's calls that make a key inside the TPM (tpm2-openssl) and its request."""
    providers = ["-provider", "tpm2", "-provider", "default", "-propquery", "?provider=tpm2"]
    key = str(folder / NEW_KEY)
    make = ["openssl", "genpkey", *providers, "-algorithm", "EC", "-pkeyopt", "group:P-256"]
    ask = ["openssl", "req", "-new", *providers, "-key", key, "-subj", f"/CN={SUBJECT}"]
    return [*make, "-out", key], ask


def cng_request_settings(provider: str, *, machine: bool) -> str:
    """Return certreq's INF text for a key that cannot be exported, the machine's or the user's."""
    return "\r\n".join(
        [
            "[NewRequest]",
            f'Subject = "CN={SUBJECT}"',
            "KeyAlgorithm = ECDSA_P256",
            "HashAlgorithm = SHA256",
            f'ProviderName = "{provider}"',
            "Exportable = FALSE",
            f"MachineKeySet = {'TRUE' if machine else 'FALSE'}",
            "RequestType = PKCS10",
            "",
        ]
    )


def keychain(computer: Computer) -> str:
    """Return the keychain for the key: the system's for a service, else the person's own."""
    own = Path.home() / "Library/Keychains/login.keychain-db"
    return _SYSTEM_KEYCHAIN if computer.administrator else str(own)


def read_sha1(certificate: Path) -> str:
    """Return the thumbprint under which stores know a certificate, "" when there is none."""
    return _sha1(certificate) if certificate.is_file() else ""


def _sha1(certificate: Path) -> str:
    from cryptography import x509  # noqa: PLC0415 - only in this process
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - only here

    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    return found.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303 - the name of a certificate, no proof of it


def _request_from_tpm(folder: Path, _computer: Computer, run: Run) -> Request:
    make, ask = tpm_commands(folder)
    run(make)
    (folder / NEW_KEY).chmod(0o600)
    return Request(run(ask), KeyStorage.TPM)


def _request_from_cng(folder: Path, computer: Computer, run: Run, *, provider: str) -> Request:
    settings, request = folder / "request.inf", folder / "request.csr"
    text = cng_request_settings(provider, machine=computer.administrator)
    settings.write_text(text, encoding="utf-8")
    request.unlink(missing_ok=True)
    try:
        run(["certreq.exe", "-new", "-q", "-f", str(settings), str(request)])
        csr = request.read_text(encoding="ascii")
    except OSError as error:
        raise KeyMakingError(
            "%(what)s failed: %(why)s", what="certreq.exe", why=error.strerror
        ) from error
    finally:
        settings.unlink(missing_ok=True)
    return Request(csr, KeyStorage.TPM if provider == _CNG_TPM else KeyStorage.CNG)


def _request_from_keychain(folder: Path, computer: Computer, run: Run) -> Request:
    """Make the key, import it so that it cannot be taken out again, and keep no other copy.

    ``security import`` wants a certificate beside the key; a self-signed one of a day is given.
    """
    import secrets  # noqa: PLC0415 - only in this process

    key = _make_key()
    password = secrets.token_urlsafe(24)
    with _private_file(folder / "device-key.p12", _pack_identity(key, password)) as packed:
        target = ["-k", keychain(computer), "-f", "pkcs12", "-P", password, "-x"]
        run([_SECURITY, "import", str(packed), *target])
    return Request(_sign_request(key), KeyStorage.KEYCHAIN)


def _request_from_file(folder: Path) -> Request:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - only in this process

    key = _make_key()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_private(folder / NEW_KEY, pem)
    return Request(_sign_request(key), KeyStorage.FILE)


def _make_key() -> "EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - only in this process

    return ec.generate_private_key(ec.SECP256R1())


def _sign_request(key: "EllipticCurvePrivateKey") -> str:
    from cryptography import x509  # noqa: PLC0415 - only in this process
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 - only here

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, SUBJECT)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _pack_identity(key: "EllipticCurvePrivateKey", password: str) -> bytes:
    """Pack key and a self-signed certificate as PKCS #12 in the way that every macOS can read."""
    import datetime as dt  # noqa: PLC0415 - only in this process

    from cryptography import x509  # noqa: PLC0415 - only in this process
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 - only here
    from cryptography.hazmat.primitives.serialization import pkcs12  # noqa: PLC0415 - only here

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, SUBJECT)])
    now = dt.datetime.fromtimestamp(time.time(), dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    how = serialization.PrivateFormat.PKCS12.encryption_builder()
    how = how.key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
    sealed = how.hmac_hash(hashes.SHA1()).build(password.encode())  # noqa: S303 - all that macOS reads; the file lives for a second
    certificate = builder.sign(key, hashes.SHA256())
    return pkcs12.serialize_key_and_certificates(SUBJECT.encode(), key, certificate, None, sealed)


@contextmanager
def _private_file(path: Path, content: bytes) -> Iterator[Path]:
    """Give a file for a moment; nothing of it stays."""
    write_private(path, content)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that was never readable by others."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)

"""The device's own key, its certificate request, and the check of a manifest's signature.

Runs as a short-lived process (``python -m sekisho.agent.keys``), because the cryptography package
weighs more than the whole loop. Where the key lies is said honestly: ``tpm`` (it cannot leave the
chip), ``cng`` (Windows keeps it, marked as not exportable) or ``file`` (readable by its owner).
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sekisho.agent.errors import AgentError
from sekisho.wire.errors import MessageError
from sekisho.wire.manifest import SignedManifest, decode_base64

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

COMMAND_SECONDS = 60
NEW_KEY = "device-key.new"
KEY = "device-key.pem"
_SUBJECT = "sekisho-device"
_TPM_DEVICE = Path("/dev/tpmrm0")
_USAGE_ARGUMENTS = 2


class KeyMakingError(AgentError):
    """No key or certificate request could be made; the text says why."""


@dataclass(frozen=True, slots=True)
class Request:
    """A certificate request (PEM) and where its key lies: file, tpm or cng."""

    csr_pem: str
    key_storage: str


def run_request(folder: Path) -> Request:
    """Make key and request in a process of its own; raises ``KeyMakingError``."""
    found = json.loads(_run([sys.executable, "-m", __name__, "request", str(folder)]))
    return Request(str(found["csr_pem"]), str(found["key_storage"]))


def run_verify(offered: SignedManifest, key: str) -> bool:
    """Check a manifest's signature in a process of its own; every doubt is False.

    Raises ``KeyMakingError`` when that process cannot run, so that nobody is told of a wrong
    signature that nobody has looked at.
    """
    question = json.dumps({"key": key, **offered.to_message()})
    return _run([sys.executable, "-m", __name__, "verify"], question).strip() == "signed"


def keep_new_key(folder: Path) -> None:
    """Make the newly requested key the device's key, once its certificate has come."""
    new = folder / NEW_KEY
    if new.exists():
        new.replace(folder / KEY)


def make_request(folder: Path) -> Request:
    """Make an EC P-256 key in the best place this computer has, and a request for it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if sys.platform == "win32":
        return _request_from_cng(folder)
    if _TPM_DEVICE.exists():
        try:
            return _request_from_tpm(folder)
        except KeyMakingError as error:
            print(f"the TPM cannot be used, the key goes to a file: {error}", file=sys.stderr)  # noqa: T201 - this process talks to its parent
    return _request_from_file(folder)


def tpm_commands(folder: Path) -> tuple[list[str], list[str]]:
    """Return openssl's calls that make a key inside the TPM (tpm2-openssl) and its request."""
    providers = ["-provider", "tpm2", "-provider", "default", "-propquery", "?provider=tpm2"]
    key = str(folder / NEW_KEY)
    make = ["openssl", "genpkey", *providers, "-algorithm", "EC", "-pkeyopt", "group:P-256"]
    ask = ["openssl", "req", "-new", *providers, "-key", key, "-subj", f"/CN={_SUBJECT}"]
    return [*make, "-out", key], ask


def cng_request_settings(provider: str) -> str:
    """Return certreq's INF text for a machine key that cannot be exported."""
    return "\r\n".join(
        [
            "[NewRequest]",
            f'Subject = "CN={_SUBJECT}"',
            "KeyAlgorithm = ECDSA_P256",
            "HashAlgorithm = SHA256",
            f'ProviderName = "{provider}"',
            "Exportable = FALSE",
            "MachineKeySet = TRUE",
            "RequestType = PKCS10",
            "",
        ]
    )


def is_signed(offered: SignedManifest, key: str) -> bool:
    """Check an Ed25519 signature (RFC 8032) over the manifest."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - only in this process
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - only here
        Ed25519PublicKey,
    )

    try:
        public = Ed25519PublicKey.from_public_bytes(decode_base64(key, 32, "manifest_key"))
        public.verify(offered.signature_bytes(), offered.signed_bytes())
    except (InvalidSignature, MessageError, ValueError):
        return False
    return True


def _request_from_file(folder: Path) -> Request:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - only in this process
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - only here

    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _write_private(folder / NEW_KEY, pem)
    return Request(_sign_request(key), "file")


def _sign_request(key: "EllipticCurvePrivateKey") -> str:
    from cryptography import x509  # noqa: PLC0415 - only in this process
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 - only here

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, _SUBJECT)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _request_from_tpm(folder: Path) -> Request:
    make, ask = tpm_commands(folder)
    _run(make)
    (folder / NEW_KEY).chmod(0o600)
    return Request(_run(ask), "tpm")


def _request_from_cng(folder: Path) -> Request:
    """Ask the TPM's provider first, then the software one; both keep the key inside Windows."""
    failures: list[str] = []
    for provider in (
        "Microsoft Platform Crypto Provider",
        "Microsoft Software Key Storage Provider",
    ):
        settings, request = folder / "request.inf", folder / "request.csr"
        settings.write_text(cng_request_settings(provider), encoding="utf-8")
        request.unlink(missing_ok=True)
        try:
            _run(["certreq.exe", "-new", "-q", "-f", str(settings), str(request)])
        except KeyMakingError as error:
            failures.append(str(error))
        else:
            return Request(request.read_text(encoding="ascii"), "cng")
    raise KeyMakingError("; ".join(failures))


def _write_private(path: Path, content: bytes) -> None:
    """Write a file that was never readable by others."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def _run(command: Sequence[str], given: str = "") -> str:
    try:
        done = subprocess.run(  # noqa: S603 - our own module, openssl or certreq, no shell
            command,
            input=given,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KeyMakingError(
            "%(what)s could not be run: %(why)s", what=command[0], why=error
        ) from error
    if done.returncode:
        raise KeyMakingError(
            "%(what)s failed: %(why)s", what=command[0], why=done.stderr.strip()[-300:]
        )
    return done.stdout


def _main(arguments: Sequence[str]) -> int:
    """Serve the parent process: ``request FOLDER`` or ``verify`` with JSON on standard input."""
    if len(arguments) == _USAGE_ARGUMENTS and arguments[0] == "request":
        made = make_request(Path(arguments[1]))
        answer = json.dumps({"csr_pem": made.csr_pem, "key_storage": made.key_storage})
    else:
        question = json.load(sys.stdin)
        signed = is_signed(SignedManifest.parse(question), str(question["key"]))
        answer = "signed" if signed else "not signed"
    print(answer)  # noqa: T201 - this process answers its parent
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))

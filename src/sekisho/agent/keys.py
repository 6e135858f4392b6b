"""The device's own key, its certificate request, and the check of a manifest's signature.

Runs as a short-lived process (``python -m sekisho.agent.keys``), because the cryptography package
weighs more than the whole loop. Where the key can lie: ``keystores``.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from sekisho.agent.keystores import (
    NEW_KEY,
    Computer,
    KeyMakingError,
    KeyStorage,
    Request,
    accept_certificate,
    forget_certificate,
    make_request,
    read_sha1,
)
from sekisho.wire.errors import MessageError
from sekisho.wire.manifest import SignedManifest, decode_base64

COMMAND_SECONDS = 60
KEY = "device-key.pem"


def run_request(folder: Path) -> Request:
    """Make key and request in a process of its own; raises ``KeyMakingError``."""
    found = json.loads(_run([sys.executable, "-m", __name__, "request", str(folder)]))
    return Request(str(found["csr_pem"]), KeyStorage(found["key_storage"]))


def run_thumbprint(certificate: Path) -> str:
    """Return the thumbprint of a certificate's file, "" when there is none."""
    if not certificate.is_file():
        return ""
    return _run([sys.executable, "-m", __name__, "thumbprint", str(certificate)]).strip()


def run_accept(certificate: Path, storage: KeyStorage, former: str) -> None:
    """Put a certificate beside its key, and remove the ``former`` one (a thumbprint or "").

    Raises ``KeyMakingError``. A key in a file or behind a file needs neither.
    """
    if storage is KeyStorage.FILE or (storage is KeyStorage.TPM and sys.platform != "win32"):
        return
    _run([sys.executable, "-m", __name__, "accept", str(certificate), storage.value, former])


def run_verify(offered: SignedManifest, key: str) -> bool:
    """Check a manifest's signature in a process of its own; every doubt is False.

    Raises ``KeyMakingError`` when that process cannot run, so that nobody is told of a wrong
    signature that nobody has looked at.
    """
    question = json.dumps({"key": key, **offered.to_message()})
    return _run([sys.executable, "-m", __name__, "verify"], question).strip() == "signed"


def keep_new_key(folder: Path, storage: KeyStorage) -> None:
    """Make the newly requested key the device's key, once its certificate has come.

    A key file of former times goes when the key now lies in a store of the system.
    """
    new = folder / NEW_KEY
    if new.exists():
        new.replace(folder / KEY)
    elif storage is not KeyStorage.FILE:
        (folder / KEY).unlink(missing_ok=True)


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


def _run(command: Sequence[str], given: str = "") -> str:
    try:
        done = subprocess.run(  # noqa: S603 - our own module or a program of the system, no shell
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
        # Windows' own programs say what went wrong on standard output.
        said = (done.stderr.strip() or done.stdout.strip())[-300:]
        raise KeyMakingError("%(what)s failed: %(why)s", what=command[0], why=said)
    return done.stdout


def _answer_request(folder: str) -> str:
    made = make_request(Path(folder), Computer.current(), _run)
    return json.dumps({"csr_pem": made.csr_pem, "key_storage": made.key_storage.value})


def _answer_accept(certificate: str, storage: str, former: str) -> str:
    computer, place = Computer.current(), KeyStorage(storage)
    accept_certificate(Path(certificate), place, computer, _run)
    if former:
        forget_certificate(former, place, computer, _run)
    return "accepted"


def _answer_verify() -> str:
    question = json.load(sys.stdin)
    signed = is_signed(SignedManifest.parse(question), str(question["key"]))
    return "signed" if signed else "not signed"


_ANSWERS: dict[str, Callable[..., str]] = {
    "request": _answer_request,
    "thumbprint": lambda path: read_sha1(Path(path)),
    "accept": _answer_accept,
    "verify": _answer_verify,
}


def _main(arguments: Sequence[str]) -> int:
    """Serve the parent process: a word of ``_ANSWERS`` and its arguments."""
    try:
        answer = _ANSWERS[arguments[0]](*arguments[1:])
    except KeyMakingError as error:
        print(error, file=sys.stderr)  # noqa: T201 - this process talks to its parent
        return 1
    print(answer)  # noqa: T201 - this process answers its parent
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))

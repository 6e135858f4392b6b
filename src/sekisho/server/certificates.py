"""The certificate this server shows: from its own CA, the organisation's own, or by ACME.

Whatever the source, one PEM file with the chain and one key file lie in ``DATA/tls``; the web
process is started anew when they change.
"""

import datetime as dt
import os
from dataclasses import dataclass
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from sekisho.kernel.errors import InvalidInputError, UnavailableError
from sekisho.kernel.i18n import msg
from sekisho.kernel.settings import Settings
from sekisho.server.bootstrap import House

log = structlog.get_logger()

_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """Where the chain (PEM) and its key lie, and when the certificate ends."""

    certificate: Path
    key: Path
    not_after: dt.datetime


def ensure_certificate(house: House, *, ask: bool = True) -> ServerCertificate:
    """Return a certificate that is valid for this server's names; make or renew our own.

    With ``ask`` false an ACME authority is not asked (that can take a minute) as long as there
    is any certificate to show. Raises InvalidInputError if the organisation's own certificate
    cannot be used.
    """
    settings, now = house.settings, house.clock.now()
    if settings.certificate:
        return check_own(settings, now)
    paths = settings.data / "tls" / "server.pem", settings.data / "tls" / "server.key"
    found = _read(paths[0]) if all(path.is_file() for path in paths) else None
    if found is None or (_is_due(house, found, now) and (ask or not _uses_acme(settings))):
        chain, key_pem = _make(house, now)
        paths[0].parent.mkdir(mode=0o700, exist_ok=True)
        write_private(paths[1], key_pem)
        write_private(paths[0], chain)
        found = _read(paths[0])
    return ServerCertificate(*paths, found.not_valid_after_utc)


def _uses_acme(settings: Settings) -> bool:
    return bool(settings.acme_directory and settings.public_name)


def _is_due(house: House, certificate: x509.Certificate, now: dt.datetime) -> bool:
    """Tell whether another certificate is wanted; our own only stands in for one by ACME."""
    if not _uses_acme(house.settings):
        return needs_renewal(certificate, _names(house.settings), now)
    stands_in = certificate.issuer == house.authority.certificate.subject
    return stands_in or needs_renewal(certificate, [house.settings.public_name], now)


def _make(house: House, now: dt.datetime) -> tuple[str, str]:
    """Get a chain and its key by ACME where that was asked for, else from our own CA.

    An authority that cannot be reached does not keep the server from starting: our own
    certificate stands in, and the worker asks again.
    """
    if _uses_acme(house.settings):
        from sekisho.server.acme import obtain_certificate  # noqa: PLC0415 - 6 MiB in 3 processes

        try:
            return obtain_certificate(house.settings, house.box)
        except UnavailableError as error:
            log.warning("no certificate by ACME yet", why=str(error.message))
    issued = house.authority.issue_server(_names(house.settings), now)
    return issued.certificate_pem + house.authority.certificate_pem, issued.key_pem


def needs_renewal(certificate: x509.Certificate, names: list[str], now: dt.datetime) -> bool:
    """Tell whether less than a third of the certificate's life is left or a name is missing."""
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    missing = set(names) - set(covered_names(certificate))
    return bool(missing) or now > certificate.not_valid_after_utc - life / 3


def covered_names(certificate: x509.Certificate) -> list[str]:
    """List the DNS names and addresses of a certificate's subject alternative names."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = [str(address) for address in found.get_values_for_type(x509.IPAddress)]
    return [*found.get_values_for_type(x509.DNSName), *addresses]


def check_own(settings: Settings, now: dt.datetime) -> ServerCertificate:
    """Check the organisation's own certificate: readable, its key, its name, its time."""
    certificate_path, key_path = Path(settings.certificate), Path(settings.certificate_key)
    try:
        certificate = _read(certificate_path)
        key = load_pem_private_key(key_path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise InvalidInputError(
            msg("The certificate or its key cannot be read: %(why)s", why=error),
            hint=msg("Give PEM files: --certificate CHAIN.pem --certificate-key KEY.pem."),
        ) from error
    if key.public_key() != certificate.public_key():
        raise InvalidInputError(
            msg("The key %(key)s does not belong to the certificate %(certificate)s.",
                key=key_path, certificate=certificate_path),
        )  # fmt: skip
    _check_time_and_name(certificate, settings.public_name, now)
    return ServerCertificate(certificate_path, key_path, certificate.not_valid_after_utc)


def _check_time_and_name(certificate: x509.Certificate, name: str, now: dt.datetime) -> None:
    if now >= certificate.not_valid_after_utc:
        raise InvalidInputError(
            msg("The certificate ended on %(end)s.", end=certificate.not_valid_after_utc.date()),
            hint=msg("Renew it where you got it, then start Sekisho again."),
        )
    covered = covered_names(certificate)
    wildcard = f"*.{name.partition('.')[2]}"
    if name and name not in covered and wildcard not in covered:
        raise InvalidInputError(
            msg("The certificate is for %(got)s, not for the public name %(name)s.",
                got=", ".join(covered) or "—", name=name),
            hint=msg("Get a certificate for that name, or change --public-name."),
        )  # fmt: skip


def write_private(path: Path, text: str) -> None:
    """Write ``text`` for the owner's eyes only, whole or not at all."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _names(settings: Settings) -> list[str]:
    return [*([settings.public_name] if settings.public_name else []), *_LOCAL_NAMES]


def _read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())

"""The organisation's own certificate authority: for the server's name and for its devices.

EC P-256 throughout (osquery offers ECDHE-ECDSA with AES-GCM; RFC 5280 for the fields). The CA's
key never leaves the data folder and is sealed at rest; certificates of devices are short-lived,
so that forgetting to revoke one is harmless after a few days.
"""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import msg
from sekisho.kernel.secrets import SecretBox

CA_LIFETIME = dt.timedelta(days=3650)
SERVER_LIFETIME = dt.timedelta(days=90)
DEVICE_LIFETIME = dt.timedelta(days=7)
_BACKDATE = dt.timedelta(minutes=5)  # a device's clock may be a little behind ours
_CONTEXT = "kernel.pki:ca"


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate as PEM, its serial number (hex), its end, and the key where we made it."""

    certificate_pem: str
    serial: str
    not_after: dt.datetime
    key_pem: str = ""


class CertificateAuthority:
    """Signs for one organisation."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self.key = key
        self.certificate = certificate

    @property
    def certificate_pem(self) -> str:
        """Return the CA's own certificate, which every enrolment kit carries."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @classmethod
    def load_or_create(
        cls, folder: Path, box: SecretBox, name: str, now: dt.datetime
    ) -> "CertificateAuthority":
        """Load the CA in ``folder`` (``ca.pem``, ``ca.key.sealed``); make it if there is none."""
        certificate_path, key_path = folder / "ca.pem", folder / "ca.key.sealed"
        if certificate_path.is_file():
            plain = box.open(key_path.read_bytes(), _CONTEXT)
            key = serialization.load_der_private_key(plain, None)
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise InvalidInputError(msg("The CA key is not an elliptic curve key."))
            return cls(key, x509.load_pem_x509_certificate(certificate_path.read_bytes()))
        made = cls._create(name, now)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key_path.write_bytes(box.seal(_der(made.key), _CONTEXT))
        key_path.chmod(0o600)
        certificate_path.write_text(made.certificate_pem, encoding="ascii")
        return made

    @classmethod
    def _create(cls, name: str, now: dt.datetime) -> "CertificateAuthority":
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Sekisho CA {name}"[:64])])
        certificate = (
            _builder(subject, subject, key.public_key(), now, CA_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate)

    def issue_server(self, names: Sequence[str], now: dt.datetime) -> Issued:
        """Make a key and a certificate for this server under ``names`` (DNS names or addresses)."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._issue(
            names[0], key.public_key(), now, SERVER_LIFETIME,
            [_alternative(name) for name in names], ExtendedKeyUsageOID.SERVER_AUTH, key,
        )  # fmt: skip

    def sign_device(self, request_pem: str, device: str, now: dt.datetime) -> Issued:
        """Sign a device's certificate request; only its key is taken, the name is ours.

        Raises InvalidInputError if the request is unreadable, not signed by its own key, or not
        an EC P-256 key.
        """
        public_key = _requested_key(request_pem)
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(f"sekisho:device:{device}")]
        return self._issue(
            device, public_key, now, DEVICE_LIFETIME, names, ExtendedKeyUsageOID.CLIENT_AUTH
        )

    def _issue(
        self,
        common_name: str,
        public_key: ec.EllipticCurvePublicKey,
        now: dt.datetime,
        lifetime: dt.timedelta,
        names: Sequence[x509.GeneralName],
        use: x509.ObjectIdentifier,
        key: ec.EllipticCurvePrivateKey | None = None,
    ) -> Issued:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])
        certificate = (
            _builder(subject, self.certificate.subject, public_key, now, lifetime)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )
        return Issued(
            certificate.public_bytes(serialization.Encoding.PEM).decode(),
            f"{certificate.serial_number:x}",
            certificate.not_valid_after_utc,
            _pem(key) if key else "",
        )


def _requested_key(request_pem: str) -> ec.EllipticCurvePublicKey:
    try:
        request = x509.load_pem_x509_csr(request_pem.encode())
        key, sound = request.public_key(), request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm):
        key, sound = None, False
    if not sound or not isinstance(key, ec.EllipticCurvePublicKey):
        raise InvalidInputError(
            msg(
                "The certificate request cannot be used; a PKCS #10 request signed by its own "
                "EC P-256 key is expected."
            ),
            hint=msg("Let the agent make a new one: sekisho agent enroll."),
        )
    if not isinstance(key.curve, ec.SECP256R1):
        raise InvalidInputError(
            msg("The certificate request uses the curve %(got)s; P-256 is expected.",
                got=key.curve.name)
        )  # fmt: skip
    return key


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: dt.datetime,
    lifetime: dt.timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + lifetime)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=signs_certificates,
        crl_sign=signs_certificates, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _der(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()

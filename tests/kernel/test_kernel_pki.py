"""The organisation's CA signs what it made or was rightly asked for, and nothing else."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.pki import CertificateAuthority
from sekisho.kernel.secrets import SecretBox

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def authority(tmp_path: Path, box: SecretBox) -> CertificateAuthority:
    return CertificateAuthority.load_or_create(tmp_path / "ca", box, "港", NOW)


def _request(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, name: str = "evil") -> str:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def test_the_authority_is_kept(
    authority: CertificateAuthority, tmp_path: Path, box: SecretBox
) -> None:
    again = CertificateAuthority.load_or_create(tmp_path / "ca", box, "other", NOW)

    assert again.certificate_pem == authority.certificate_pem
    assert b"PRIVATE" not in (tmp_path / "ca" / "ca.key.sealed").read_bytes()


def test_a_server_certificate_verifies(authority: CertificateAuthority) -> None:
    issued = authority.issue_server(["localhost", "127.0.0.1"], NOW)

    store = x509.verification.Store([authority.certificate])
    verifier = x509.verification.PolicyBuilder().store(store).time(NOW)
    leaf = x509.load_pem_x509_certificate(issued.certificate_pem.encode())
    chain = verifier.build_server_verifier(x509.DNSName("localhost")).verify(leaf, [])
    assert chain[-1] == authority.certificate


def test_a_device_certificate_carries_our_name_for_it(authority: CertificateAuthority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())

    issued = authority.sign_device(_request(key, "evil"), "dev_1", NOW)

    leaf = x509.load_pem_x509_certificate(issued.certificate_pem.encode())
    assert leaf.subject.rfc4514_string() == "CN=dev_1"
    assert leaf.public_key() == key.public_key()
    assert issued.not_after == NOW + timedelta(days=7)


@pytest.mark.parametrize(
    "request_pem",
    [
        "",
        "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        _request(rsa.generate_private_key(65537, 2048)),
        _request(ec.generate_private_key(ec.SECP384R1())),
    ],
)
def test_other_requests_are_refused(authority: CertificateAuthority, request_pem: str) -> None:
    with pytest.raises(InvalidInputError):
        authority.sign_device(request_pem, "dev_1", NOW)

"""What kits trust: authorities and never today's certificate, public ones for public names."""

import datetime as dt
import ssl
from pathlib import Path

import pytest

from sekisho.devices.trust import is_public_name, pick_authorities, read_public_roots
from sekisho.kernel.pki import CertificateAuthority
from sekisho.kernel.secrets import SecretBox

NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority.load_or_create(tmp_path / "ca", SecretBox(bytes(32)), "港", NOW)


@pytest.mark.parametrize(
    ("host", "public"),
    [
        ("sekisho.example.co.jp", True),
        ("SEKISHO.example.com.", True),
        ("localhost", False),
        ("sekisho", False),
        ("sekisho.local", False),
        ("sekisho.corp", False),
        ("sekisho.lan", False),
        ("sekisho.internal", False),
        ("a..jp", False),
        ("192.0.2.1", False),
        ("2001:db8::1", False),
        ("", False),
    ],
)
def test_which_names_a_public_authority_could_certify(host: str, public: bool) -> None:
    assert is_public_name(host) is public


def test_a_chain_gives_its_authorities_and_not_the_certificate(
    authority: CertificateAuthority,
) -> None:
    issued = authority.issue_server(["sekisho.example.co.jp"], NOW)
    chain = issued.certificate_pem + authority.certificate_pem

    assert pick_authorities(chain) == authority.certificate_pem
    assert pick_authorities(issued.certificate_pem) == issued.certificate_pem
    assert pick_authorities("") == ""


def test_the_public_roots_of_this_machine_are_authorities() -> None:
    roots = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    roots.load_verify_locations(cadata=read_public_roots())

    assert len(roots.get_ca_certs()) > 50

"""A certificate is got by ACME from an authority that checks everything it is sent."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from fakes.acme_server import Authority, running_authority
from sekisho.kernel.errors import UnavailableError
from sekisho.kernel.secrets import SecretBox
from sekisho.kernel.settings import Address, Settings
from sekisho.server.acme import obtain_certificate

NAME = "sekisho.example.jp"


@pytest.fixture
def challenge_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def authority(
    tmp_path: Path, challenge_port: int, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Authority]:
    # The library trusts the machine's roots; this names the fake's root for the test.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "acme-root.pem"))
    with running_authority(tmp_path, challenge_port) as running:
        yield running


@pytest.fixture
def settings(tmp_path: Path, authority: Authority, challenge_port: int) -> Settings:
    return Settings(
        tmp_path,
        public_name=NAME,
        acme_directory=f"{authority.url}/directory",
        acme_email="it@example.jp",
        acme_listen=Address("127.0.0.1", challenge_port),
    )


def test_a_certificate_for_the_public_name(settings: Settings, box: SecretBox) -> None:
    chain, key_pem = obtain_certificate(settings, box)

    leaf, issuer = x509.load_pem_x509_certificates(chain.encode())
    assert leaf.subject.rfc4514_string() == f"CN={NAME}"
    assert leaf.issuer == issuer.subject
    assert load_pem_private_key(key_pem.encode(), None).public_key() == leaf.public_key()


def test_the_account_is_kept_for_the_next_time(
    settings: Settings, box: SecretBox, authority: Authority
) -> None:
    obtain_certificate(settings, box)
    obtain_certificate(settings, box)

    assert len(authority.accounts) == 1
    assert b"PRIVATE" not in (settings.data / "acme" / "account.key.sealed").read_bytes()


def test_a_refusal_is_said_with_its_reason(
    settings: Settings, box: SecretBox, authority: Authority
) -> None:
    authority.refuse = True

    with pytest.raises(UnavailableError, match=f"{NAME}: wrong answer"):
        obtain_certificate(settings, box)


def test_an_authority_that_is_not_there(tmp_path: Path, box: SecretBox) -> None:
    nowhere = Settings(tmp_path, public_name=NAME, acme_directory="https://127.0.0.1:9/directory")

    with pytest.raises(UnavailableError, match=NAME):
        obtain_certificate(nowhere, box)

"""Where the device's key lies: the best place that works, and what is said is what is so."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import pkcs12

from fakes.osquery_server import TestAuthority
from sekisho.agent.keystores import (
    NEW_KEY,
    Computer,
    KeyMakingError,
    KeyStorage,
    accept_certificate,
    cng_request_settings,
    forget_certificate,
    make_request,
)

WINDOWS_SERVICE = Computer("win32", administrator=True)
WINDOWS_PERSON = Computer("win32", administrator=False)
MAC_SERVICE = Computer("darwin", administrator=True)
LINUX = Computer("linux", administrator=True)
LINUX_TPM = Computer("linux", administrator=True, has_tpm=True)


@dataclass
class System:
    """The system's programs: what was run, and which of them fail with which words."""

    fails: dict[str, str] = field(default_factory=dict)
    on_run: Callable[[Sequence[str]], str] = lambda _words: ""
    ran: list[list[str]] = field(default_factory=list)

    def __call__(self, words: Sequence[str]) -> str:
        self.ran.append(list(words))
        for part, why in self.fails.items():
            if part in " ".join(words):
                raise KeyMakingError("%(what)s failed: %(why)s", what=words[0], why=why)
        return self.on_run(words)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    folder = tmp_path / "certificate"
    folder.mkdir()
    return TestAuthority().write_server_files(folder, ("localhost",))[0]


def is_request(pem: str) -> bool:
    return x509.load_pem_x509_csr(pem.encode()).is_signature_valid


def test_without_a_better_place_the_key_is_a_file_of_its_owner(tmp_path: Path) -> None:
    system = System()

    made = make_request(tmp_path / "agent", LINUX, system)

    assert made.key_storage is KeyStorage.FILE
    assert is_request(made.csr_pem)
    assert system.ran == []
    assert (tmp_path / "agent" / NEW_KEY).stat().st_mode & 0o777 == 0o600


def test_linux_with_a_tpm_makes_the_key_inside_it(tmp_path: Path) -> None:
    def openssl(words: Sequence[str]) -> str:
        if words[1] == "genpkey":
            Path(words[-1]).write_text("-----BEGIN TSS2 PRIVATE KEY-----")
            return ""
        return "-----BEGIN CERTIFICATE REQUEST-----"

    system = System(on_run=openssl)
    made = make_request(tmp_path, LINUX_TPM, system)

    assert made.key_storage is KeyStorage.TPM
    assert all("tpm2" in words for words in system.ran)
    assert (tmp_path / NEW_KEY).stat().st_mode & 0o777 == 0o600


def test_a_tpm_without_its_provider_leaves_a_file_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # What OpenSSL 3.0 of Debian 12 says without the package tpm2-openssl.
    system = System(fails={"tpm2": "genpkey: unable to load provider tpm2"})

    made = make_request(tmp_path, LINUX_TPM, system)

    assert made.key_storage is KeyStorage.FILE
    assert "unable to load provider tpm2" in capsys.readouterr().err


def write_csr(words: Sequence[str]) -> str:
    Path(words[-1]).write_text("-----BEGIN NEW CERTIFICATE REQUEST-----", encoding="ascii")
    return "CertReq: Request Created\n"


def test_windows_asks_the_tpm_first(tmp_path: Path) -> None:
    made = make_request(tmp_path, WINDOWS_SERVICE, System(on_run=write_csr))

    assert made.key_storage is KeyStorage.TPM
    assert made.csr_pem.startswith("-----BEGIN NEW CERTIFICATE REQUEST")
    assert not (tmp_path / "request.inf").exists()
    assert not (tmp_path / NEW_KEY).exists()


def test_windows_without_a_tpm_keeps_the_key_in_cng(tmp_path: Path) -> None:
    given: list[str] = []

    def certreq(words: Sequence[str]) -> str:
        given.append(Path(words[-2]).read_text())
        if "Platform" in given[-1]:
            # NTE_DEVICE_NOT_READY, as certreq says it on a computer without a TPM.
            raise KeyMakingError("%(what)s failed: %(why)s", what="certreq", why="0x80090030")
        return write_csr(words)

    made = make_request(tmp_path, WINDOWS_PERSON, System(on_run=certreq))

    assert made.key_storage is KeyStorage.CNG
    assert ["MachineKeySet = FALSE" in text for text in given] == [True, True]
    assert ["Exportable = FALSE" in text for text in given] == [True, True]


def test_windows_that_refuses_both_leaves_a_file_and_says_so(tmp_path: Path) -> None:
    made = make_request(tmp_path, WINDOWS_PERSON, System(fails={"certreq": "Access is denied."}))

    assert made.key_storage is KeyStorage.FILE
    assert is_request(made.csr_pem)


def test_a_services_key_is_the_machines() -> None:
    assert "MachineKeySet = TRUE" in cng_request_settings("P", machine=True)
    assert "KeyAlgorithm = ECDSA_P256" in cng_request_settings("P", machine=True)


def test_macos_imports_the_key_so_that_it_cannot_be_taken_out(tmp_path: Path) -> None:
    keys: list[bytes] = []

    def security(words: Sequence[str]) -> str:
        password = words[list(words).index("-P") + 1].encode()
        key, placeholder, _ = pkcs12.load_key_and_certificates(
            Path(words[2]).read_bytes(), password
        )
        assert isinstance(key, EllipticCurvePrivateKey)
        assert placeholder is not None
        assert Path(words[2]).stat().st_mode & 0o777 == 0o600
        keys.append(public_bytes(key.public_key()))
        return "1 identity imported.\n"

    system = System(on_run=security)
    made = make_request(tmp_path, MAC_SERVICE, system)

    assert made.key_storage is KeyStorage.KEYCHAIN
    assert system.ran[0][:2] == ["/usr/bin/security", "import"]
    assert system.ran[0][-1] == "-x"
    assert "/Library/Keychains/System.keychain" in system.ran[0]
    requested = x509.load_pem_x509_csr(made.csr_pem.encode()).public_key()
    assert keys == [public_bytes(requested)]
    assert list(tmp_path.iterdir()) == []


def test_a_closed_keychain_leaves_a_file_and_nothing_else(tmp_path: Path) -> None:
    why = "SecKeychainItemImport: User interaction is not allowed."
    made = make_request(tmp_path, MAC_SERVICE, System(fails={"import": why}))

    assert made.key_storage is KeyStorage.FILE
    assert [path.name for path in tmp_path.iterdir()] == [NEW_KEY]


def public_bytes(key: CertificatePublicKeyTypes) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.DER, form)


@pytest.mark.parametrize(
    ("computer", "storage", "programs"),
    [
        (WINDOWS_SERVICE, KeyStorage.TPM, ["certutil.exe -f", "certutil.exe -repairstore"]),
        (WINDOWS_PERSON, KeyStorage.CNG, ["certutil.exe -user", "certutil.exe -user"]),
        (WINDOWS_PERSON, KeyStorage.FILE, []),
        (MAC_SERVICE, KeyStorage.KEYCHAIN, ["/usr/bin/security add-certificates"]),
        (MAC_SERVICE, KeyStorage.FILE, []),
        (LINUX_TPM, KeyStorage.TPM, []),
    ],
)
def test_the_certificate_goes_where_the_key_is(
    certificate: Path, computer: Computer, storage: KeyStorage, programs: list[str]
) -> None:
    system = System()

    accept_certificate(certificate, storage, computer, system)

    assert [" ".join(words[:2]) for words in system.ran] == programs


def test_a_former_certificate_goes_with_its_key() -> None:
    windows, mac, linux = System(), System(), System()

    forget_certificate("AB12", KeyStorage.CNG, WINDOWS_PERSON, windows)
    forget_certificate("AB12", KeyStorage.KEYCHAIN, MAC_SERVICE, mac)
    forget_certificate("AB12", KeyStorage.TPM, LINUX_TPM, linux)

    assert windows.ran[0][-1] == r"Remove-Item -Path Cert:\CurrentUser\My\AB12 -DeleteKey"
    assert mac.ran[0][1:4] == ["delete-identity", "-Z", "AB12"]
    assert linux.ran == []

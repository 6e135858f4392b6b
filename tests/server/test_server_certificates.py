"""The certificate shown is valid for the server's names; a wrong one is refused with the reason."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from fakes.clock import FakeClock
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.settings import Settings
from sekisho.server.bootstrap import House, open_house
from sekisho.server.certificates import covered_names, ensure_certificate


@pytest.fixture
def house(data_folder: Path, clock: FakeClock) -> Iterator[House]:
    with open_house(Settings(data_folder), clock) as opened:
        yield opened


def _serial(path: Path) -> int:
    return x509.load_pem_x509_certificate(path.read_bytes()).serial_number


def test_our_own_certificate_is_kept_until_it_is_due(house: House, clock: FakeClock) -> None:
    first = ensure_certificate(house)
    serial = _serial(first.certificate)
    assert _serial(ensure_certificate(house).certificate) == serial

    clock.advance(days=61)

    assert _serial(ensure_certificate(house).certificate) != serial
    assert first.key.stat().st_mode & 0o777 == 0o600


def test_a_new_public_name_makes_a_new_certificate(house: House) -> None:
    ensure_certificate(house)
    renamed = replace(house, settings=replace(house.settings, public_name="a.example.jp"))

    shown = ensure_certificate(renamed)

    leaf = x509.load_pem_x509_certificate(shown.certificate.read_bytes())
    assert covered_names(leaf)[:2] == ["a.example.jp", "localhost"]


def test_our_own_stands_in_while_acme_is_out_of_reach(house: House) -> None:
    settings = replace(
        house.settings, public_name="a.example.jp", acme_directory="https://127.0.0.1:9/directory"
    )

    shown = ensure_certificate(replace(house, settings=settings))

    leaf = x509.load_pem_x509_certificate(shown.certificate.read_bytes())
    assert leaf.issuer == house.authority.certificate.subject


def _own(house: House, names: list[str], key_of: list[str] | None = None) -> Settings:
    issued = house.authority.issue_server(names, house.clock.now())
    other = house.authority.issue_server(key_of or names, house.clock.now())
    certificate, key = house.settings.data / "own.pem", house.settings.data / "own.key"
    certificate.write_text(issued.certificate_pem)
    key.write_text(other.key_pem if key_of else issued.key_pem)
    return replace(
        house.settings,
        public_name="a.example.jp",
        certificate=str(certificate),
        certificate_key=str(key),
    )


@pytest.mark.parametrize("names", [["a.example.jp"], ["*.example.jp"]])
def test_the_organisations_own_certificate(house: House, names: list[str]) -> None:
    settings = _own(house, names)

    assert ensure_certificate(replace(house, settings=settings)).certificate.name == "own.pem"


def test_a_certificate_for_another_name(house: House) -> None:
    with pytest.raises(InvalidInputError, match=r"b\.example\.jp, not for"):
        ensure_certificate(replace(house, settings=_own(house, ["b.example.jp"])))


def test_a_key_that_does_not_belong(house: House) -> None:
    with pytest.raises(InvalidInputError, match="does not belong"):
        ensure_certificate(replace(house, settings=_own(house, ["a.example.jp"], ["x"])))


def test_an_ended_certificate(house: House, clock: FakeClock) -> None:
    settings = _own(house, ["a.example.jp"])
    clock.instant += timedelta(days=91)

    with pytest.raises(InvalidInputError, match="ended on"):
        ensure_certificate(replace(house, settings=settings))


def test_files_that_are_not_certificates(house: House) -> None:
    settings = _own(house, ["a.example.jp"])
    Path(settings.certificate).write_text("nonsense")

    with pytest.raises(InvalidInputError, match="cannot be read"):
        ensure_certificate(replace(house, settings=settings))

"""Certificates (PEM or DER) as rows of osquery's table ``certificates``, on every platform."""

import hashlib
import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from sekisho.agent.table import Row, Unreadable

if TYPE_CHECKING:
    from cryptography import x509

_SHORT = {
    "2.5.4.3": "CN",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "1.2.840.113549.1.9.1": "emailAddress",
}
_END = b"-----END CERTIFICATE-----"
_BEGIN = b"-----BEGIN CERTIFICATE-----"


def split_pem(data: bytes) -> Iterator[bytes]:
    """Yield each certificate block of a PEM file; a block without an end raises ``Unreadable``."""
    position = 0
    while (start := data.find(_BEGIN, position)) >= 0:
        end = data.find(_END, start)
        if end < 0:
            raise Unreadable("a PEM file ends in the middle of a certificate")
        position = end + len(_END)
        yield data[start:position] + b"\n"


def rows_of(certificates: Iterable[bytes], **more: object) -> Iterator[Row]:
    """Yield a row per certificate (PEM block or DER); ``more`` holds path or store columns.

    A certificate that cannot be parsed gives a row with its digest alone: it is there, and no
    condition on its contents can be met by it.
    """
    from cryptography import x509  # noqa: PLC0415 - 8 MB that only this table needs

    for data in certificates:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # old roots with odd serial numbers
                pem = data.startswith(b"-----")
                parsed = (
                    x509.load_pem_x509_certificate if pem else x509.load_der_x509_certificate
                )(data)
                row = _described(parsed)
        except (ValueError, TypeError):
            row = {"sha1": hashlib.sha1(data, usedforsecurity=False).hexdigest()}
        yield {**row, **more}


def _described(certificate: "x509.Certificate") -> Row:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - as above

    der = certificate.public_bytes(serialization.Encoding.DER)
    subject, issuer = certificate.subject, certificate.issuer
    return {
        "common_name": _common_name(subject),
        "subject": _slashes(subject),
        "subject2": _commas(subject),
        "issuer": _slashes(issuer),
        "issuer2": _commas(issuer),
        "ca": int(_is_authority(certificate)),
        "self_signed": int(subject == issuer),
        "not_valid_before": int(certificate.not_valid_before_utc.timestamp()),
        "not_valid_after": int(certificate.not_valid_after_utc.timestamp()),
        "signing_algorithm": getattr(certificate.signature_algorithm_oid, "_name", ""),
        **_key(certificate),
        "sha1": hashlib.sha1(der, usedforsecurity=False).hexdigest(),
        "serial": f"{certificate.serial_number:X}",
    }


def _pairs(name: "x509.Name") -> Iterator[tuple[str, str]]:
    for attribute in name:
        oid = attribute.oid.dotted_string
        yield _SHORT.get(oid, oid), str(attribute.value)


def _slashes(name: "x509.Name") -> str:
    return "".join(f"/{key}={value}" for key, value in _pairs(name))


def _commas(name: "x509.Name") -> str:
    return ", ".join(f"{key}={value}" for key, value in _pairs(name))


def _common_name(name: "x509.Name") -> str:
    return next((value for key, value in _pairs(name) if key == "CN"), "")


def _is_authority(certificate: "x509.Certificate") -> bool:
    from cryptography import x509  # noqa: PLC0415 - as above

    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        return False


def _key(certificate: "x509.Certificate") -> Row:
    try:
        key = certificate.public_key()
    except (ValueError, TypeError):
        return {}
    curve = getattr(key, "curve", None)
    size = getattr(key, "key_size", "")
    return {
        "key_algorithm": type(key).__name__.removesuffix("PublicKey").lstrip("_"),
        "key_strength": curve.name if curve is not None else str(size),
    }

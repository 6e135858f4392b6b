"""Certificates (PEM or DER) as rows of osquery's table ``certificates``, on every platform."""

import binascii
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from sekisho.agent.table import Row, Table, Unreadable, Where
from sekisho.agent.tables import der

_SHORT = {
    "2.5.4.3": "CN",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "1.2.840.113549.1.9.1": "emailAddress",
    "0.9.2342.19200300.100.1.25": "DC",
}
_ALGORITHMS = {
    "1.2.840.113549.1.1.1": "rsaEncryption",
    "1.2.840.113549.1.1.4": "md5WithRSAEncryption",
    "1.2.840.113549.1.1.5": "sha1WithRSAEncryption",
    "1.2.840.113549.1.1.10": "rsassaPss",
    "1.2.840.113549.1.1.11": "sha256WithRSAEncryption",
    "1.2.840.113549.1.1.12": "sha384WithRSAEncryption",
    "1.2.840.113549.1.1.13": "sha512WithRSAEncryption",
    "1.2.840.10045.2.1": "id-ecPublicKey",
    "1.2.840.10045.4.3.2": "ecdsa-with-SHA256",
    "1.2.840.10045.4.3.3": "ecdsa-with-SHA384",
    "1.2.840.10045.4.3.4": "ecdsa-with-SHA512",
    "1.3.101.112": "ED25519",
}
_CURVES = {
    "1.2.840.10045.3.1.7": "prime256v1",
    "1.3.132.0.34": "secp384r1",
    "1.3.132.0.35": "secp521r1",
}
_END = b"-----END CERTIFICATE-----"
_BEGIN = b"-----BEGIN CERTIFICATE-----"


OWN_CERTIFICATE = "device-certificate.pem"
"""The file in which the agent keeps the certificate that its server signed."""


def offer_own(tables: dict[str, Table], folder: Path) -> dict[str, Table]:
    """Return ``tables`` with the certificate of the agent in ``folder`` among ``certificates``.

    The agent may keep its memory anywhere (``--state``); what it holds there counts as well.
    """
    known = tables.get("certificates")
    if known is None:
        return tables
    path = folder / OWN_CERTIFICATE

    def rows(where: Where) -> Iterator[Mapping[str, object]]:
        if path.is_file():
            yield from rows_of(split_pem(path.read_bytes()), path=str(path))
        for row in known.rows(where):
            if row.get("path") != str(path):
                yield row

    return {**tables, "certificates": replace(known, rows=rows)}


def split_pem(data: bytes) -> Iterator[bytes]:
    """Yield each certificate of a PEM file as DER; a broken block raises ``Unreadable``."""
    position = 0
    while (start := data.find(_BEGIN, position)) >= 0:
        end = data.find(_END, start)
        if end < 0:
            raise Unreadable("a PEM file ends in the middle of a certificate")
        try:
            yield binascii.a2b_base64(data[start + len(_BEGIN) : end])
        except binascii.Error:
            raise Unreadable("a PEM file holds a certificate that is not base64") from None
        position = end + len(_END)


def rows_of(certificates: Iterable[bytes], **more: object) -> Iterator[Row]:
    """Yield a row per DER certificate; ``more`` holds path or store columns.

    A certificate that cannot be parsed gives a row with its digest alone: it is there, and no
    condition on its contents can be met by it.
    """
    for data in certificates:
        sha1 = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        try:
            yield {**_described(der.parse(data)), "sha1": sha1, **more}
        except (ValueError, IndexError):
            yield {"sha1": sha1, **more}


def _described(found: der.Certificate) -> Row:
    return {
        "common_name": next((text for kind, text in found.subject if kind == "2.5.4.3"), ""),
        "subject": _slashes(found.subject),
        "subject2": _commas(found.subject),
        "issuer": _slashes(found.issuer),
        "issuer2": _commas(found.issuer),
        "ca": int(found.is_authority),
        "self_signed": int(found.subject == found.issuer),
        "not_valid_before": found.not_before,
        "not_valid_after": found.not_after,
        "signing_algorithm": _ALGORITHMS.get(found.algorithm, found.algorithm),
        "key_algorithm": _ALGORITHMS.get(found.key_algorithm, found.key_algorithm),
        "key_strength": _CURVES.get(found.key_parameter, found.key_parameter)
        or str(found.key_bits or ""),
        "subject_key_id": found.key_identifier,
        "authority_key_id": found.authority_identifier,
        "serial": f"{found.serial:X}",
    }


def _slashes(name: tuple[tuple[str, str], ...]) -> str:
    return "".join(f"/{_SHORT.get(kind, kind)}={text}" for kind, text in name)


def _commas(name: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(f"{_SHORT.get(kind, kind)}={text}" for kind, text in name)

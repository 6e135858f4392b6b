"""The enrolment kit: one JSON file that brings a device to its organisation.

The server makes it, a person carries it, ``sekisho agent enroll`` reads it. It holds a secret, so
its ``repr`` does not show that one.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit

from sekisho.wire import fields
from sekisho.wire.errors import MessageError, words

KIT_FORMAT = 1
_WHERE = words("the enrolment kit")


class Ownership(StrEnum):
    """Whose computer it is; rules and privacy follow from it."""

    COMPANY = "company"
    PRIVATE = "private"


@dataclass(frozen=True, slots=True)
class Kit:
    """What a device needs to enrol.

    ``server_url`` is ``https://host[:port]`` without a path. ``ca_pem`` holds the authorities that
    the device trusts for the server; with ``public_trust`` also those that this computer trusts
    for any public name, because the server's name may get such a certificate (ACME) at any time.
    ``manifest_key`` is the organisation's Ed25519 public key (32 bytes in base64) that signs
    manifests. ``expires_at`` is UTC.
    """

    kit_id: str
    organisation: str
    server_url: str
    ca_pem: str
    secret: str = field(repr=False)
    ownership: Ownership
    manifest_key: str
    expires_at: datetime
    public_trust: bool = False

    @classmethod
    def parse(cls, raw: bytes | str) -> "Kit":
        """Read a kit file; raises ``MessageError`` that names the field at fault."""
        source = fields.parse_object(raw, _WHERE)
        _check_format(source)
        return cls(
            kit_id=fields.text(source, "kit_id", _WHERE),
            organisation=fields.text(source, "organisation", _WHERE),
            server_url=_https_url(fields.text(source, "server_url", _WHERE)),
            ca_pem=_certificates(fields.text(source, "ca_pem", _WHERE)),
            secret=fields.text(source, "secret", _WHERE),
            ownership=_ownership(fields.text(source, "ownership", _WHERE)),
            manifest_key=fields.text(source, "manifest_key", _WHERE),
            expires_at=fields.instant(source, "expires_at", _WHERE),
            public_trust=source.get("public_trust") is True,
        )

    def to_json(self) -> str:
        """Write the kit file's text."""
        return json.dumps(
            {
                "format": KIT_FORMAT,
                "kit_id": self.kit_id,
                "organisation": self.organisation,
                "server_url": self.server_url,
                "ca_pem": self.ca_pem,
                "secret": self.secret,
                "ownership": self.ownership.value,
                "manifest_key": self.manifest_key,
                "expires_at": self.expires_at.isoformat(),
                "public_trust": self.public_trust,
            },
            ensure_ascii=False,
            indent=1,
        )


def _check_format(source: fields.JSONObject) -> None:
    found = fields.number(source, "format", _WHERE)
    if found != KIT_FORMAT:
        raise MessageError(
            "the enrolment kit has format %(got)s; this program reads format %(want)s. "
            "Install the version of Sekisho that your organisation uses",
            got=found,
            want=KIT_FORMAT,
        )


def _https_url(url: str) -> str:
    parts = urlsplit(url)
    try:
        port_is_good = parts.port != 0
    except ValueError:
        port_is_good = False
    if parts.scheme != "https" or not parts.hostname or not port_is_good:
        raise MessageError(
            "the enrolment kit has “%(got)s” as “server_url”; expected https://host[:port]", got=url
        )
    if parts.path.strip("/") or parts.query or parts.fragment or parts.username:
        raise MessageError(
            "the enrolment kit has “%(got)s” as “server_url”; expected no path after the host",
            got=url,
        )
    return f"https://{parts.netloc}"


def _certificates(pem: str) -> str:
    if "-----BEGIN CERTIFICATE-----" not in pem:
        raise MessageError("the enrolment kit has no certificate in “ca_pem”; expected PEM text")
    return pem


def _ownership(word: str) -> Ownership:
    try:
        return Ownership(word)
    except ValueError as error:
        raise MessageError(
            "%(where)s has “%(got)s” as “ownership”; expected “company” or “private”",
            where=_WHERE,
            got=word,
        ) from error

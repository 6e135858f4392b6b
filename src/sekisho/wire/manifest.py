"""The collection manifest: exactly which columns of which tables may be read on a device.

The organisation signs it with Ed25519 (RFC 8032); the owner of a private device approves it; the
agent refuses every question that reads more. The signed bytes are ``PURPOSE`` + the payload text as
it travels, so that no canonical JSON is needed and no other signature of the key can be taken for
a manifest.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sekisho.wire import fields
from sekisho.wire.errors import MessageError, words
from sekisho.wire.kit import Ownership

PURPOSE = b"sekisho-manifest-1\n"
_WHERE = words("the signed manifest")

TableColumn = tuple[str, str]
"""(table, column); column "" means that rows are only counted."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the organisation wants to read; ``queries`` are the questions by name, for people."""

    organisation: str
    ownership: Ownership
    issued_at: datetime
    reads: frozenset[TableColumn]
    queries: Mapping[str, str]

    def to_payload(self) -> str:
        """Write the text that is signed and sent."""
        tables: dict[str, list[str]] = {}
        for table, column in sorted(self.reads):
            tables.setdefault(table, []).append(column)
        return json.dumps(
            {
                "organisation": self.organisation,
                "ownership": self.ownership.value,
                "issued_at": self.issued_at.isoformat(),
                "tables": tables,
                "queries": dict(sorted(self.queries.items())),
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )

    @classmethod
    def parse(cls, payload: str) -> "Manifest":
        """Read a payload whose signature was verified; raises ``MessageError``."""
        source = fields.parse_object(payload, _WHERE)
        ownership = fields.text(source, "ownership", _WHERE)
        if ownership not in tuple(Ownership):
            raise MessageError(
                "%(where)s has “%(got)s” as “ownership”; expected “company” or “private”",
                where=_WHERE, got=ownership,
            )  # fmt: skip
        return cls(
            organisation=fields.text(source, "organisation", _WHERE),
            ownership=Ownership(ownership),
            issued_at=fields.instant(source, "issued_at", _WHERE),
            reads=frozenset(_reads(fields.mapping(source, "tables", _WHERE))),
            queries=fields.texts_by_name(source, "queries", _WHERE),
        )


@dataclass(frozen=True, slots=True)
class SignedManifest:
    """A manifest as it travels, in the config reply under the key ``sekisho_manifest``."""

    payload: str
    signature: str

    @classmethod
    def parse(cls, source: fields.JSONObject) -> "SignedManifest":
        """Take the message apart; the signature is not verified here."""
        return cls(fields.text(source, "payload", _WHERE), fields.text(source, "signature", _WHERE))

    def to_message(self) -> dict[str, str]:
        """Write the message as JSON-ready data."""
        return {"payload": self.payload, "signature": self.signature}

    def signed_bytes(self) -> bytes:
        """Return the bytes that the signature covers."""
        return PURPOSE + self.payload.encode()

    def signature_bytes(self) -> bytes:
        """Return the 64 bytes of the signature; raises ``MessageError``."""
        return decode_base64(self.signature, 64, "signature")

    def digest(self) -> str:
        """Return the SHA-256 of payload and signature: what an approval is bound to."""
        return hashlib.sha256(self.signed_bytes() + self.signature.encode()).hexdigest()


def decode_base64(value: str, length: int, name: str) -> bytes:
    """Decode base64 of exactly ``length`` bytes; raises ``MessageError``."""
    try:
        decoded = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MessageError(
            "the signed manifest: “%(name)s” is not base64 (%(why)s)", name=name, why=error
        ) from error
    if len(decoded) != length:
        raise MessageError(
            "the signed manifest: “%(name)s” has %(got)s bytes; expected %(want)s",
            name=name, got=len(decoded), want=length,
        )  # fmt: skip
    return decoded


def _reads(tables: Mapping[str, object]) -> Iterable[TableColumn]:
    for table, columns in tables.items():
        if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
            raise MessageError(
                "the signed manifest has a wrong entry for table “%(table)s”; expected a list",
                table=table,
            )
        yield from ((table, name) for name in columns)

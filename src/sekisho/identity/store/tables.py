"""The tables of identity; migration 0003_identity makes the same."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
)

from sekisho.kernel.db import JSONText, UTCDateTime, metadata


def _person(*, primary: bool = False, optional: bool = False) -> "Column[str]":
    reference = ForeignKey("identity_people.id", ondelete="CASCADE")
    return Column("person_id", String(64), reference, primary_key=primary, nullable=optional)


people = Table(
    "identity_people",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("email", String(254), nullable=False, unique=True),
    Column("language", String(8), nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
)
person_roles = Table(
    "identity_person_roles",
    metadata,
    _person(primary=True),
    Column("role", String(32), primary_key=True),
)
links = Table(
    "identity_links",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("purpose", String(16), nullable=False),
    _person(optional=True),
    Column("created_by", String(200), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("ends_at", UTCDateTime, nullable=False),
    Column("used_at", UTCDateTime),
)
passkeys = Table(
    "identity_passkeys",
    metadata,
    Column("id", String(64), primary_key=True),
    _person(),
    Column("rp_id", String(253), nullable=False),
    Column("credential_digest", String(64), nullable=False, unique=True),
    Column("credential_id", LargeBinary, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("aaguid", String(36), nullable=False),
    Column("label", String(100), nullable=False),
    Column("backed_up", Boolean, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("used_at", UTCDateTime),
    Index("ix_identity_passkeys_person_id", "person_id"),
)
totp = Table(
    "identity_totp",
    metadata,
    _person(primary=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
)
recovery_codes = Table(
    "identity_recovery_codes",
    metadata,
    Column("digest", String(64), primary_key=True),
    _person(),
    Column("created_at", UTCDateTime, nullable=False),
    Column("used_at", UTCDateTime),
    Index("ix_identity_recovery_codes_person_id", "person_id"),
)
sessions = Table(
    "identity_sessions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    _person(),
    Column("method", String(16), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("authenticated_at", UTCDateTime, nullable=False),
    Column("seen_at", UTCDateTime, nullable=False),
    Column("ends_at", UTCDateTime, nullable=False),
    Column("address", String(64), nullable=False),
    Column("browser", String(200), nullable=False),
    Column("strength", Integer, nullable=False, server_default="1"),
    Index("ix_identity_sessions_person_id", "person_id"),
)
tokens = Table(
    "identity_tokens",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    _person(),
    Column("label", String(100), nullable=False),
    Column("scopes", JSONText, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("ends_at", UTCDateTime, nullable=False),
    Column("used_at", UTCDateTime),
    Column("revoked_at", UTCDateTime),
    Index("ix_identity_tokens_person_id", "person_id"),
)
ceremonies = Table(
    "identity_ceremonies",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("purpose", String(32), nullable=False),
    Column("challenge", LargeBinary, nullable=False),
    Column("rp_id", String(253), nullable=False),
    Column("origin", String(300), nullable=False),
    Column("person_id", String(64)),
    Column("bound_to", String(64), nullable=False),
    Column("pending", JSONText, nullable=False),
    Column("sealed", LargeBinary),
    Column("ends_at", UTCDateTime, nullable=False),
    Index("ix_identity_ceremonies_ends_at", "ends_at"),
)
attempts = Table(
    "identity_attempts",
    metadata,
    Column("key", String(100), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", UTCDateTime),
    Column("blocked_until", UTCDateTime),
    Index("ix_identity_attempts_blocked_until", "blocked_until"),
)

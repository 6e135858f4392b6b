"""The tables of identity; the migrations make the same."""

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


units = Table(
    "identity_units",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("parent_id", String(64), ForeignKey("identity_units.id")),
    Column("country", String(2), nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("language", String(8), nullable=False),
    Column("external_id", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Index("ix_identity_units_parent_id", "parent_id"),
)
people = Table(
    "identity_people",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("email", String(254), nullable=False, unique=True),
    Column("language", String(8), nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("unit_id", String(64), ForeignKey("identity_units.id")),
    Column("manager_id", String(64), ForeignKey("identity_people.id")),
    Column("external_id", String(200), nullable=False),
    # Of somebody who left: ``email`` is free for a new person, this says what it was.
    Column("former_email", String(254), nullable=False),
    Column("version", Integer, nullable=False),
    Column("changed_at", UTCDateTime),
    Index("ix_identity_people_unit_id", "unit_id"),
    Index("ix_identity_people_manager_id", "manager_id"),
    Index("ix_identity_people_name", "name", "id"),
    Index("ix_identity_people_external_id", "external_id"),
)
person_roles = Table(
    "identity_person_roles",
    metadata,
    _person(primary=True),
    Column("role", String(32), primary_key=True),
)
unit_roles = Table(
    "identity_unit_roles",
    metadata,
    _person(primary=True),
    Column("role", String(32), primary_key=True),
    Column(
        "unit_id",
        String(64),
        ForeignKey("identity_units.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Index("ix_identity_unit_roles_unit_id", "unit_id"),
)
groups = Table(
    "identity_groups",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("note", String(1000), nullable=False),
    Column("external_id", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
)
group_members = Table(
    "identity_group_members",
    metadata,
    Column(
        "group_id",
        String(64),
        ForeignKey("identity_groups.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    _person(primary=True),
    Index("ix_identity_group_members_person_id", "person_id"),
)
rosters = Table(
    "identity_rosters",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("created_by", String(200), nullable=False),
    Column("name", String(200), nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("ends_at", UTCDateTime, nullable=False),
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
    # Of an invitation that a mail may carry: its token is made of this and the secret key.
    Column("invitation_id", String(64), unique=True),
    Column("queued_at", UTCDateTime),
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
    Column("ended_at", UTCDateTime),  # of somebody who left: kept as a record, of no use
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

"""The tables of sign-in beyond the first: providers, requirements, bans, lost second factors.

Migration 0008_sign_in makes the same.
"""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
)

from sekisho.kernel.db import JSONText, UTCDateTime, metadata


def _person(*, primary: bool = False) -> "Column[str]":
    reference = ForeignKey("identity_people.id", ondelete="CASCADE")
    return Column("person_id", String(64), reference, primary_key=primary, nullable=False)


providers = Table(
    "identity_providers",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("issuer", String(500), nullable=False, unique=True),
    Column("name", String(100), nullable=False),
    Column("client_id", String(255), nullable=False),
    Column("sealed", LargeBinary),
    Column("domains", JSONText, nullable=False),
    Column("acr", JSONText, nullable=False),
    Column("amr", JSONText, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
)
subjects = Table(
    "identity_subjects",
    metadata,
    Column(
        "provider_id",
        String(64),
        ForeignKey("identity_providers.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("subject", String(255), primary_key=True),
    _person(),
    Column("email", String(254), nullable=False),
    Column("linked_how", String(200), nullable=False),
    Column("linked_at", UTCDateTime, nullable=False),
    Column("used_at", UTCDateTime),
    UniqueConstraint("provider_id", "person_id", name="uq_identity_subjects_person"),
    Index("ix_identity_subjects_person_id", "person_id"),
)
requirements = Table(
    "identity_requirements",
    metadata,
    Column("key", String(100), primary_key=True),
    Column("strength", Integer, nullable=False),
    Column("changed_by", String(200), nullable=False),
    Column("changed_at", UTCDateTime, nullable=False),
)
bans = Table(
    "identity_bans",
    metadata,
    Column("unit", String(64), primary_key=True),
    Column("reason", String(300), nullable=False),
    Column("created_by", String(200), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("ends_at", UTCDateTime, nullable=False),
    Index("ix_identity_bans_ends_at", "ends_at"),
)
recoveries = Table(
    "identity_recoveries",
    metadata,
    Column("id", String(64), primary_key=True),
    _person(),
    Column("requested_by", String(200), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("state", String(16), nullable=False),
    Column("requested_at", UTCDateTime, nullable=False),
    Column("ends_at", UTCDateTime, nullable=False),
    Index("ix_identity_recoveries_person_id", "person_id"),
    Index("ix_identity_recoveries_state", "state"),
)
recovery_votes = Table(
    "identity_recovery_votes",
    metadata,
    Column(
        "recovery_id",
        String(64),
        ForeignKey("identity_recoveries.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    _person(primary=True),
    Column("note", String(500), nullable=False),
    Column("voted_at", UTCDateTime, nullable=False),
)

"""Sign-in in full: providers, strength of sessions, requirements, bans, lost second factors."""

import sqlalchemy as sa
from alembic import op

from sekisho.kernel.db import JSONText, UTCDateTime

revision = "0008_sign_in"
down_revision = "0007_notices"


def upgrade() -> None:
    """Create the tables; sessions by passkey are worth more than the others."""
    op.add_column(
        "identity_sessions", sa.Column("strength", sa.Integer, nullable=False, server_default="1")
    )
    op.execute("UPDATE identity_sessions SET strength = 3 WHERE method = 'passkey'")
    _create_providers()
    _create_rules()
    _create_recoveries()


def downgrade() -> None:
    """Drop the tables, children first."""
    for table in (
        "identity_recovery_votes",
        "identity_recoveries",
        "identity_bans",
        "identity_requirements",
        "identity_subjects",
        "identity_providers",
    ):
        op.drop_table(table)
    with op.batch_alter_table("identity_sessions") as sessions:
        sessions.drop_column("strength")


def _person(*, primary: bool = False) -> "sa.Column[str]":
    reference = sa.ForeignKey("identity_people.id", ondelete="CASCADE")
    return sa.Column("person_id", sa.String(64), reference, primary_key=primary, nullable=False)


def _create_providers() -> None:
    op.create_table(
        "identity_providers",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("issuer", sa.String(500), nullable=False, unique=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("client_id", sa.String(255), nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("domains", JSONText, nullable=False),
        sa.Column("acr", JSONText, nullable=False),
        sa.Column("amr", JSONText, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
    )
    op.create_table(
        "identity_subjects",
        sa.Column(
            "provider_id",
            sa.String(64),
            sa.ForeignKey("identity_providers.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("subject", sa.String(255), primary_key=True),
        _person(),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("linked_how", sa.String(200), nullable=False),
        sa.Column("linked_at", UTCDateTime, nullable=False),
        sa.Column("used_at", UTCDateTime),
        sa.UniqueConstraint("provider_id", "person_id", name="uq_identity_subjects_person"),
        sa.Index("ix_identity_subjects_person_id", "person_id"),
    )


def _create_rules() -> None:
    op.create_table(
        "identity_requirements",
        sa.Column("key", sa.String(100), primary_key=True),
        sa.Column("strength", sa.Integer, nullable=False),
        sa.Column("changed_by", sa.String(200), nullable=False),
        sa.Column("changed_at", UTCDateTime, nullable=False),
    )
    op.create_table(
        "identity_bans",
        sa.Column("unit", sa.String(64), primary_key=True),
        sa.Column("reason", sa.String(300), nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("ends_at", UTCDateTime, nullable=False),
        sa.Index("ix_identity_bans_ends_at", "ends_at"),
    )


def _create_recoveries() -> None:
    op.create_table(
        "identity_recoveries",
        sa.Column("id", sa.String(64), primary_key=True),
        _person(),
        sa.Column("requested_by", sa.String(200), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("requested_at", UTCDateTime, nullable=False),
        sa.Column("ends_at", UTCDateTime, nullable=False),
        sa.Index("ix_identity_recoveries_person_id", "person_id"),
        sa.Index("ix_identity_recoveries_state", "state"),
    )
    op.create_table(
        "identity_recovery_votes",
        sa.Column(
            "recovery_id",
            sa.String(64),
            sa.ForeignKey("identity_recoveries.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        _person(primary=True),
        sa.Column("note", sa.String(500), nullable=False),
        sa.Column("voted_at", UTCDateTime, nullable=False),
    )

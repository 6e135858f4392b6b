"""People, roles, links, passkeys, TOTP, recovery codes, sessions, tokens, attempts."""

import sqlalchemy as sa
from alembic import op

from sekisho.kernel.db import JSONText, UTCDateTime

revision = "0003_identity"
down_revision = "0002_evidence"


def upgrade() -> None:
    """Create the tables."""
    _create_people()
    _create_factors()
    _create_passes()
    _create_doorway()


def downgrade() -> None:
    """Drop the tables, children first."""
    for table in (
        "identity_attempts",
        "identity_ceremonies",
        "identity_tokens",
        "identity_sessions",
        "identity_recovery_codes",
        "identity_totp",
        "identity_passkeys",
        "identity_links",
        "identity_person_roles",
        "identity_people",
    ):
        op.drop_table(table)


def _person(*, primary: bool = False, optional: bool = False) -> "sa.Column[str]":
    reference = sa.ForeignKey("identity_people.id", ondelete="CASCADE")
    return sa.Column("person_id", sa.String(64), reference, primary_key=primary, nullable=optional)


def _create_people() -> None:
    op.create_table(
        "identity_people",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.UniqueConstraint("email", name="uq_identity_people_email"),
    )
    op.create_table(
        "identity_person_roles",
        _person(primary=True),
        sa.Column("role", sa.String(32), primary_key=True),
    )


def _create_factors() -> None:
    op.create_table(
        "identity_passkeys",
        sa.Column("id", sa.String(64), primary_key=True),
        _person(),
        sa.Column("rp_id", sa.String(253), nullable=False),
        sa.Column("credential_digest", sa.String(64), nullable=False),
        sa.Column("credential_id", sa.LargeBinary, nullable=False),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("sign_count", sa.BigInteger, nullable=False),
        sa.Column("aaguid", sa.String(36), nullable=False),
        sa.Column("label", sa.String(100), nullable=False),
        sa.Column("backed_up", sa.Boolean, nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("used_at", UTCDateTime),
        sa.UniqueConstraint("credential_digest", name="uq_identity_passkeys_credential_digest"),
    )
    op.create_index("ix_identity_passkeys_person_id", "identity_passkeys", ["person_id"])
    op.create_table(
        "identity_totp",
        _person(primary=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("last_step", sa.BigInteger, nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
    )
    op.create_table(
        "identity_recovery_codes",
        sa.Column("digest", sa.String(64), primary_key=True),
        _person(),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("used_at", UTCDateTime),
    )
    op.create_index(
        "ix_identity_recovery_codes_person_id", "identity_recovery_codes", ["person_id"]
    )


def _create_passes() -> None:
    op.create_table(
        "identity_sessions",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        _person(),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("authenticated_at", UTCDateTime, nullable=False),
        sa.Column("seen_at", UTCDateTime, nullable=False),
        sa.Column("ends_at", UTCDateTime, nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("browser", sa.String(200), nullable=False),
        sa.UniqueConstraint("digest", name="uq_identity_sessions_digest"),
    )
    op.create_index("ix_identity_sessions_person_id", "identity_sessions", ["person_id"])
    op.create_table(
        "identity_tokens",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        _person(),
        sa.Column("label", sa.String(100), nullable=False),
        sa.Column("scopes", JSONText, nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("ends_at", UTCDateTime, nullable=False),
        sa.Column("used_at", UTCDateTime),
        sa.Column("revoked_at", UTCDateTime),
        sa.UniqueConstraint("digest", name="uq_identity_tokens_digest"),
    )
    op.create_index("ix_identity_tokens_person_id", "identity_tokens", ["person_id"])


def _create_doorway() -> None:
    op.create_table(
        "identity_links",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("purpose", sa.String(16), nullable=False),
        _person(optional=True),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("ends_at", UTCDateTime, nullable=False),
        sa.Column("used_at", UTCDateTime),
    )
    op.create_table(
        "identity_ceremonies",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("challenge", sa.LargeBinary, nullable=False),
        sa.Column("rp_id", sa.String(253), nullable=False),
        sa.Column("origin", sa.String(300), nullable=False),
        sa.Column("person_id", sa.String(64)),
        sa.Column("bound_to", sa.String(64), nullable=False),
        sa.Column("pending", JSONText, nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("ends_at", UTCDateTime, nullable=False),
    )
    op.create_index("ix_identity_ceremonies_ends_at", "identity_ceremonies", ["ends_at"])
    op.create_table(
        "identity_attempts",
        sa.Column("key", sa.String(100), primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("last_at", UTCDateTime),
        sa.Column("blocked_until", UTCDateTime),
    )
    op.create_index("ix_identity_attempts_blocked_until", "identity_attempts", ["blocked_until"])

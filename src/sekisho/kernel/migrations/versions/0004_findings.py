"""The inbox of what is wrong."""

import sqlalchemy as sa
from alembic import op

from sekisho.kernel.db import JSONText, UTCDateTime

revision = "0004_findings"
down_revision = "0003_identity"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "findings",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("key", sa.String(300), nullable=False),
        sa.Column("subject", sa.String(300), nullable=False),
        sa.Column("title", JSONText(), nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("detail", JSONText(), nullable=False),
        sa.Column("first_seen_at", UTCDateTime(), nullable=False),
        sa.Column("last_seen_at", UTCDateTime(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("due_at", UTCDateTime()),
        sa.Column("closed_at", UTCDateTime()),
        sa.Column("closed_because", sa.String(300), nullable=False),
        sa.Column("owner", sa.String(40)),
        sa.UniqueConstraint("key", name="uq_findings_key"),
    )
    op.create_index("ix_findings_inbox", "findings", ["status", "severity", "first_seen_at"])
    op.create_index("ix_findings_subject", "findings", ["subject", "status"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("findings")

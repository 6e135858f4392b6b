"""Reports of people, their answers and pictures."""

import sqlalchemy as sa
from alembic import op

from sekisho.kernel.db import UTCDateTime

revision = "0015_cases"
down_revision = "0014_rosters"


def _report() -> "sa.Column[str]":
    reference = sa.ForeignKey("case_reports.id", ondelete="CASCADE")
    return sa.Column("report_id", sa.String(40), reference, nullable=False)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "case_reports",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("reporter_id", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("changed_at", UTCDateTime(), nullable=False),
        sa.Column("handler_id", sa.String(64)),
        sa.Column("closed_at", UTCDateTime()),
        sa.Column("told_manager", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_case_reports_status", "case_reports", ["status", "created_at"])
    op.create_index("ix_case_reports_reporter_id", "case_reports", ["reporter_id", "created_at"])
    op.create_table(
        "case_messages",
        sa.Column("id", sa.String(40), primary_key=True),
        _report(),
        sa.Column("author_id", sa.String(64), nullable=False),
        sa.Column("from_reporter", sa.Boolean(), nullable=False),
        sa.Column("internal", sa.Boolean(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
    )
    op.create_index("ix_case_messages_report_id", "case_messages", ["report_id", "at"])
    op.create_table(
        "case_photos",
        sa.Column("id", sa.String(40), primary_key=True),
        _report(),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("media_type", sa.String(40), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    op.create_index("ix_case_photos_report_id", "case_photos", ["report_id"])


def downgrade() -> None:
    """Drop the tables."""
    for name in ("photos", "messages", "reports"):
        op.drop_table(f"case_{name}")

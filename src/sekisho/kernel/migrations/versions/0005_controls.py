"""Verdicts, who they are about, counts, history, daily figures and exceptions."""

import sqlalchemy as sa
from alembic import op

from sekisho.kernel.db import JSONText, UTCDateTime

revision = "0005_controls"
down_revision = "0004_findings"


def upgrade() -> None:
    """Create the tables."""
    _create_verdicts()
    _create_subjects()
    _create_figures()
    _create_changes()
    _create_exemptions()


def downgrade() -> None:
    """Drop the tables."""
    for table in (
        "control_versions", "control_exemptions", "control_trend", "control_changes",
        "control_counts", "control_subjects", "control_verdicts",
    ):  # fmt: skip
        op.drop_table(table)


def _create_verdicts() -> None:
    moments = ("checked_at", "received_at", "first_failed_at", "expires_at", "fix_by")
    op.create_table(
        "control_verdicts",
        sa.Column("device_id", sa.String(64), primary_key=True),
        sa.Column("control_id", sa.String(100), primary_key=True),
        sa.Column("control_version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("judged", sa.String(12), nullable=False),
        sa.Column("proof", sa.String(12), nullable=False),
        sa.Column("since", UTCDateTime(), nullable=False),
        *(sa.Column(name, UTCDateTime()) for name in moments),
        sa.Column("exempt_until", UTCDateTime()),
        sa.Column("message", JSONText()),
        sa.Column("rows", JSONText()),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_control_verdicts_control_id_kind", "control_verdicts", ["control_id", "kind"]
    )


def _create_subjects() -> None:
    counts = ("passing", "failing", "unknown", "exempt")
    op.create_table(
        "control_subjects",
        sa.Column("device_id", sa.String(64), primary_key=True),
        sa.Column("ownership", sa.String(16), nullable=False),
        sa.Column("platform", sa.String(16), nullable=False),
        sa.Column("person_id", sa.String(64)),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in counts),
        sa.Column("next_expiry_at", UTCDateTime()),
    )
    op.create_index("ix_control_subjects_next_expiry_at", "control_subjects", ["next_expiry_at"])


def _create_figures() -> None:
    op.create_table(
        "control_counts",
        sa.Column("control_id", sa.String(100), primary_key=True),
        sa.Column("kind", sa.String(12), primary_key=True),
        sa.Column("proof", sa.String(12), primary_key=True),
        sa.Column("number", sa.Integer(), nullable=False),
    )
    op.create_table(
        "control_trend",
        sa.Column("day", sa.String(10), primary_key=True),
        sa.Column("control_id", sa.String(100), primary_key=True),
        sa.Column("kind", sa.String(12), primary_key=True),
        sa.Column("proof", sa.String(12), primary_key=True),
        sa.Column("number", sa.Integer(), nullable=False),
    )


def _create_changes() -> None:
    op.create_table(
        "control_changes",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("device_id", sa.String(64), nullable=False),
        sa.Column("control_id", sa.String(100), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("before", sa.String(12)),
        sa.Column("after", sa.String(12), nullable=False),
    )
    op.create_index("ix_control_changes_device_id_at", "control_changes", ["device_id", "at"])


def _create_exemptions() -> None:
    op.create_table(
        "control_exemptions",
        sa.Column("device_id", sa.String(64), primary_key=True),
        sa.Column("control_id", sa.String(100), primary_key=True),
        sa.Column("until", UTCDateTime(), nullable=False),
        sa.Column("reason", sa.String(2000), nullable=False),
        sa.Column("granted_by", sa.String(200), nullable=False),
        sa.Column("granted_at", UTCDateTime(), nullable=False),
    )
    op.create_table(
        "control_versions",
        sa.Column("control_id", sa.String(100), primary_key=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("applies", sa.String(200), nullable=False),
    )

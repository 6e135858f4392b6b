"""What owners of devices were told last."""

import sqlalchemy as sa
from alembic import op

from sekisho.kernel.db import JSONText, UTCDateTime

revision = "0012_told"
down_revision = "0011_exceptions"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "device_told",
        sa.Column(
            "device_id",
            sa.String(64),
            sa.ForeignKey("devices.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("fix_by", UTCDateTime()),
        sa.Column("rules", JSONText(), nullable=False),
        sa.Column("told_at", UTCDateTime(), nullable=False),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("device_told")

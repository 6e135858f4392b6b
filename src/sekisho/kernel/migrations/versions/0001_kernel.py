"""The worker's cursors and small facts about the installation itself."""

import sqlalchemy as sa
from alembic import op

from sekisho.kernel.db import JSONText, UTCDateTime

revision = "0001_kernel"
down_revision = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "installation",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("value", JSONText(), nullable=False),
        sa.Column("changed_at", UTCDateTime(), nullable=False),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("installation")

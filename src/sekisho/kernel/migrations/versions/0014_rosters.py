"""Files of people that wait to be brought in."""

import sqlalchemy as sa
from alembic import op

from sekisho.kernel.db import UTCDateTime

revision = "0014_rosters"
down_revision = "0013_key_storage"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "identity_rosters",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("ends_at", UTCDateTime, nullable=False),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("identity_rosters")

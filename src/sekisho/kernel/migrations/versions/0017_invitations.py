"""Invitations that mails carry."""

import sqlalchemy as sa
from alembic import op

from sekisho.kernel.db import UTCDateTime

revision = "0017_invitations"
down_revision = "0016_access"


def upgrade() -> None:
    """Add the columns."""
    with op.batch_alter_table("identity_links") as table:
        table.add_column(sa.Column("invitation_id", sa.String(64)))
        table.add_column(sa.Column("queued_at", UTCDateTime()))
        table.create_unique_constraint("uq_identity_links_invitation_id", ["invitation_id"])
    op.create_index("ix_notice_posts_subject", "notice_posts", ["subject"])


def downgrade() -> None:
    """Drop the columns."""
    op.drop_index("ix_notice_posts_subject", "notice_posts")
    with op.batch_alter_table("identity_links") as table:
        table.drop_constraint("uq_identity_links_invitation_id", type_="unique")
        table.drop_column("queued_at")
        table.drop_column("invitation_id")

"""Notices: posts, the inbox, channels, deliveries and what people prefer."""

import sqlalchemy as sa
from alembic import op

from sekisho.kernel.db import JSONText, UTCDateTime

revision = "0007_notices"
down_revision = "0006_devices"


def _person(*, optional: bool = False) -> "sa.Column[str]":
    reference = sa.ForeignKey("identity_people.id", ondelete="CASCADE")
    return sa.Column("person_id", sa.String(64), reference, nullable=optional)


def _post() -> "sa.Column[str]":
    reference = sa.ForeignKey("notice_posts.id", ondelete="CASCADE")
    return sa.Column("post_id", sa.String(40), reference, nullable=False)


def upgrade() -> None:
    """Create the tables."""
    _create_posts()
    _create_channels()
    _create_deliveries()


def _create_posts() -> None:
    op.create_table(
        "notice_posts",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("kind", sa.String(60), nullable=False),
        sa.Column("subject", sa.String(300), nullable=False),
        sa.Column("title", JSONText(), nullable=False),
        sa.Column("body", JSONText(), nullable=False),
        sa.Column("urgency", sa.String(10), nullable=False),
        sa.Column("link", sa.String(500), nullable=False),
        sa.Column("reach", JSONText(), nullable=False),
        sa.Column("dedupe_key", sa.String(300)),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("cursor", sa.String(64), nullable=False),
        sa.Column("done_at", UTCDateTime()),
        sa.UniqueConstraint("dedupe_key", name="uq_notice_posts_dedupe_key"),
    )
    op.create_index("ix_notice_posts_open", "notice_posts", ["done_at", "id"])
    op.create_table(
        "notice_inbox",
        _person(),
        _post(),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("read_at", UTCDateTime()),
        sa.PrimaryKeyConstraint("person_id", "post_id"),
    )
    op.create_index("ix_notice_inbox_unread", "notice_inbox", ["person_id", "read_at"])
    op.create_index("ix_notice_inbox_post_id", "notice_inbox", ["post_id"])


def _create_channels() -> None:
    op.create_table(
        "notice_channels",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        _person(optional=True),
        sa.Column("setup", JSONText(), nullable=False),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("topics", JSONText(), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("paused_until", UTCDateTime()),
        sa.Column("fault", JSONText()),
        sa.Column("worked_at", UTCDateTime()),
    )
    op.create_index("ix_notice_channels_person_id", "notice_channels", ["person_id"])
    op.create_table(
        "notice_preferences",
        sa.Column(
            "person_id",
            sa.String(64),
            sa.ForeignKey("identity_people.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("time_zone", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(10), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=False),
        sa.Column("quiet_from", sa.Integer(), nullable=False),
        sa.Column("quiet_until", sa.Integer(), nullable=False),
        sa.Column("urgent_passes", sa.Boolean(), nullable=False),
        sa.Column("ways", JSONText(), nullable=False),
    )


def _create_deliveries() -> None:
    op.create_table(
        "notice_deliveries",
        sa.Column("id", sa.String(40), primary_key=True),
        _post(),
        _person(optional=True),
        sa.Column(
            "channel_id",
            sa.String(40),
            sa.ForeignKey("notice_channels.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("digest", sa.Boolean(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("leased_until", UTCDateTime()),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("fault", JSONText()),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("done_at", UTCDateTime()),
    )
    for name, columns in (
        ("due", ["state", "due_at"]),
        ("post_id", ["post_id"]),
        ("channel", ["channel_id", "state"]),
        ("person_id", ["person_id"]),
    ):
        op.create_index(f"ix_notice_deliveries_{name}", "notice_deliveries", columns)


def downgrade() -> None:
    """Drop the tables."""
    for name in ("deliveries", "preferences", "channels", "inbox", "posts"):
        op.drop_table(f"notice_{name}")

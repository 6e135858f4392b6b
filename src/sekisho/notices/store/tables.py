"""The tables of notices; the migration makes the same."""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
)

from sekisho.kernel.db import JSONText, UTCDateTime, metadata


def _person(*, primary: bool = False, optional: bool = False) -> "Column[str]":
    reference = ForeignKey("identity_people.id", ondelete="CASCADE")
    return Column("person_id", String(64), reference, primary_key=primary, nullable=optional)


def _post(*, primary: bool = False) -> "Column[str]":
    reference = ForeignKey("notice_posts.id", ondelete="CASCADE")
    return Column("post_id", String(40), reference, primary_key=primary, nullable=False)


def _channel() -> "Column[str]":
    reference = ForeignKey("notice_channels.id", ondelete="CASCADE")
    return Column("channel_id", String(40), reference, nullable=False)


# `reach` is {"people": […]}, {"right": "…"} or {"newcomer": "…"}; `cursor` is the last person
# told; a post is done when everyone it reaches has it in the inbox and on the way out.
posts = Table(
    "notice_posts",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("kind", String(60), nullable=False),
    Column("subject", String(300), nullable=False),
    Column("title", JSONText, nullable=False),
    Column("body", JSONText, nullable=False),
    Column("urgency", String(10), nullable=False),
    Column("link", String(500), nullable=False),
    Column("reach", JSONText, nullable=False),
    Column("dedupe_key", String(300), unique=True),
    Column("created_at", UTCDateTime, nullable=False),
    Column("cursor", String(64), nullable=False),
    Column("done_at", UTCDateTime),
    Index("ix_notice_posts_open", "done_at", "id"),
    Index("ix_notice_posts_subject", "subject"),
)
inbox = Table(
    "notice_inbox",
    metadata,
    _person(primary=True),
    _post(primary=True),
    Column("created_at", UTCDateTime, nullable=False),
    Column("read_at", UTCDateTime),
    Index("ix_notice_inbox_unread", "person_id", "read_at"),
    Index("ix_notice_inbox_post_id", "post_id"),
)
channels = Table(
    "notice_channels",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("name", String(100), nullable=False),
    _person(optional=True),
    Column("setup", JSONText, nullable=False),
    Column("sealed", LargeBinary),
    Column("topics", JSONText, nullable=False),
    Column("language", String(8), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("paused_until", UTCDateTime),
    Column("fault", JSONText),
    Column("worked_at", UTCDateTime),
    Index("ix_notice_channels_person_id", "person_id"),
)
deliveries = Table(
    "notice_deliveries",
    metadata,
    Column("id", String(40), primary_key=True),
    _post(),
    _person(optional=True),
    _channel(),
    Column("state", String(10), nullable=False),
    Column("digest", Boolean, nullable=False),
    Column("due_at", UTCDateTime, nullable=False),
    Column("leased_until", UTCDateTime),
    Column("tries", Integer, nullable=False),
    Column("fault", JSONText),
    Column("created_at", UTCDateTime, nullable=False),
    Column("done_at", UTCDateTime),
    Index("ix_notice_deliveries_due", "state", "due_at"),
    Index("ix_notice_deliveries_newest", "created_at", "id"),
    Index("ix_notice_deliveries_post_id", "post_id"),
    Index("ix_notice_deliveries_channel", "channel_id", "state"),
    Index("ix_notice_deliveries_person_id", "person_id"),
)
preferences = Table(
    "notice_preferences",
    metadata,
    _person(primary=True),
    Column("language", String(8), nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("digest", String(10), nullable=False),
    Column("hour", Integer, nullable=False),
    Column("weekday", Integer, nullable=False),
    Column("quiet_from", Integer, nullable=False),
    Column("quiet_until", Integer, nullable=False),
    Column("urgent_passes", Boolean, nullable=False),
    Column("ways", JSONText, nullable=False),
)

"""The tables of the rule library."""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
)
from sqlalchemy import Text as SQLText

from sekisho.kernel.db import JSONText, UTCDateTime, metadata


def _source() -> "Column[str]":
    reference = ForeignKey("detection_sources.id", ondelete="CASCADE")
    return Column("source_id", String(40), reference, nullable=False)


SOURCES = Table(
    "detection_sources",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(120), nullable=False),
    Column("origin", String(16), nullable=False),
    Column("place", Integer, nullable=False),
    Column("address", String(2000), nullable=False),
    Column("automatic", Boolean, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("etag", String(200), nullable=False),
    Column("taken_at", UTCDateTime),
    Column("checked_at", UTCDateTime),
    Column("trouble", JSONText),
    UniqueConstraint("name"),
)
FILES = Table(
    "detection_files",
    metadata,
    Column("id", Integer, primary_key=True),
    _source(),
    Column("file", String(400), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("content", LargeBinary, nullable=False),
    UniqueConstraint("source_id", "file"),
)
RULES = Table(
    "detection_rules",
    metadata,
    Column("id", String(64), primary_key=True),
    _source(),
    Column("file", String(400), nullable=False),
    Column("line", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("title", String(400), nullable=False),
    Column("level", String(16), nullable=False),
    Column("status", String(24), nullable=False),
    Column("product", String(80)),
    Column("category", String(80)),
    Column("service", String(80)),
    Column("tags", JSONText, nullable=False),
    Column("techniques", SQLText, nullable=False),
    Column("tactics", SQLText, nullable=False),
    Column("digest", String(64), nullable=False),
    Index("ix_detection_rules_source_id", "source_id"),
    Index("ix_detection_rules_title", "title"),
)
FAULTS = Table(
    "detection_faults",
    metadata,
    Column("id", Integer, primary_key=True),
    _source(),
    Column("file", String(400), nullable=False),
    Column("line", Integer, nullable=False),
    Column("said", JSONText, nullable=False),
    Index("ix_detection_faults_source_id", "source_id"),
)
TUNINGS = Table(
    "detection_tunings",
    metadata,
    Column("rule_id", String(64), primary_key=True),
    Column("level", String(16)),
    Column("reason", SQLText, nullable=False),
    Column("by", String(64), nullable=False),
    Column("at", UTCDateTime, nullable=False),
)
SUPPRESSIONS = Table(
    "detection_suppressions",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("rule_id", String(64), nullable=False),
    Column("condition", SQLText, nullable=False),
    Column("reason", SQLText, nullable=False),
    Column("by", String(64), nullable=False),
    Column("at", UTCDateTime, nullable=False),
    Column("ends_at", UTCDateTime, nullable=False),
    Column("ended_at", UTCDateTime),
    Column("reminded_at", UTCDateTime),
    Index("ix_detection_suppressions_rule_id", "rule_id"),
    Index("ix_detection_suppressions_ends_at", "ends_at"),
)
STAGED = Table(
    "detection_staged",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("source_id", String(40), nullable=False),
    Column("name", String(120), nullable=False),
    Column("address", String(2000), nullable=False),
    Column("automatic", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("by", String(64), nullable=False),
    Column("at", UTCDateTime, nullable=False),
    Column("file_name", String(200), nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("etag", String(200), nullable=False),
    Column("said", JSONText),
    Index("ix_detection_staged_state", "state"),
)

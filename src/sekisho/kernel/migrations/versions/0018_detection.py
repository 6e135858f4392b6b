"""The library of detection rules and what was decided about them."""

import sqlalchemy as sa
from alembic import op

from sekisho.kernel.db import JSONText, UTCDateTime

revision = "0018_detection"
down_revision = "0017_invitations"


def _source() -> "sa.Column[str]":
    reference = sa.ForeignKey("detection_sources.id", ondelete="CASCADE")
    return sa.Column("source_id", sa.String(40), reference, nullable=False)


def upgrade() -> None:
    """Create the tables; Sekisho's own rules are the first source and are read by the worker."""
    _create_sources()
    _create_rules()
    _create_decisions()
    op.execute(
        "INSERT INTO detection_sources (id, name, origin, place, address, automatic, digest, etag)"
        " VALUES ('src_sekisho', 'Sekisho', 'builtin', 1000000, '', false, '', '')"
    )


def _create_sources() -> None:
    op.create_table(
        "detection_sources",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(2000), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("etag", sa.String(200), nullable=False),
        sa.Column("taken_at", UTCDateTime()),
        sa.Column("checked_at", UTCDateTime()),
        sa.Column("trouble", JSONText()),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "detection_files",
        sa.Column("id", sa.Integer(), primary_key=True),
        _source(),
        sa.Column("file", sa.String(400), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.UniqueConstraint("source_id", "file"),
    )
    op.create_table(
        "detection_faults",
        sa.Column("id", sa.Integer(), primary_key=True),
        _source(),
        sa.Column("file", sa.String(400), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("said", JSONText(), nullable=False),
    )
    op.create_index("ix_detection_faults_source_id", "detection_faults", ["source_id"])


def _create_rules() -> None:
    op.create_table(
        "detection_rules",
        sa.Column("id", sa.String(64), primary_key=True),
        _source(),
        sa.Column("file", sa.String(400), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("title", sa.String(400), nullable=False),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("status", sa.String(24), nullable=False),
        sa.Column("product", sa.String(80)),
        sa.Column("category", sa.String(80)),
        sa.Column("service", sa.String(80)),
        sa.Column("tags", JSONText(), nullable=False),
        sa.Column("techniques", sa.Text(), nullable=False),
        sa.Column("tactics", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    op.create_index("ix_detection_rules_source_id", "detection_rules", ["source_id"])
    op.create_index("ix_detection_rules_title", "detection_rules", ["title"])
    op.create_table(
        "detection_staged",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("source_id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("address", sa.String(2000), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("file_name", sa.String(200), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("etag", sa.String(200), nullable=False),
        sa.Column("said", JSONText()),
    )
    op.create_index("ix_detection_staged_state", "detection_staged", ["state"])


def _create_decisions() -> None:
    op.create_table(
        "detection_tunings",
        sa.Column("rule_id", sa.String(64), primary_key=True),
        sa.Column("level", sa.String(16)),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
    )
    op.create_table(
        "detection_suppressions",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("rule_id", sa.String(64), nullable=False),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("ends_at", UTCDateTime(), nullable=False),
        sa.Column("ended_at", UTCDateTime()),
        sa.Column("reminded_at", UTCDateTime()),
    )
    for column in ("rule_id", "ends_at"):
        op.create_index(f"ix_detection_suppressions_{column}", "detection_suppressions", [column])


def downgrade() -> None:
    """Drop the tables, those that refer to others first."""
    names = ("suppressions", "tunings", "staged", "rules", "faults", "files", "sources")
    for name in names:
        op.drop_table(f"detection_{name}")

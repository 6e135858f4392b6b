"""Working through lists: notes of findings, tags of devices, acts on many, saved views."""

import sqlalchemy as sa
from alembic import op

from sekisho.kernel.db import JSONText, UTCDateTime

revision = "0019_worklists"
down_revision = "0018_detection"

_NEW = (
    "worklist_views", "worklist_members", "worklist_acts", "worklist_sheets",
    "control_selections", "device_tags", "finding_notes",
)  # fmt: skip


def upgrade() -> None:
    """Add what lists need; what a compliance finding is about is in its key already."""
    _widen_findings()
    _widen_devices()
    op.create_table(
        "control_selections",
        sa.Column("selection_id", sa.String(64), primary_key=True),
        sa.Column("device_id", sa.String(64), primary_key=True),
    )
    op.create_index(
        "ix_control_selections_device", "control_selections", ["device_id", "selection_id"]
    )
    _create_acts()
    _create_views()


def _widen_findings() -> None:
    op.add_column("findings", sa.Column("topic", sa.String(100), nullable=False, server_default=""))
    op.execute(
        "UPDATE findings SET topic = substr(key, length(subject) + 6) "
        "WHERE kind = 'compliance' AND key LIKE 'compliance:%' AND subject LIKE 'device:%'"
    )
    op.create_index("ix_findings_topic", "findings", ["status", "topic"])
    op.create_index("ix_findings_owner", "findings", ["owner", "status"])
    op.create_table(
        "finding_notes",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("finding_id", sa.String(40), nullable=False),
        sa.Column("at", UTCDateTime, nullable=False),
        sa.Column("author", sa.String(200), nullable=False),
        sa.Column("author_name", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("words", sa.Text, nullable=False),
    )
    op.create_index("ix_finding_notes_finding", "finding_notes", ["finding_id", "at"])


def _widen_devices() -> None:
    op.add_column("devices", sa.Column("note", sa.String(500), nullable=False, server_default=""))
    op.create_table(
        "device_tags",
        sa.Column("device_id", sa.String(64), primary_key=True),
        sa.Column("tag", sa.String(40), primary_key=True),
    )
    op.create_index("ix_device_tags_tag", "device_tags", ["tag", "device_id"])


def _create_acts() -> None:
    op.create_table(
        "worklist_acts",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("listing", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("wish", JSONText, nullable=False),
        sa.Column("words", JSONText, nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("actor_name", sa.String(200), nullable=False),
        sa.Column("person_id", sa.String(64)),
        sa.Column("rights", JSONText, nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("started_at", UTCDateTime),
        sa.Column("finished_at", UTCDateTime),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("undoes", sa.String(64)),
        sa.Column("undone_by", sa.String(64)),
    )
    op.create_index("ix_worklist_acts_state", "worklist_acts", ["state", "started_at"])
    op.create_index("ix_worklist_acts_actor", "worklist_acts", ["actor", "created_at"])
    op.create_table(
        "worklist_members",
        sa.Column("act_id", sa.String(64), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("target", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(12), nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("before", JSONText),
    )
    op.create_index(
        "ix_worklist_members_outcome", "worklist_members", ["act_id", "outcome", "number"]
    )


def _create_views() -> None:
    op.create_table(
        "worklist_views",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("listing", sa.String(16), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("query", sa.Text, nullable=False),
        sa.Column("owner_id", sa.String(64), nullable=False),
        sa.Column("owner_name", sa.String(200), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("unit_id", sa.String(64), nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("ix_worklist_views_list", "worklist_views", ["listing", "name"])
    op.create_table(
        "worklist_defaults",
        sa.Column("person_id", sa.String(64), primary_key=True),
        sa.Column("listing", sa.String(16), primary_key=True),
        sa.Column("view_id", sa.String(64), nullable=False),
    )
    op.create_table(
        "worklist_sheets",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("listing", sa.String(16), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("ends_at", UTCDateTime, nullable=False),
    )


def downgrade() -> None:
    """Drop what was added."""
    for table in (*_NEW, "worklist_defaults"):
        op.drop_table(table)
    op.drop_index("ix_findings_topic", "findings")
    op.drop_index("ix_findings_owner", "findings")
    op.drop_column("findings", "topic")
    op.drop_column("devices", "note")

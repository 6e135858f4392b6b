"""Indexes for lists of 30,000 devices: in the order shown, and with all that is counted."""

import sqlalchemy as sa
from alembic import op

revision = "0020_list_indexes"
down_revision = "0019_worklists"

_AGAINST = ["proof", "against_since", "device_id", "control_id", "valid_until", "source",
            "person_id"]  # fmt: skip


def upgrade() -> None:
    """Replace indexes by wider ones; add what lists and the end of somebody's time need."""
    op.drop_index("ix_devices_owner_id", "devices")
    op.create_index("ix_devices_owner_id", "devices", ["owner_id", "id"])
    op.create_index("ix_devices_name", "devices", [sa.text("lower(label || hostname)"), "id"])
    op.drop_index("ix_findings_inbox", "findings")
    op.create_index("ix_findings_inbox", "findings", ["status", "severity", "first_seen_at", "id"])
    op.drop_index("ix_findings_topic", "findings")
    op.create_index("ix_findings_topic", "findings", ["status", "topic", "severity", "subject"])
    op.create_index("ix_findings_closed_at", "findings", ["closed_at", "first_seen_at", "subject"])
    op.drop_index("ix_control_statements_against_since", "control_statements")
    there = sa.text("against_since IS NOT NULL")
    op.create_index(
        "ix_control_statements_against", "control_statements", _AGAINST, sqlite_where=there,
        postgresql_where=there,
    )  # fmt: skip
    op.create_index("ix_control_statements_person_id", "control_statements", ["person_id"])
    op.create_index("ix_notice_deliveries_newest", "notice_deliveries", ["created_at", "id"])
    op.drop_index("ix_access_decisions_last_at", "access_decisions")
    op.create_index(
        "ix_access_decisions_last_at", "access_decisions",
        ["last_at", "outcome", "times", "reason"],
    )  # fmt: skip


def downgrade() -> None:
    """Put the narrow indexes back."""
    op.drop_index("ix_access_decisions_last_at", "access_decisions")
    op.create_index("ix_access_decisions_last_at", "access_decisions", ["last_at"])
    op.drop_index("ix_notice_deliveries_newest", "notice_deliveries")
    op.drop_index("ix_control_statements_person_id", "control_statements")
    op.drop_index("ix_control_statements_against", "control_statements")
    op.create_index("ix_control_statements_against_since", "control_statements", ["against_since"])
    op.drop_index("ix_findings_closed_at", "findings")
    op.drop_index("ix_findings_topic", "findings")
    op.create_index("ix_findings_topic", "findings", ["status", "topic"])
    op.drop_index("ix_findings_inbox", "findings")
    op.create_index("ix_findings_inbox", "findings", ["status", "severity", "first_seen_at"])
    op.drop_index("ix_devices_name", "devices")
    op.drop_index("ix_devices_owner_id", "devices")
    op.create_index("ix_devices_owner_id", "devices", ["owner_id"])

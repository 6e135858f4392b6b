"""Indexes that hold all that the lists of findings, decisions and verdicts narrow and count by."""

from alembic import op

revision = "0021_covering_indexes"
down_revision = "0020_list_indexes"

_BESIDE = ["kind", "owner", "due_at"]
_WIDE = {
    "findings": {
        "ix_findings_inbox": ["status", "severity", "first_seen_at", "id", "topic", "subject",
                              *_BESIDE],
        "ix_findings_topic": ["status", "topic", "severity", "subject", "first_seen_at", *_BESIDE],
        "ix_findings_subject": ["subject", "status", "topic", "severity", "first_seen_at", "id",
                                "closed_at", *_BESIDE],
        "ix_findings_closed_at": ["closed_at", "first_seen_at", "subject", "topic", "severity",
                                  "kind"],
    },
    "devices": {"ix_devices_owner_id": ["owner_id", "state", "ownership", "platform", "id"]},
    "access_decisions": {
        "ix_access_decisions_last_at": ["last_at", "id", "outcome", "times", "reason"]
    },
    "control_verdicts": {
        "ix_control_verdicts_control_id_kind": ["control_id", "kind", "since", "device_id"]
    },
    "control_subjects": {
        "ix_control_subjects_person_id": ["person_id", "failing", "unknown", "next_expiry_at",
                                          "access", "device_id"]
    },
}  # fmt: skip
_NARROW = {
    "findings": {
        "ix_findings_inbox": ["status", "severity", "first_seen_at", "id"],
        "ix_findings_topic": ["status", "topic", "severity", "subject"],
        "ix_findings_subject": ["subject", "status"],
        "ix_findings_closed_at": ["closed_at", "first_seen_at", "subject"],
    },
    "devices": {"ix_devices_owner_id": ["owner_id", "id"]},
    "access_decisions": {
        "ix_access_decisions_last_at": ["last_at", "outcome", "times", "reason"]
    },
    "control_verdicts": {"ix_control_verdicts_control_id_kind": ["control_id", "kind"]},
    "control_subjects": {"ix_control_subjects_person_id": ["person_id"]},
}  # fmt: skip


def upgrade() -> None:
    """Put wider indexes in place of those that lead to the rows of the table."""
    _replace(_WIDE)


def downgrade() -> None:
    """Put the narrow indexes back."""
    _replace(_NARROW)


def _replace(indexes: dict[str, dict[str, list[str]]]) -> None:
    for table, named in indexes.items():
        for name, columns in named.items():
            op.drop_index(name, table)
            op.create_index(name, table, columns)
